// Whether a request may do what it asks for, and what it is answered if not (RFC 6750 section 3).
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace broadside::hub {

struct Verdict {
  int status = 200;     // 200: it may. 400: malformed. 401: a token is missing or bad. 403: not with this token, or nobody may.
  std::string detail;   // For who asks.
  std::string headers;  // Complete lines with CRLF.
  std::string reason;   // For the log, where that is told more than `detail`.

  [[nodiscard]] bool is_allowed() const { return status == 200; }
  [[nodiscard]] std::string_view logged_reason() const { return reason.empty() ? detail : reason; }
};

[[nodiscard]] inline Verdict forbidden(std::string detail) {
  return {.status = 403, .detail = std::move(detail), .headers = {}, .reason = {}};
}

}  // namespace broadside::hub
