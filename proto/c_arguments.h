// What a C caller hands over, turned into C++: nothing of it is trusted to be there or to be in range, only to be readable where
// it points. For the functions of the C API, on whatever thread they are called; nothing in here outlives the call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broadside/c_base.h"
#include "broadside/c_event.h"
#include "broadside/error.h"
#include "broadside/event.h"

namespace broadside {

[[nodiscard]] constexpr broadside_slice slice_of(std::string_view text) { return {.data = text.data(), .size = text.size()}; }

// The arguments of one call. The first one that cannot be is remembered: it is what the call answers.
class CArguments {
 public:
  explicit CArguments(broadside_error* error) : error_(error) {
    if (error_ != nullptr) error_->message[0] = '\0';
  }
  CArguments(const CArguments&) = delete;
  CArguments& operator=(const CArguments&) = delete;

  [[nodiscard]] bool are_good() const { return status_ == BROADSIDE_OK; }
  [[nodiscard]] broadside_status status() const { return status_; }

  // These remember the first refusal, and return what the call answers.
  broadside_status refuse(broadside_status status, std::string_view message);
  broadside_status refuse(const char* name, const char* what);  // An invalid argument.
  broadside_status refuse(const Error& error);
  template <typename T>
  broadside_status finish(const Result<T>& result) {
    return result ? status_ : refuse(result.error());
  }

  bool need(const void* pointer, const char* name) {
    if (pointer == nullptr) refuse(name, "is null");
    return pointer != nullptr;
  }
  // Of those that have to be there; null otherwise.
  template <typename T>
  std::span<const T> list(const T* first, std::size_t count, const char* name) {
    if (count != 0 && !need(first, name)) return {};
    return {first, count};
  }
  std::string_view text(broadside_slice slice, const char* name) {
    if (slice.size != 0 && !need(slice.data, name)) return {};
    return {slice.data, slice.size};
  }
  // A constant of an enumeration whose values go from 0 to `last`.
  template <typename Enum>
  Enum value(std::int32_t value, Enum last, const char* name) {
    if (value >= 0 && value <= static_cast<std::int32_t>(last)) return static_cast<Enum>(value);
    refuse(name, "is none of its constants");
    return {};
  }

  std::vector<std::string> texts(const broadside_slice* first, std::size_t count, const char* name) {
    std::vector<std::string> all;
    for (const broadside_slice& slice : list(first, count, name)) all.emplace_back(text(slice, name));
    return all;
  }

  // What the caller knows of a sized structure; the rest as its `_init` function has it.
  template <typename T>
  T sized(const T* from, void (*init)(T*), const char* name) {
    T whole;
    init(&whole);
    if (!need(from, name) || !check_size(from->size, name)) return whole;
    std::memcpy(&whole, from, std::min(from->size, sizeof whole));
    whole.size = sizeof whole;
    const char* bytes = reinterpret_cast<const char*>(from);
    if (from->size > sizeof whole && std::any_of(bytes + sizeof whole, bytes + from->size, [](char byte) { return byte != 0; })) {
      refuse(name, "asks for what only a newer libbroadside than " BROADSIDE_VERSION " knows");
    }
    return whole;
  }
  // The same of one that may be null: all as its `_init` function has it.
  template <typename T>
  T sized_if_any(const T* from, void (*init)(T*), const char* name) {
    T whole;
    init(&whole);
    return from != nullptr ? sized(from, init, name) : whole;
  }
  // Whether there is room for a sized structure.
  template <typename T>
  bool has_room(const T* out, const char* name) {
    return need(out, name) && check_size(out->size, name);
  }

 private:
  bool check_size(std::size_t size, const char* name);

  broadside_error* error_;
  broadside_status status_ = BROADSIDE_OK;
};

// Writes of `made` what the caller knows, and 0 to what only it knows. Requires: has_room().
template <typename T>
void give(const T& made, T* out) {
  const std::size_t size = out->size;
  std::memcpy(out, &made, std::min(size, sizeof made));
  if (size > sizeof made) std::memset(reinterpret_cast<char*>(out) + sizeof made, 0, size - sizeof made);
  out->size = size;
}

// The event's views point to where the caller's do.
[[nodiscard]] Event read_event(CArguments& arguments, const broadside_event* event);

}  // namespace broadside
