// See key_set.h.
#include "hub/auth/key_set.h"

#include <algorithm>
#include <utility>

namespace broadside::hub {

std::string KeySet::add(Key key) {
  if (keys_.size() == kKeysMax) return "more than " + std::to_string(kKeysMax) + " keys; leave out those that sign no more";
  const bool is_taken = std::any_of(keys_.begin(), keys_.end(), [&key](const Key& other) {
    return !key.id().empty() && other.id() == key.id() && other.algorithm() == key.algorithm();
  });
  if (is_taken) return "there are two " + std::string(name_of(key.algorithm())) + " keys named `" + key.id() + "`";
  keys_.push_back(std::move(key));
  return {};
}

std::vector<const Key*> KeySet::candidates(Algorithm algorithm, std::string_view id) const {
  std::vector<const Key*> found;
  for (const Key& key : keys_) {
    if (key.algorithm() == algorithm && (id.empty() || key.id().empty() || key.id() == id)) found.push_back(&key);
  }
  return found;
}

}  // namespace broadside::hub
