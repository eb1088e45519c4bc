#include "engine/text_hash.h"

#include <sys/random.h>

#include "base/assert.h"

namespace broadside {

const SipHashKey& text_hash_key() {
  static const SipHashKey drawn = [] {
    SipHashKey key{};
    const ssize_t got = ::getrandom(key.data(), sizeof key, 0);
    BROADSIDE_ASSERT(got == static_cast<ssize_t>(sizeof key));  // Does not block or fail once the machine is up.
    return key;
  }();
  return drawn;
}

}  // namespace broadside
