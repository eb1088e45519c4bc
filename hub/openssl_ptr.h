// Owners of OpenSSL's objects, and its queue of errors kept out of others' way.
#pragma once

#include <openssl/err.h>

#include <memory>

namespace broadside::hub {

template <auto kFree>
struct OpensslFree {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

// OpensslPtr<EVP_PKEY, EVP_PKEY_free>
template <typename T, auto kFree>
using OpensslPtr = std::unique_ptr<T, OpensslFree<kFree>>;

// Takes away the errors that calls during its life leave in the thread's queue, in which TLS would find them.
class OpensslErrorScope {
 public:
  OpensslErrorScope() { ERR_set_mark(); }
  ~OpensslErrorScope() { ERR_pop_to_mark(); }
  OpensslErrorScope(const OpensslErrorScope&) = delete;
  OpensslErrorScope& operator=(const OpensslErrorScope&) = delete;
};

}  // namespace broadside::hub
