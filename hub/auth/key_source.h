// Where the keys come from: what --auth-key and --auth-jwks name, read from files and the environment.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broadside/error.h"
#include "hub/auth/key_set.h"

namespace broadside::hub {

struct KeySources {
  std::vector<std::string> keys;  // "HS256:FILE", "ES256:env:NAME", each perhaps with ",kid=NAME" behind.
  std::string jwks_path;          // Empty: none.

  [[nodiscard]] bool is_empty() const { return keys.empty() && jwks_path.empty(); }
};

// What is wrong with the form of an entry of `keys`; empty if nothing is. Reads nothing.
[[nodiscard]] std::string key_source_problem(std::string_view source);

// Reads all of them, or says which one is bad and why. `notes` gets what is worth a line in the log.
[[nodiscard]] Result<KeySet> read_keys(const KeySources& sources, std::vector<std::string>& notes);

}  // namespace broadside::hub
