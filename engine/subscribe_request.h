// Reads what a subscription asks for out of its path, query and headers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/topic_store.h"
#include "proto/http_request.h"

namespace broadside {

struct SubscribeRequest {
  std::vector<std::string> topics;  // Each once, in the order asked for.
  StartRequest start;
  std::uint32_t limit = 0;  // 0 = none.
  double rate = 0;          // Visits a second at most; 0 = what the topics' rules say.
  bool follows = true;
};

// Whether a path is a subscription's: /events or /events/...
[[nodiscard]] bool is_subscribe_path(std::string_view path);

// Empty if all is well, else what is wrong with the request (status 400). `now_ms` is the wall clock, for durations.
std::string read_subscribe_request(const RequestHead& head, std::size_t topics_max, std::uint64_t now_ms, SubscribeRequest& out);

}  // namespace broadside
