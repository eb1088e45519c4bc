// The keys that tokens may be signed with: several at once, so that they can be exchanged one by one. Immutable once it is in
// use.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hub/auth/key.h"

namespace broadside::hub {

class KeySet {
 public:
  // A token that names no key is tried with all of its algorithm: each costs up to a tenth of a millisecond.
  static constexpr std::size_t kKeysMax = 32;

  // What is wrong with taking it in as well; empty if it was.
  [[nodiscard]] std::string add(Key key);

  [[nodiscard]] bool is_empty() const { return keys_.empty(); }
  [[nodiscard]] std::span<const Key> keys() const { return keys_; }

  // The keys for a token of this algorithm that names the key `id` (empty: none). A key without a name is for any token.
  [[nodiscard]] std::vector<const Key*> candidates(Algorithm algorithm, std::string_view id) const;

 private:
  std::vector<Key> keys_;
};

}  // namespace broadside::hub
