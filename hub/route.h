// Which resource a path names, and which methods it has.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace broadside::hub {

enum class Resource : std::uint8_t {
  page,              // /
  events,            // /events
  topic_log,         // /events/{topic}
  connection,        // /connections/{id}
  connection_token,  // /connections/{id}/token
  connections,       // /connections
  topics,            // /topics
  topic,             // /topics/{topic}
  healthz,
  readyz,
  metrics,
  server,  // `*`, with OPTIONS alone
  unknown,
  bad_escape,  // A percent sign without two hexadecimal digits.
};

struct Route {
  Resource resource = Resource::unknown;
  std::string name;  // What stands for {topic} or {id}, decoded. Not checked.
};

// `path` is still percent-encoded: an escaped slash is part of a name, never a separator.
[[nodiscard]] Route route_of(std::string_view path);

// Whether it is about the server itself, all of its topics, or its connections: not for everybody.
[[nodiscard]] bool is_administration(Resource resource);

// The value of Allow; empty for what does not exist.
[[nodiscard]] std::string_view allowed_methods(Resource resource, bool is_diagnostic_echo);

}  // namespace broadside::hub
