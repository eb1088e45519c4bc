// Who sends a request, as far as its token says.
#pragma once

#include <cstdint>
#include <string>

#include "hub/auth/carrier.h"
#include "hub/auth/publish_right.h"
#include "hub/auth/rights.h"
#include "hub/auth/verdict.h"

namespace broadside::hub {

struct Caller {
  enum class Kind : std::uint8_t {
    open,       // There are no keys here, and so no tokens: nobody is anybody.
    anonymous,  // No token.
    known,      // A good token: `subject`, `rights` and what follows are its own.
    refused,    // A bad token, or two. Never taken for anonymous: `refusal` is the answer to whatever it asks for.
  };
  Kind kind = Kind::open;
  Carrier carrier = Carrier::none;
  std::string subject;           // `sub`; also of a token that has expired. Perhaps empty.
  std::uint64_t token_hash = 0;  // Of a good token without `sub`: tells it from others.
  std::string key_id;            // What the server calls the key of the token. Perhaps empty.
  Rights rights;
  std::int64_t expires_ms = kNeverMs;  // Since 1970: from then on the token is no longer good.
  Verdict refusal;
};

}  // namespace broadside::hub
