// The parts of a request target: percent escapes, and the parameters of a query (application/x-www-form-urlencoded).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace broadside {

// `text` with its percent escapes replaced; nothing if one is not followed by two hexadecimal digits. `+` is a space in a
// query and itself in a path. The result may hold any byte, NUL included.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

// Walks over the parameters of a query in the order in which they stand:
//   for (auto step = parameters.next(); step == QueryParameters::Step::parameter; step = parameters.next()) ...
// Empty pieces (`a=1&&b=2`) are passed over. A piece without `=` is a name with an empty value.
class QueryParameters {
 public:
  enum class Step : std::uint8_t {
    parameter,   // name() and value() are the next parameter.
    end,         // There are no more.
    bad_escape,  // The next parameter has a bad percent escape; name() is its name as it was written.
  };

  // Requires: `query`, without its `?`, outlives this.
  explicit QueryParameters(std::string_view query) : rest_(query) {}

  [[nodiscard]] Step next();
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& value() const { return value_; }

 private:
  std::string_view rest_;
  std::string name_;
  std::string value_;
};

}  // namespace broadside
