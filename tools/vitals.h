// This machine's vital signs from /proc, as `serve --demo` publishes them: CPU, memory, load, network, uptime.
// Reading the files is apart from understanding them, so that tests bring their own text. Used by one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/units.h"

namespace broadside::tools {

// The text of the files as the kernel writes them (man 5 proc). An empty one leaves its readings at zero.
struct VitalsText {
  std::string stat;
  std::string meminfo;
  std::string net_dev;
  std::string loadavg;
  std::string uptime;
};

// What the files say at one moment. Counters only grow (until an interface disappears); rates need two readings.
struct VitalsReading {
  std::uint64_t cpu_total_ticks = 0;  // Of all cores together; guest time lies within user time and is not counted twice.
  std::uint64_t cpu_idle_ticks = 0;   // Idle and waiting for a disk.
  std::uint32_t cpu_count = 0;
  std::uint64_t memory_total_bytes = 0;
  std::uint64_t memory_available_bytes = 0;
  std::uint64_t rx_bytes = 0;  // All interfaces but loopback.
  std::uint64_t tx_bytes = 0;
  std::uint64_t loopback_bytes = 0;
  double load_1 = 0;
  double load_5 = 0;
  double load_15 = 0;
  double uptime_s = 0;
};

[[nodiscard]] VitalsReading parse_vitals(const VitalsText& text);

// One JSON object without a line break. `elapsed` lies between the two readings; rates are 0 where it is not positive
// or a counter went back.
[[nodiscard]] std::string vitals_json(const VitalsReading& before, const VitalsReading& now, Nanos elapsed);

// Samples the machine it runs on. Invariant: `before_` is the reading that was taken at `before_at_`.
class Vitals {
 public:
  // Takes the first reading, so that the first sample already has rates.
  explicit Vitals(std::string proc_folder = "/proc");

  // What happened since the last call, as JSON. The first call right after construction has rates over a very short time.
  [[nodiscard]] std::string sample_json(Nanos monotonic_now);
  // The same; asks the monotonic clock itself.
  [[nodiscard]] std::string sample_json();

 private:
  [[nodiscard]] VitalsReading read() const;

  std::string proc_folder_;
  VitalsReading before_;
  Nanos before_at_;
};

}  // namespace broadside::tools
