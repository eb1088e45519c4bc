#include "tools/vitals.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <utility>

namespace broadside::tools {
namespace {

// Cuts the next line off `text`; false at its end.
bool take_line(std::string_view& text, std::string_view& line) {
  if (text.empty()) return false;
  const std::size_t end = text.find('\n');
  line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return true;
}

// Cuts the next word off `line`; empty at its end.
std::string_view take_word(std::string_view& line) {
  const std::size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  line.remove_prefix(begin);
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

std::uint64_t take_count(std::string_view& line) {
  const std::string_view word = take_word(line);
  std::uint64_t count = 0;
  std::from_chars(word.data(), word.data() + word.size(), count);
  return count;
}

double take_real(std::string_view& line) {
  const std::string_view word = take_word(line);
  double value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

void parse_stat(std::string_view text, VitalsReading& reading) {
  for (std::string_view line; take_line(text, line);) {
    const std::string_view name = take_word(line);
    if (!name.starts_with("cpu")) continue;
    if (name != "cpu") {
      ++reading.cpu_count;
      continue;
    }
    // user nice system idle iowait irq softirq steal; the two that follow are guest times, contained in user and nice.
    for (int column = 0; column < 8; ++column) {
      const std::uint64_t ticks = take_count(line);
      reading.cpu_total_ticks += ticks;
      if (column == 3 || column == 4) reading.cpu_idle_ticks += ticks;
    }
  }
}

void parse_meminfo(std::string_view text, VitalsReading& reading) {
  for (std::string_view line; take_line(text, line);) {
    const std::string_view name = take_word(line);
    if (name == "MemTotal:") reading.memory_total_bytes = take_count(line) * kKiB;
    if (name == "MemAvailable:") reading.memory_available_bytes = take_count(line) * kKiB;
  }
}

void parse_net_dev(std::string_view text, VitalsReading& reading) {
  for (std::string_view line; take_line(text, line);) {
    const std::size_t colon = line.find(':');  // The two lines of headings have none.
    if (colon == std::string_view::npos) continue;
    std::string_view name_part = line.substr(0, colon);
    const std::string_view name = take_word(name_part);
    line.remove_prefix(colon + 1);
    const std::uint64_t rx_bytes = take_count(line);
    for (int column = 1; column < 8; ++column) static_cast<void>(take_word(line));
    const std::uint64_t tx_bytes = take_count(line);
    if (name == "lo") {
      reading.loopback_bytes += rx_bytes;
    } else {
      reading.rx_bytes += rx_bytes;
      reading.tx_bytes += tx_bytes;
    }
  }
}

double rate(std::uint64_t before, std::uint64_t now, Nanos elapsed) {
  if (now <= before || elapsed <= 0) return 0;
  return static_cast<double>(now - before) * static_cast<double>(kSecond) / static_cast<double>(elapsed);
}

double percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return 0;
  return std::clamp(100.0 * static_cast<double>(part) / static_cast<double>(whole), 0.0, 100.0);
}

void append_member(std::string& json, const char* name, int decimals, double value) {
  char text[96];
  const int length = std::snprintf(text, sizeof text, "%c\"%s\":%.*f", json.empty() ? '{' : ',', name, decimals, value);
  json.append(text, static_cast<std::size_t>(std::clamp(length, 0, static_cast<int>(sizeof text) - 1)));
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Nanos monotonic_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

VitalsReading parse_vitals(const VitalsText& text) {
  VitalsReading reading;
  parse_stat(text.stat, reading);
  parse_meminfo(text.meminfo, reading);
  parse_net_dev(text.net_dev, reading);
  std::string_view loads = text.loadavg;
  reading.load_1 = take_real(loads);
  reading.load_5 = take_real(loads);
  reading.load_15 = take_real(loads);
  std::string_view uptime = text.uptime;
  reading.uptime_s = take_real(uptime);
  return reading;
}

std::string vitals_json(const VitalsReading& before, const VitalsReading& now, Nanos elapsed) {
  const std::uint64_t total = now.cpu_total_ticks - std::min(before.cpu_total_ticks, now.cpu_total_ticks);
  const std::uint64_t idle = now.cpu_idle_ticks - std::min(before.cpu_idle_ticks, now.cpu_idle_ticks);
  const std::uint64_t used = now.memory_total_bytes - std::min(now.memory_available_bytes, now.memory_total_bytes);

  std::string json;
  append_member(json, "cpu_percent", 1, percent(total - std::min(idle, total), total));
  append_member(json, "memory_percent", 1, percent(used, now.memory_total_bytes));
  append_member(json, "load_1", 2, now.load_1);
  append_member(json, "rx_bytes_per_s", 0, rate(before.rx_bytes, now.rx_bytes, elapsed));
  append_member(json, "tx_bytes_per_s", 0, rate(before.tx_bytes, now.tx_bytes, elapsed));
  append_member(json, "loopback_bytes_per_s", 0, rate(before.loopback_bytes, now.loopback_bytes, elapsed));
  append_member(json, "memory_used_bytes", 0, static_cast<double>(used));
  append_member(json, "memory_total_bytes", 0, static_cast<double>(now.memory_total_bytes));
  append_member(json, "load_5", 2, now.load_5);
  append_member(json, "load_15", 2, now.load_15);
  append_member(json, "cpu_count", 0, now.cpu_count);
  append_member(json, "uptime_s", 0, now.uptime_s);
  json += '}';
  return json;
}

Vitals::Vitals(std::string proc_folder) : proc_folder_(std::move(proc_folder)), before_(read()), before_at_(monotonic_now()) {}

std::string Vitals::sample_json(Nanos now_at) {
  const VitalsReading now = read();
  std::string json = vitals_json(before_, now, now_at - before_at_);
  before_ = now;
  before_at_ = now_at;
  return json;
}

std::string Vitals::sample_json() { return sample_json(monotonic_now()); }

VitalsReading Vitals::read() const {
  return parse_vitals({.stat = read_file(proc_folder_ + "/stat"),
                       .meminfo = read_file(proc_folder_ + "/meminfo"),
                       .net_dev = read_file(proc_folder_ + "/net/dev"),
                       .loadavg = read_file(proc_folder_ + "/loadavg"),
                       .uptime = read_file(proc_folder_ + "/uptime")});
}

}  // namespace broadside::tools
