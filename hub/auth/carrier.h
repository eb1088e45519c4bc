// How a request carries its token: `Authorization: Bearer`, a cookie, or the query (RFC 6750 section 2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "broadside/handler.h"

namespace broadside::hub {

enum class Carrier : std::uint8_t { none, header, cookie, query };

// Beside the header, which always counts.
struct CarrierOptions {
  std::string cookie;        // The cookie's name; empty: cookies do not count.
  bool takes_query = false;  // Whether `access_token=` may carry it. Queries are in histories and in others' logs.
};

struct CarriedToken {
  Carrier carrier = Carrier::none;
  std::string token;    // Not checked; may be empty.
  std::string problem;  // Why the request is malformed (section 3.1, invalid_request); empty if it is not.
};

// More than one token is a problem, in whatever carriers: which one counts is not left to chance.
[[nodiscard]] CarriedToken find_token(const Request& request, const CarrierOptions& options);

// The query as logs may have it: with `***` for a token, whether it may be carried there or not.
[[nodiscard]] std::string without_token(std::string_view query);

// What is wrong with `name` as a cookie's name; empty if nothing is.
[[nodiscard]] std::string cookie_problem(std::string_view name);

}  // namespace broadside::hub
