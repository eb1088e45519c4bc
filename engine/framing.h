// For streams whose bytes are not the shared ones as they are: in chunks (limit=), sealed (TLS), or both. Their visits are put
// into records of a few KiB in a buffer of the shard, which lives for a batch. Of what the kernel does not take the record begun
// is kept, and those behind it have never been: a subscriber that does not read costs one record. The shard's thread.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "broadside/transport.h"
#include "engine/connection.h"

namespace broadside {

// The bytes of one visit.
struct Plain {
  std::span<const iovec> ranges;
  std::uint64_t bytes = 0;
  // Where in these the connection's own bytes begin and end: they have their chunk lines already.
  std::uint64_t own_begin = 0;
  std::uint64_t own_end = 0;
};

// What has become of them, for as long as the buffer is not cleared.
struct Framed {
  iovec range{};                  // What goes to the kernel.
  std::uint64_t plain_bytes = 0;  // So many of the visit's are in it; the others wait for the next one.
  std::uint32_t rest_bytes = 0;   // At the front: of a record begun before.
  std::uint32_t record_begin = 0;
  std::uint32_t record_count = 0;
};

class FramingBuffer {
 public:
  // What a record carries: with all that is around it less than 4 KiB, which is what allocators give out.
  static constexpr std::size_t kContentBytesMax = 4032;
  static constexpr std::uint32_t kRecordsMax = 16;  // Of one visit.
  static constexpr std::uint64_t kPlainBytesMax = kContentBytesMax * kRecordsMax;

  void clear();
  // Whether another visit can be framed, when a part of the buffer, `kept` of `of`, is to stay for others.
  [[nodiscard]] bool has_room(std::size_t kept = 0, std::size_t of = 1) const {
    return used_ + kVisitBytesMax <= kBytes - kBytes * kept / of;
  }
  // Requires: has_room(), connection.is_framed.
  Framed frame(const Connection& connection, const Plain& plain);
  // The kernel has taken the first `sent` bytes; returns how many of the visit's bytes are done with. Requires: the connection
  // has not been framed since.
  std::uint64_t settle(const Framed& framed, Connection& connection, std::uint64_t sent);

 private:
  static constexpr std::size_t kRecordBytesMax =
      StreamSealer::kHeaderBytesMax + kContentBytesMax + StreamSealer::kTrailerBytesMax;
  static constexpr std::size_t kVisitBytesMax = kRecordBytesMax * (kRecordsMax + 1);
  static constexpr std::size_t kBytes =
      512 << 10;  // Some visits of the largest kind, a batch of small ones; and it stays in a cache.

  struct Record {
    std::uint32_t bytes = 0;
    std::uint32_t plain_bytes = 0;
  };
  // Takes bytes out of ranges, one after the other.
  struct Reader {
    std::span<const iovec> ranges;
    std::size_t offset = 0;
    void copy(char* out, std::size_t bytes);
  };
  void add_record(StreamSealer* sealer, Reader& reader, std::size_t plain_bytes, bool is_chunk);

  std::unique_ptr<char[]> bytes_;  // Made when first needed.
  std::size_t used_ = 0;
  std::vector<Record> records_;
};

}  // namespace broadside
