// What a shard's connections hold of requests that are not complete and of answers that are not taken. Anybody can make them hold
// that, before any token has been looked at: so it is counted, and all of it together has a bound. The shard's thread; bytes()
// from any.
#pragma once

#include <cstdint>

#include "engine/counters.h"

namespace broadside {

class RequestMemory {
 public:
  // One connection's, given back with it.
  class Part {
   public:
    Part() = default;
    ~Part() { set(0); }
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;

    // Outlived by `whole`.
    void join(RequestMemory& whole) { whole_ = &whole; }
    void set(std::uint64_t bytes) {
      if (whole_ == nullptr) return;
      whole_->bytes_.add(bytes);
      whole_->bytes_.subtract(bytes_);
      bytes_ = bytes;
    }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

   private:
    RequestMemory* whole_ = nullptr;
    std::uint64_t bytes_ = 0;
  };

  [[nodiscard]] std::uint64_t bytes() const { return bytes_.get(); }

 private:
  Counter bytes_;
};

}  // namespace broadside
