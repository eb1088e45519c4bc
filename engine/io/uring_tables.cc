// See uring_tables.h.
#include "engine/io/uring_tables.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "base/assert.h"
#include "engine/io/host.h"

namespace broadside::io {
namespace {

// Sends come in batches of 64 to 128, a close is two entries; completions are fetched after each submit.
constexpr std::uint32_t kSubmissions = 256;
constexpr std::uint32_t kCompletions = 512;

}  // namespace

UringTables::~UringTables() {
  // Ending a ring closes its files some time later in a kernel thread; this does it now.
  for (Table& table : tables_) io_uring_unregister_files(table.ring->raw());
}

bool UringTables::open(Ring& main, std::uint32_t places_max) {
  BROADSIDE_ASSERT(tables_.empty());
  BROADSIDE_ASSERT(places_max > 0);
  places_max_ = places_max;
  return add(main, nullptr);
}

bool UringTables::grow() {
  if (tables_.size() >= static_cast<std::size_t>(std::numeric_limits<std::int16_t>::max())) return false;
  std::unique_ptr<Ring> ring(new (std::nothrow) Ring);
  if (ring == nullptr || ring->open(kSubmissions, kCompletions) != 0) return false;
  Ring& added = *ring;
  return add(added, std::move(ring));
}

bool UringTables::add(Ring& ring, std::unique_ptr<Ring> own_ring) {
  const std::uint64_t limit = std::max<std::uint64_t>(open_files_limit(), 1);
  const auto places = static_cast<std::uint32_t>(std::min<std::uint64_t>(places_max_, limit));
  if (io_uring_register_files_sparse(ring.raw(), places) != 0) return false;
  Table table;
  table.ring = &ring;
  table.own_ring = std::move(own_ring);
  table.places = places;
  tables_.push_back(std::move(table));
  roomy_ = std::min(roomy_, tables_.size() - 1);
  return true;
}

Socket UringTables::insert(int fd) {
  BROADSIDE_ASSERT(fd >= 0);
  BROADSIDE_ASSERT(has_room());
  Table& table = tables_[roomy_];
  const std::uint32_t place = table.free.empty() ? table.used_end : table.free.back();
  BROADSIDE_ASSERT(place < table.places);
  if (io_uring_register_files_update(table.ring->raw(), place, &fd, 1) != 1) return Socket{};
  if (table.free.empty()) {
    ++table.used_end;
  } else {
    table.free.pop_back();
  }
  const Socket socket{.value = static_cast<std::int32_t>(place), .table = static_cast<std::int16_t>(roomy_)};
  while (roomy_ < tables_.size() && !tables_[roomy_].has_room()) ++roomy_;
  return socket;
}

void UringTables::free_place(std::uint32_t table, std::uint32_t place) {
  BROADSIDE_ASSERT(table < tables_.size());
  BROADSIDE_ASSERT(place < tables_[table].used_end);
  tables_[table].free.push_back(place);
  roomy_ = std::min<std::size_t>(roomy_, table);
}

void UringTables::evict(std::uint32_t table, std::uint32_t place) {
  BROADSIDE_ASSERT(table < tables_.size());
  const int none = -1;
  io_uring_register_files_update(tables_[table].ring->raw(), place, &none, 1);
}

}  // namespace broadside::io
