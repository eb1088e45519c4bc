// Which pages of other origins may read answers (the Fetch standard's CORS protocol). Immutable, for any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace broadside::hub {

class Cors {
 public:
  // What is wrong with `origin` as a value of --cors-origin (`*`, or `https://app.example:8443`); empty if nothing is.
  [[nodiscard]] static std::string origin_problem(std::string_view origin);

  // Requires: origin_problem() finds none with any of them.
  explicit Cors(const std::vector<std::string>& origins);

  // Complete header lines for every answer to a request with this `Origin` (empty: none). A named origin is reflected, with
  // credentials; `*` is answered as it is, without. Nothing else is ever reflected.
  [[nodiscard]] std::string headers_for(std::string_view origin) const;
  // The further lines that answer a preflight.
  [[nodiscard]] std::string preflight_headers_for(std::string_view origin) const;

  [[nodiscard]] bool is_named(std::string_view origin) const;
  [[nodiscard]] bool allows_any() const { return allows_any_; }

 private:
  std::vector<std::string> named_;  // In lower case, as browsers write them.
  bool allows_any_ = false;
};

}  // namespace broadside::hub
