// Copies bytes so that they end at a page that may not be touched: a parser that reads one byte too far dies at once, in
// every build. For tests alone.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace broadside {

class GuardedBytes {
 public:
  explicit GuardedBytes(std::string_view bytes) : size_(bytes.size()) {
    const auto page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t readable_bytes = (bytes.size() + page_bytes - 1) / page_bytes * page_bytes;
    mapped_bytes_ = readable_bytes + page_bytes;
    mapping_ = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping_ == MAP_FAILED) std::abort();
    char* const guard = static_cast<char*>(mapping_) + readable_bytes;
    if (mprotect(guard, page_bytes, PROT_NONE) != 0) std::abort();
    begin_ = guard - size_;
    if (size_ > 0) std::memcpy(begin_, bytes.data(), size_);
  }
  ~GuardedBytes() { munmap(mapping_, mapped_bytes_); }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  [[nodiscard]] std::string_view view() const { return {begin_, size_}; }

 private:
  std::size_t size_;
  std::size_t mapped_bytes_ = 0;
  void* mapping_ = nullptr;
  char* begin_ = nullptr;
};

}  // namespace broadside
