// Counts what one stream received of a conflated topic against what it must have: in the end the newest event of each key. One
// that a newer event of its key stands in for is superseded, which is no fault; doubles and wrong order are faults as ever.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/load/tally.h"

namespace broadside::tools::load {

// Sequences count from 1 to 2^32 - 1, and keys take turns: a key is a sequence modulo their number, so a stream needs one number
// for each. Invariant: what has come and what was passed over make up all that is owed, but for what is newer than the newest
// event of its key that has come.
class ConflatedTally {
 public:
  explicit ConflatedTally(std::uint32_t keys) : keys_(keys) {}

  // Begins anew: what is owed begins with the first number to come, at `first_max` at the latest.
  void begin(std::uint64_t first_max);
  // Returns how many events the server passed over with this one. `faults` are the sums of all streams. One that is older than
  // the newest of its key counts as reordered, also when it comes again.
  std::uint64_t on_sequence(std::uint64_t sequence, Faults& faults);
  // Whether of each key the newest up to `last` has come.
  [[nodiscard]] bool has_all(std::uint64_t last) const;
  // Counts a loss for each key whose newest event up to `last` has not come. The stream is over. Returns how many events were
  // passed over with those.
  std::uint64_t finish(std::uint64_t last, Faults& faults);

 private:
  [[nodiscard]] std::size_t key_of(std::uint64_t sequence) const { return static_cast<std::size_t>(sequence % keys_); }
  [[nodiscard]] std::uint64_t count_passed_over(std::uint64_t sequence) const;
  [[nodiscard]] std::uint64_t oldest_newest(std::uint64_t last) const;

  const std::uint32_t keys_;
  std::uint64_t owed_from_ = 1;
  std::uint64_t newest_ = 0;              // Of all keys; 0: nothing has come yet.
  std::vector<std::uint32_t> newest_of_;  // By key. Empty until something comes: streams that stall need none.
};

}  // namespace broadside::tools::load
