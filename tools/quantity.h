// Durations and sizes as flags and environment variables write them: `15s`, `250ms`, `1h`, `64KiB`, `4096`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace broadside::tools {

// Milliseconds of a whole number and a unit: ms, s, m, h or d. `0` needs none. Nothing if it is not of this form or too large.
[[nodiscard]] std::optional<std::uint64_t> parse_duration_ms(std::string_view text);
// Bytes of a whole number and a unit: none or B; KiB, MiB, GiB, TiB (1024), for short K, M, G, T; kB, MB, GB, TB (1000).
[[nodiscard]] std::optional<std::uint64_t> parse_size_bytes(std::string_view text);

// The shortest text with which the parsers give the same: "15s", "64KiB".
[[nodiscard]] std::string duration_text(std::uint64_t milliseconds);
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace broadside::tools
