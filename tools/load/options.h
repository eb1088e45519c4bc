// The options of `broadside load`.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "base/units.h"
#include "tools/client_token.h"

namespace broadside::tools::load {

// A place to send requests to; `{topic}`, `{key}` and `{sequence}` stand in the target as they are.
struct Endpoint {
  std::string url;         // As given, for messages.
  std::string host;        // Name or address, without brackets.
  std::string port;        // Number.
  std::string target;      // Path and query.
  bool is_sealed = false;  // https://

  [[nodiscard]] std::string authority() const;
};

struct LoadOptions {
  std::string server = "http://127.0.0.1:8080";
  std::string subscribe_url;  // Empty: from `server`.
  std::string publish_url;
  Endpoint subscribe;  // Filled by check_load_options().
  Endpoint publish;
  std::vector<std::string> headers;  // "Name: value", of every request.
  std::vector<std::string> publish_headers;
  TokenSource token;
  std::string publish_method = "POST";
  std::string publish_type = "text/plain";
  std::string publish_body = "{data}";

  std::uint32_t streams = 1000;
  std::uint32_t topics = 1;
  std::string topic_prefix = "load-";
  double ramp = 0;  // Streams opened a second; 0 = as fast as it goes.
  double rate = 0;  // `rate=` of each stream; 0 = without.
  std::uint32_t keys = 0;
  bool is_conflated = false;  // Who is behind must have the newest event of each key, not all of them.
  double publish_rate = 10;   // Events a second over all topics; 0 = listens only.
  std::uint32_t burst = 1;
  std::uint64_t event_bytes = 256;
  std::uint32_t pipeline = 16;
  Nanos warm_up = kSecond;
  Nanos duration = 10 * kSecond;
  Nanos grace = 10 * kSecond;

  double churn = 0;       // Streams that go and come again, a second.
  Nanos storm_every = 0;  // 0 = never.
  std::uint32_t slow = 0;
  std::uint64_t slow_bytes_per_second = 10 << 10;
  std::uint32_t stalled = 0;
  std::uint32_t half_open = 0;
  bool resumes = false;
  Nanos hold = 0;

  std::uint32_t threads = 0;  // 0 = as many as the file limit asks for.
  std::vector<int> cpus;      // Empty = any.
  std::uint32_t sources = 0;  // Source addresses 127.0.0.2 and up; 0 = as many as the streams need.
  int server_pid = 0;
  std::string json_path;
  std::string plot_path;
  Nanos max_p99 = 0;  // 0 = no bound.
  std::uint64_t max_loss = 0;
  bool is_quiet = false;

  [[nodiscard]] std::string topic_name(std::uint32_t number) const { return topic_prefix + std::to_string(number); }
  // How many keys each topic has, which take turns there as well.
  [[nodiscard]] std::uint32_t keys_of_topic() const { return keys / std::gcd(keys, topics); }
  // Streams that take no part in what everybody must receive.
  [[nodiscard]] std::uint32_t handicapped() const { return slow + stalled + half_open; }
};

// Adds a flag and an environment variable for each to `command`; parsing fills `options`, which must live until then.
void add_load_options(CLI::App& command, LoadOptions& options);

// Fills what follows from the flags together, and says what is wrong with them; empty if nothing is.
[[nodiscard]] std::string check_load_options(LoadOptions& options);

// `text` with {topic}, {key}, {sequence} and {data} replaced.
struct TemplateValues {
  std::string_view topic;
  std::string_view key;
  std::string_view sequence;
  std::string_view data;
};
[[nodiscard]] std::string fill_template(std::string_view text, const TemplateValues& values);

}  // namespace broadside::tools::load
