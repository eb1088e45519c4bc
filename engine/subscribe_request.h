// Reads what a subscription asks for out of its path, query and headers, and checks one that a host has filled in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "broadside/subscribe.h"

namespace broadside {

// Visits a second that a subscriber may ask for, or a topic's rules name.
constexpr double kRateMin = 0.01;
constexpr double kRateMax = 100;
[[nodiscard]] constexpr bool is_valid_rate(double rate) { return rate >= kRateMin && rate <= kRateMax; }

// Whether a path is a subscription's: /events or /events/...
[[nodiscard]] bool is_subscribe_path(std::string_view path);

// Empty if all is well, else what is wrong with the request (status 400). `now_ms` is the wall clock, for durations.
std::string read_subscribe_request(std::string_view path, std::string_view query, std::string_view last_event_id,
                                   std::size_t topics_max, std::uint64_t now_ms, SubscribeRequest& out);

// The same for one that was not read but made.
std::string check_subscribe_request(const SubscribeRequest& request, std::size_t topics_max);

}  // namespace broadside
