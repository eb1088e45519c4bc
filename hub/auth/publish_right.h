// What one request may publish to; kept by a request whose lines go on and on.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "hub/auth/verdict.h"

namespace broadside::hub {

constexpr std::int64_t kNeverMs = std::numeric_limits<std::int64_t>::max();

class PublishRight {
 public:
  // To all topics.
  PublishRight() = default;
  // To what `patterns` match: those that anybody may publish to (may be null; they outlive this) and those of the request's
  // token, which holds until `expires_ms`. To all others `otherwise`, which may allow them as well.
  PublishRight(Verdict otherwise, const std::vector<std::string>* patterns, std::vector<std::string> own_patterns = {},
               std::int64_t expires_ms = kNeverMs);

  // An empty topic stands for what is no topic (a connection): only a right to all topics includes it.
  [[nodiscard]] Verdict verdict(std::string_view topic) const;
  // Whether there is no topic at all that it may publish to.
  [[nodiscard]] bool is_none() const;
  [[nodiscard]] const Verdict& otherwise() const { return otherwise_; }
  // Milliseconds since 1970; kNeverMs: the right has no end.
  [[nodiscard]] std::int64_t expires_ms() const { return expires_ms_; }

 private:
  Verdict otherwise_;
  const std::vector<std::string>* patterns_ = nullptr;
  std::vector<std::string> own_patterns_;
  std::int64_t expires_ms_ = kNeverMs;
};

}  // namespace broadside::hub
