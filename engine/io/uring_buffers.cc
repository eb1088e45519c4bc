// See uring_buffers.h.
#include "engine/io/uring_buffers.h"

#include <sys/mman.h>

#include <bit>
#include <cerrno>

#include "base/assert.h"

namespace broadside::io {
namespace {

void* map_pages(std::size_t bytes) {
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return pages == MAP_FAILED ? nullptr : pages;
}

}  // namespace

UringBuffers::~UringBuffers() { unmap(); }

void UringBuffers::unmap() {
  if (ring_ != nullptr) ::munmap(ring_, count_ * sizeof(io_uring_buf));
  if (bytes_ != nullptr) ::munmap(bytes_, static_cast<std::size_t>(count_) * kBufferBytes);
  ring_ = nullptr;
  bytes_ = nullptr;
}

int UringBuffers::open(Ring& ring, std::uint32_t count) {
  BROADSIDE_ASSERT(ring_ == nullptr);
  BROADSIDE_ASSERT(count >= 1 && count <= 32768);
  count_ = std::bit_ceil(count);
  ring_ = static_cast<io_uring_buf_ring*>(map_pages(count_ * sizeof(io_uring_buf)));
  bytes_ = static_cast<char*>(map_pages(static_cast<std::size_t>(count_) * kBufferBytes));
  if (ring_ == nullptr || bytes_ == nullptr) {
    unmap();
    return ENOMEM;
  }
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(ring_);
  registration.ring_entries = count_;
  registration.bgid = kGroup;
  const int error = -io_uring_register_buf_ring(ring.raw(), &registration, 0);
  if (error != 0) {
    unmap();
    return error;
  }
  for (std::uint32_t id = 0; id < count_; ++id) give_back(static_cast<std::uint16_t>(id));
  return 0;
}

void UringBuffers::take(std::uint16_t id) {
  BROADSIDE_ASSERT(id < count_);
  BROADSIDE_ASSERT(free_count_ > 0);
  --free_count_;
}

void UringBuffers::give_back(std::uint16_t id) {
  BROADSIDE_ASSERT(id < count_);
  BROADSIDE_ASSERT(free_count_ < count_);
  ++free_count_;
  const std::uint16_t tail = ring_->tail;
  // The tail lies over the first entry's `resv`: fill the entry field by field and leave that one alone.
  io_uring_buf& entry = ring_->bufs[tail & (count_ - 1)];
  entry.addr = reinterpret_cast<std::uint64_t>(bytes_ + static_cast<std::size_t>(id) * kBufferBytes);
  entry.len = kBufferBytes;
  entry.bid = id;
  io_uring_smp_store_release(&ring_->tail, static_cast<std::uint16_t>(tail + 1));
}

}  // namespace broadside::io
