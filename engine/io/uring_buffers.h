// The buffers that one ring's receives share: the kernel takes one when bytes have come, so a waiting connection costs none.
// Memory is mapped when first touched.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/io/uring_ring.h"

namespace broadside::io {

// Invariant: free_count() buffers are the kernel's to take; the others are between take() and give_back().
class UringBuffers {
 public:
  static constexpr std::uint32_t kBufferBytes = 16 * kKiB;
  static constexpr std::uint16_t kGroup = 0;

  UringBuffers() = default;
  UringBuffers(const UringBuffers&) = delete;
  UringBuffers& operator=(const UringBuffers&) = delete;
  ~UringBuffers();

  // Registers `count` buffers (rounded up to a power of two, 32,768 at most) with `ring`, which must live as long. 0 or an errno.
  [[nodiscard]] int open(Ring& ring, std::uint32_t count);
  [[nodiscard]] std::uint32_t free_count() const { return free_count_; }
  // The kernel has filled buffer `id`: its bytes are the caller's until give_back().
  void take(std::uint16_t id);
  [[nodiscard]] const char* bytes_of(std::uint16_t id) const { return bytes_ + static_cast<std::size_t>(id) * kBufferBytes; }
  void give_back(std::uint16_t id);

 private:
  void unmap();

  io_uring_buf_ring* ring_ = nullptr;
  char* bytes_ = nullptr;
  std::uint32_t count_ = 0;
  std::uint32_t free_count_ = 0;
};

}  // namespace broadside::io
