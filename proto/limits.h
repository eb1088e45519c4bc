// The wire's hard limits, and the reason for each value. What an operator may change is a default here and a flag in hub.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace broadside {

// Topic names end up in paths, metrics and logs; 255 is what file systems and MQTT users expect of a name.
constexpr std::size_t kTopicBytesMax = 255;
// A publisher's own id comes back as the Last-Event-ID header of every resume, so it must fit into any proxy's header buffer.
constexpr std::size_t kIdBytesMax = 255;
// `event:` is a name in a program; as long as a topic's.
constexpr std::size_t kTypeBytesMax = 255;
// A key names what an event is the newest value of; as long as a topic's.
constexpr std::size_t kKeyBytesMax = 255;
// Each topic of a subscriber is a cursor in its merge: 128 keeps the smallest of them findable by a plain scan.
constexpr std::size_t kTopicsPerSubscriberMax = 128;

// Request heads: browsers with large cookies stay below 8 KiB; twice that is generous.
constexpr std::size_t kHeadBytesMaxDefault = 16 * kKiB;
// Chromium sends about 20 header fields, proxies add a dozen.
constexpr std::size_t kHeadersMax = 128;
// RFC 9112 3 recommends at least 8000 octets for a request line.
constexpr std::size_t kTargetBytesMax = 8 * kKiB;
// No registered method is longer than 17 bytes (UPDATEREDIRECTREF).
constexpr std::size_t kMethodBytesMax = 32;
// The target, the longest method, two spaces, HTTP/1.1, CR and LF.
constexpr std::size_t kRequestLineBytesMax = kTargetBytesMax + kMethodBytesMax + 12;
// RFC 9112 2.2: a server should ignore at least one empty line before a request line; old clients send one after a body.
constexpr int kLeadingEmptyLinesMax = 2;

// Chunk extensions are never used; what is tolerated is what a signing proxy adds.
constexpr std::size_t kChunkExtensionBytesMax = 256;
// Sixteen digits are 64 bits.
constexpr int kChunkSizeDigitsMax = 16;
// Trailers are read and dropped.
constexpr std::size_t kTrailerBytesMax = 4 * kKiB;

// PROXY protocol, version 1: UNKNOWN, two IPv6 addresses and ports of the greatest length, spaces and CRLF.
constexpr std::size_t kProxyLineBytesMax = 107;
// Version 2: 232 bytes are the largest addresses; the rest is for what a load balancer adds (identifiers, names of TLS).
constexpr std::size_t kProxyHeaderBytesMax = 2 * kKiB;

// The data of one event. One event occupies a send of its own size on every subscriber; larger things belong behind a link.
constexpr std::uint64_t kEventDataBytesMaxDefault = 256 * kKiB;
// A request body: several events of the largest size.
constexpr std::uint64_t kBodyBytesMaxDefault = kMiB;
// One byte of data is at most six of JSON (backslash, u, four digits); 4 KiB for the other members of the line.
constexpr std::uint64_t ndjson_line_bytes_max(std::uint64_t data_bytes_max) { return 6 * data_bytes_max + 4 * kKiB; }
// Data of n line feeds is n + 1 lines of `data: ` and LF, seven bytes each; then id, event and retry lines and the blank one.
constexpr std::uint64_t frame_bytes_max(std::uint64_t data_bytes_max) {
  return 7 * (data_bytes_max + 1) + (4 + kIdBytesMax + 1) + (7 + kTypeBytesMax + 1) + (7 + 20 + 1) + 1;
}

static_assert(kRequestLineBytesMax < kHeadBytesMaxDefault, "a target of the largest size leaves room for header fields");

}  // namespace broadside
