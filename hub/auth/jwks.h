// Reads JSON Web Key Sets (RFC 7517): what identity providers publish their keys as.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broadside/error.h"
#include "hub/auth/key_set.h"

namespace broadside::hub {

// Adds the set's signature keys that are of an algorithm of ours: `kty` oct with `alg`, RSA, EC on P-256, OKP with Ed25519.
// Others are passed over, as section 5 asks; `notes` says why, one entry a key. Refused: what is no key set, a set without any
// key that can be used, and what KeySet::add() refuses.
[[nodiscard]] Result<Done> add_jwks(std::string_view json, KeySet& keys, std::vector<std::string>& notes);

}  // namespace broadside::hub
