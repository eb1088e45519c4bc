#include "base/histogram.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"

namespace broadside {

void Histogram::merge(const Histogram& other) {
  if (other.count_ == 0) return;
  const std::size_t last = place_of(other.max_);
  for (std::size_t place = place_of(other.min_); place <= last; ++place) counts_[place] += other.counts_[place];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

void Histogram::clear() {
  if (count_ == 0) return;
  const auto begin = counts_.begin();
  std::fill(begin + static_cast<std::ptrdiff_t>(place_of(min_)), begin + static_cast<std::ptrdiff_t>(place_of(max_)) + 1, 0);
  count_ = sum_ = max_ = 0;
  min_ = UINT64_MAX;
}

std::uint64_t Histogram::value_at(std::size_t place) {
  constexpr std::size_t kPart = std::size_t{1} << kPartBits;
  if (place < 2 * kPart) return place;
  const std::size_t shift = place / kPart - 1;
  const std::uint64_t leading = kPart + place % kPart;
  return ((leading + 1) << shift) - 1;
}

std::uint64_t Histogram::percentile(double percent) const {
  BROADSIDE_ASSERT(percent >= 0 && percent <= 100);
  if (count_ == 0) return 0;
  // 99.9 is not quite that in binary: the product may lie a little above the whole number that is meant.
  const auto rank = static_cast<std::uint64_t>(std::ceil(percent / 100 * static_cast<double>(count_) - 1e-6));
  const std::uint64_t wanted = std::clamp<std::uint64_t>(rank, 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t place = place_of(min_); place < counts_.size(); ++place) {
    seen += counts_[place];
    if (seen >= wanted) return std::clamp(value_at(place), min_, max_);
  }
  return max_;
}

}  // namespace broadside
