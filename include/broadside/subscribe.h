/// @file
/// What a stream is asked to be: which topics, where it begins, and how it is served. Read from a request, or filled in by a host
/// that hands over a connection of its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broadside/error.h"
#include "broadside/export.h"

namespace broadside {

/// Where a stream begins.
struct StartRequest {
  /// What `start` counts from.
  enum class Kind : std::uint8_t {
    live,      ///< With the next event.
    after_id,  ///< Behind the event of this id: a Last-Event-ID (WHATWG HTML 9.2.4).
    since,     ///< With the first event that is not older.
    last,      ///< With the newest few.
    snapshot,  ///< With the newest event of each key.
  };
  Kind kind = Kind::live;      ///< Says which of the next three matters.
  std::string id;              ///< after_id: as it came; at most 255 bytes of UTF-8.
  std::uint64_t since_ms = 0;  ///< since: milliseconds since 1970.
  std::uint64_t last = 0;      ///< last: of all topics together.
  bool is_default = true;      ///< live, and nobody said so: topics whose rules want it begin with a snapshot.
};

/// A subscription.
struct SubscribeRequest {
  std::vector<std::string> topics;  ///< 1 to Config::topics_per_subscriber_max, each once. Names as in Engine::publish().
  StartRequest start;               ///< Where it begins.
  std::uint32_t limit = 0;          ///< Closed after so many events; 0 = none.
  double rate = 0;                  ///< Visits a second at most, 0.01 to 100; 0 = what the topics' rules say.
  bool follows = true;              ///< Stays open at the newest event; else it is closed there.
};

/// Reads a subscription out of a request's target and its Last-Event-ID field (empty: none), all as they came: what the engine's
/// own listener does with `/events/{topic}` and `/events?topic=a&topic=b`. `path` and `query` are still percent-encoded.
/// Error::invalid_argument says what is wrong (answer 400). Any thread.
BROADSIDE_API Result<SubscribeRequest> read_subscribe_request(std::string_view path, std::string_view query,
                                                              std::string_view last_event_id);

}  // namespace broadside
