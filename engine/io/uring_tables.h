// Tables of direct descriptors: sockets that a ring alone holds, so that they do not count as open files. A table has at
// most RLIMIT_NOFILE places, and a ring one table: the first is the main ring's, the others bring small rings of their own,
// used for sends and closes alone, which complete while they are submitted. Owned and used by the shard's thread.
//
// Only from kernel 6.13 on: older ones keep a closed socket open until every older request of the ring has ended.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/io/io.h"
#include "engine/io/uring_ring.h"

namespace broadside::io {

// Invariant: a place is free, held by a socket, or closing (until free_place() hears of the close's completion).
class UringTables {
 public:
  UringTables() = default;
  UringTables(const UringTables&) = delete;
  UringTables& operator=(const UringTables&) = delete;
  ~UringTables();

  // Gives `main` its table. `places_max` bounds each table. False when the kernel refuses; then nothing is changed.
  [[nodiscard]] bool open(Ring& main, std::uint32_t places_max);
  [[nodiscard]] bool is_open() const { return !tables_.empty(); }
  [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(tables_.size()); }
  [[nodiscard]] Ring& ring(std::uint32_t table) { return *tables_[table].ring; }
  [[nodiscard]] bool has_room() const { return roomy_ < tables_.size(); }
  // Adds a table with a ring. False when there is no memory, or 32,767 of them.
  [[nodiscard]] bool grow();

  // Registers a copy of `fd`, which stays the caller's. A closed Socket when the kernel refuses. Requires: has_room().
  [[nodiscard]] Socket insert(int fd);
  // The kernel has let go of the place.
  void free_place(std::uint32_t table, std::uint32_t place);
  // Takes the socket out by a system call of its own, when a close that was queued has failed.
  void evict(std::uint32_t table, std::uint32_t place);

 private:
  struct Table {
    Ring* ring = nullptr;
    std::unique_ptr<Ring> own_ring;
    std::vector<std::uint32_t> free;  // Given back; used before new ones.
    std::uint32_t used_end = 0;       // Places from here on were never used.
    std::uint32_t places = 0;
    [[nodiscard]] bool has_room() const { return !free.empty() || used_end < places; }
  };

  [[nodiscard]] bool add(Ring& ring, std::unique_ptr<Ring> own_ring);

  std::vector<Table> tables_;
  std::size_t roomy_ = 0;  // The first table with room, or the number of tables.
  std::uint32_t places_max_ = 0;
};

}  // namespace broadside::io
