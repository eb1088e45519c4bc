// The hash of every table whose keys come from outside: topics, keys, publishers' ids. Keyed by this process's own random key, so
// that nobody can choose names that all fall into one place and make each look-up, under the store's lock, a walk through all of
// them.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/siphash.h"

namespace broadside {

// Drawn from the kernel at first use. Any thread.
[[nodiscard]] const SipHashKey& text_hash_key();

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return siphash(text_hash_key(), text); }
};

}  // namespace broadside
