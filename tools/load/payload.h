// What the load client publishes: topic, sequence and due time in front of filler, so that loss, order and latency can be told
// from the received bytes alone. Letters and a dot only: the same in a form, in JSON and raw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"

namespace broadside::tools::load {

struct Payload {
  std::uint32_t run = 0;       // Tells this run's events from another's.
  std::uint32_t topic = 0;     // Number of the topic.
  std::uint64_t sequence = 0;  // Within the topic, from 1 to 2^32 - 1.
  Nanos due = 0;               // Monotonic clock, in whole microseconds.

  friend bool operator==(const Payload&, const Payload&) = default;
};

// Without filler.
constexpr std::size_t kPayloadBytesMin = 44;

// Appends the payload and filler, `bytes` in all. Requires: kPayloadBytesMin at least.
void append_payload(std::string& out, const Payload& payload, std::size_t bytes);

// The payload in `data`, wherever it begins (a server may wrap what was published). Nothing if there is none.
[[nodiscard]] std::optional<Payload> find_payload(std::string_view data);

}  // namespace broadside::tools::load
