/// @file
/// How a call that may refuse says so: Result<T> holds a value or an Error. std::expected's member names; C++20 has none.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace broadside {

/// Why something was refused. `code` is for programs, `message` for people: what was tried, on what, and what to do about it.
struct Error {
  /// For programs.
  enum class Code : unsigned char {
    invalid_argument,  ///< The caller's value is outside its documented range.
    address_in_use,    ///< A listen address is taken.
    unavailable,       ///< The kernel refuses something that is needed.
    out_of_memory,     ///< A memory bound was reached; nothing was changed.
    too_large,         ///< Larger than a configured limit.
    stopped,           ///< The engine no longer takes this.
  };
  Code code = Code::invalid_argument;  ///< Which kind of refusal it is.
  std::string message;                 ///< One sentence, without a line end.
};

/// A value or the reason there is none. Reading the wrong one is a programming error.
template <typename T>
class [[nodiscard]] Result {
 public:
  /// The value.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  /// Why there is none.
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  /// Whether it is the value.
  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  /// As has_value().
  explicit operator bool() const { return has_value(); }
  /// The value. Requires: has_value().
  [[nodiscard]] T& value() { return *std::get_if<0>(&state_); }
  /// The value. Requires: has_value().
  [[nodiscard]] const T& value() const { return *std::get_if<0>(&state_); }
  /// As value().
  [[nodiscard]] T& operator*() { return value(); }
  /// As value().
  [[nodiscard]] const T& operator*() const { return value(); }
  /// As value().
  [[nodiscard]] T* operator->() { return &value(); }
  /// As value().
  [[nodiscard]] const T* operator->() const { return &value(); }
  /// Why there is no value. Requires: not has_value().
  [[nodiscard]] const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

/// For calls that give nothing back.
struct Done {};

}  // namespace broadside
