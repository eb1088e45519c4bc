// What a token allows: the claim "broadside".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace broadside::hub {

// Whether one of the patterns (proto/topic_name.h) matches all of `name`.
[[nodiscard]] bool matches_any(std::span<const std::string> patterns, std::string_view name);

// {"subscribe": ["prices.*"], "publish": ["*"], "send": true, "admin": true}; what is not there is not allowed. None includes
// another: neither `admin` nor the pattern `*` allows to send to single connections.
struct Rights {
  std::vector<std::string> subscribe;  // Patterns of topics.
  std::vector<std::string> publish;
  bool can_send = false;  // POST /connections/{id}
  bool is_admin = false;  // What the server says of itself, its topics and its connections.
};

}  // namespace broadside::hub
