// What the query of a publish says of its event: event=, id=, retry=, key=.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broadside/event.h"

namespace broadside::hub {

struct PublishParameters {
  std::string type;
  std::string id;
  std::string key;
  std::optional<std::uint64_t> retry_ms;

  // Views into this and `data`.
  [[nodiscard]] Event event(std::string_view data) const {
    return {.data = data, .type = type, .id = id, .retry_ms = retry_ms, .key = key};
  }
};

// Other parameters are passed over: they may be for what stands in front of us. Returns what is wrong; empty if nothing is.
[[nodiscard]] std::string parse_publish_parameters(std::string_view query, PublishParameters& out);

}  // namespace broadside::hub
