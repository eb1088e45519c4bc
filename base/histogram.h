// Counts of values with a relative error below a thousandth, as HdrHistogram has them: each power of two is divided into 1024
// equal parts. For latencies in microseconds; recording costs a few instructions and never allocates.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace broadside {

// Invariant: min and max are exact, all else within the resolution.
class Histogram {
 public:
  static constexpr std::uint64_t kValueMax = (std::uint64_t{1} << 36) - 1;  // Larger values count as this: 19 hours.

  Histogram() : counts_(kPlaces) {}

  void record(std::uint64_t value) {
    if (value > kValueMax) value = kValueMax;
    ++counts_[place_of(value)];
    ++count_;
    sum_ += value;
    if (value < min_) min_ = value;
    if (value > max_) max_ = value;
  }
  void merge(const Histogram& other);
  void clear();

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] std::uint64_t max() const { return max_; }
  [[nodiscard]] double mean() const { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }
  // The smallest value that `percent` (0 to 100) of all values do not exceed, at the resolution's upper edge; 0 without values.
  [[nodiscard]] std::uint64_t percentile(double percent) const;

 private:
  static constexpr unsigned kPartBits = 10;
  static constexpr std::size_t kPlaces = ((std::size_t{36} - kPartBits + 1) << kPartBits);

  // Values below 2^11 have a place each; above, the leading 11 bits and the power of two say which.
  static std::size_t place_of(std::uint64_t value) {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    const unsigned shift = width > kPartBits + 1 ? width - kPartBits - 1 : 0;
    return (std::size_t{shift} << kPartBits) + (value >> shift);
  }
  static std::uint64_t value_at(std::size_t place);  // The largest value that is counted there.

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t min_ = UINT64_MAX;
  std::uint64_t max_ = 0;
};

}  // namespace broadside
