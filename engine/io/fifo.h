// A queue that keeps its memory: first in, first out, over one vector. Not for threads.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace broadside::io {

// Invariant: head_ <= items_.size(); what lies before head_ is gone and is reclaimed when half of the vector is such.
template <typename T>
class Fifo {
 public:
  [[nodiscard]] bool empty() const { return head_ == items_.size(); }
  [[nodiscard]] std::size_t size() const { return items_.size() - head_; }
  void push(T item) { items_.push_back(std::move(item)); }

  // Requires: not empty.
  T pop() {
    BROADSIDE_ASSERT(!empty());
    T item = std::move(items_[head_]);
    ++head_;
    if (head_ == items_.size()) {
      items_.clear();
      head_ = 0;
    } else if (head_ >= 1024 && head_ * 2 >= items_.size()) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    return item;
  }

 private:
  std::vector<T> items_;
  std::size_t head_ = 0;
};

}  // namespace broadside::io
