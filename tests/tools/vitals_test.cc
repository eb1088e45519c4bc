// The demo's readings against text as a kernel writes it, and what becomes of it when files are missing or counters go back.
#include "tools/vitals.h"

#include <gtest/gtest.h>

namespace broadside::tools {
namespace {

VitalsText sample_text() {
  return {.stat =
              "cpu  4405 10 3412 493679 732 5 102 24 400 9\n"
              "cpu0 1389 0 1391 248305 26 0 17 6 0 0\n"
              "cpu1 3015 0 2020 245373 706 0 84 18 0 0\n"
              "intr 123 4 5\nctxt 99\n",
          .meminfo = "MemTotal:       24684084 kB\nMemFree:        24516992 kB\nMemAvailable:   20000000 kB\n",
          .net_dev =
              "Inter-|   Receive                                                |  Transmit\n"
              " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
              "compressed\n"
              "    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0   "
              "       0\n"
              "  eth0: 215445351    4328    0    0    0     0          0         0   187544    2233    0    0    0     0       0 "
              "         0\n"
              "  eth1:7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\n",
          .loadavg = "0.02 0.07 1.53 1/88 7604\n",
          .uptime = "2516.25 4936.79\n"};
}

TEST(Vitals, reads_what_the_kernel_writes) {
  const VitalsReading reading = parse_vitals(sample_text());
  EXPECT_EQ(reading.cpu_total_ticks, 4405u + 10 + 3412 + 493679 + 732 + 5 + 102 + 24);
  EXPECT_EQ(reading.cpu_idle_ticks, 493679u + 732);
  EXPECT_EQ(reading.cpu_count, 2u);
  EXPECT_EQ(reading.memory_total_bytes, 24684084 * kKiB);
  EXPECT_EQ(reading.memory_available_bytes, 20000000 * kKiB);
  EXPECT_EQ(reading.rx_bytes, 215445351u + 7);
  EXPECT_EQ(reading.tx_bytes, 187544u + 8);
  EXPECT_EQ(reading.loopback_bytes, 3193u);
  EXPECT_DOUBLE_EQ(reading.load_1, 0.02);
  EXPECT_DOUBLE_EQ(reading.load_15, 1.53);
  EXPECT_DOUBLE_EQ(reading.uptime_s, 2516.25);
}

TEST(Vitals, gives_rates_between_two_readings) {
  const VitalsReading before = parse_vitals(sample_text());
  VitalsReading now = before;
  now.cpu_total_ticks += 400;
  now.cpu_idle_ticks += 300;
  now.rx_bytes += 3000;
  now.tx_bytes += 500;
  now.loopback_bytes += 1;
  now.memory_total_bytes = 1000;
  now.memory_available_bytes = 750;
  EXPECT_EQ(vitals_json(before, now, 2 * kSecond),
            R"({"cpu_percent":25.0,"memory_percent":25.0,"load_1":0.02,"rx_bytes_per_s":1500,"tx_bytes_per_s":250,)"
            R"("loopback_bytes_per_s":0,"memory_used_bytes":250,"memory_total_bytes":1000,"load_5":0.07,"load_15":1.53,)"
            R"("cpu_count":2,"uptime_s":2516})");
}

TEST(Vitals, gives_zeros_when_nothing_can_be_known) {
  const VitalsReading nothing = parse_vitals({});
  const std::string zeros = vitals_json(nothing, nothing, 0);
  EXPECT_TRUE(zeros.starts_with(R"({"cpu_percent":0.0,"memory_percent":0.0,)")) << zeros;
  EXPECT_TRUE(zeros.ends_with(R"("uptime_s":0})")) << zeros;

  VitalsReading before;  // An interface disappears, a virtual machine's counters go back.
  before.rx_bytes = 10;
  before.cpu_total_ticks = 10;
  before.cpu_idle_ticks = 20;
  const std::string backwards = vitals_json(before, nothing, kSecond);
  EXPECT_NE(backwards.find(R"("rx_bytes_per_s":0,)"), std::string::npos) << backwards;
  EXPECT_TRUE(backwards.starts_with(R"({"cpu_percent":0.0,)")) << backwards;
}

TEST(Vitals, survives_text_that_no_kernel_writes) {
  for (const char* text :
       {"", "\n", "cpu", "cpu x y z\n", ":", "eth0:", "MemTotal:\n", "\xff\xfe:1 2", "99999999999999999999999 1"}) {
    const VitalsReading reading = parse_vitals({.stat = text, .meminfo = text, .net_dev = text, .loadavg = text, .uptime = text});
    EXPECT_FALSE(vitals_json({}, reading, kSecond).empty()) << text;
  }
}

TEST(Vitals, samples_the_machine_it_runs_on) {
  Vitals vitals;
  const std::string json = vitals.sample_json();
  EXPECT_TRUE(json.starts_with("{\"cpu_percent\":")) << json;
  EXPECT_EQ(json.find("\"memory_total_bytes\":0,"), std::string::npos) << json;
  EXPECT_EQ(json.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace broadside::tools
