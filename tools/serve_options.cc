// See serve_options.h.
#include "tools/serve_options.h"

#include <CLI/Error.hpp>
#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <charconv>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>

#include "engine/io/socket.h"
#include "tools/quantity.h"

namespace broadside::tools {
namespace {

constexpr const char* kListenDefault = "127.0.0.1:8080";

const char* const kListenGroup = "Listening";
const char* const kHistoryGroup = "History";
const char* const kStreamsGroup = "Streams";
const char* const kRequestsGroup = "Requests";
const char* const kLogGroup = "Log";

// "--history-events" -> "BROADSIDE_HISTORY_EVENTS".
std::string environment_name(const std::string& flag) {
  std::string name = "BROADSIDE_";
  for (const char byte : flag.substr(2)) name += byte == '-' ? '_' : static_cast<char>(byte - 'a' + 'A');
  return name;
}

// Adds options of one command, each with its environment variable, its unit and its default in --help.
class OptionAdder {
 public:
  explicit OptionAdder(CLI::App& command) : command_(command) {}

  template <typename Number>
  void duration(const char* group, const std::string& flag, Number& target, const char* help) {
    add(group, flag, "DURATION", duration_text(target), help, [flag, &target](const std::string& text) {
      store(flag, parse_duration_ms(text), target, text, "a duration: a whole number with ms, s, m, h or d, like 15s or 250ms");
    });
  }
  template <typename Number>
  void size(const char* group, const std::string& flag, Number& target, const char* help, const std::string& default_text = {}) {
    add(group, flag, "SIZE", default_text.empty() ? size_text(target) : default_text, help,
        [flag, &target](const std::string& text) {
          store(flag, parse_size_bytes(text), target, text, "a size: a whole number, perhaps with KiB, MiB or GiB, like 64KiB");
        });
  }
  template <typename Number>
  void number(const char* group, const std::string& flag, Number& target, const char* help,
              const std::string& default_text = {}) {
    add(group, flag, "N", default_text.empty() ? std::to_string(target) : default_text, help,
        [flag, &target](const std::string& text) { store(flag, parse_number(text), target, text, "a whole number"); });
  }
  template <typename Value>
  void choice(const char* group, const std::string& flag, Value& target, const char* help,
              const std::map<std::string, Value>& values, const std::string& default_text) {
    std::string names;
    for (const auto& [name, value] : values) names += (names.empty() ? "" : "|") + name;
    add(group, flag, names, default_text, help, [flag, &target, values, names](const std::string& text) {
      const auto found = values.find(text);
      if (found == values.end()) throw CLI::ValidationError(flag, "`" + text + "` is none of " + names);
      target = found->second;
    });
  }
  // Repeatable, each time with one value. `problem` says what is wrong with a value. In the environment several are
  // separated by `delimiter` (NUL: there is one).
  void list(const char* group, const std::string& flag, std::vector<std::string>& target, const char* type, const char* help,
            char delimiter, std::function<std::string(const std::string&)> problem) {
    const auto take = [flag, &target, problem = std::move(problem)](const std::vector<std::string>& values) {
      for (const std::string& value : values) {
        if (const std::string wrong = problem(value); !wrong.empty()) throw CLI::ValidationError(flag, wrong);
      }
      target = values;
    };
    CLI::Option* option = command_.add_option_function<std::vector<std::string>>(flag, take, help);
    option->group(group)->type_name(type)->envname(environment_name(flag))->allow_extra_args(false)->take_all();
    if (delimiter != '\0') option->delimiter(delimiter);
  }
  void flag(const char* group, const std::string& flag, bool& target, const char* help) {
    command_.add_flag(flag, target, help)->group(group)->envname(environment_name(flag));
  }

 private:
  void add(const char* group, const std::string& flag, const std::string& type, const std::string& default_text, const char* help,
           const std::function<void(const std::string&)>& take) {
    command_.add_option_function<std::string>(flag, take, help)
        ->group(group)
        ->type_name(type)
        ->default_str(default_text)
        ->envname(environment_name(flag));
  }

  static std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
  }

  template <typename Number>
  static void store(const std::string& flag, std::optional<std::uint64_t> value, Number& target, const std::string& text,
                    const char* what) {
    if (!value) throw CLI::ValidationError(flag, "`" + text + "` is not " + what);
    if (*value > std::numeric_limits<Number>::max()) throw CLI::ValidationError(flag, "`" + text + "` is too large");
    target = static_cast<Number>(*value);
  }

  CLI::App& command_;
};

void add_listen_options(OptionAdder& add, ServeOptions& options) {
  Config& config = options.config;
  add.list(kListenGroup, "--listen", config.listen, "ADDRESS",
           "HOST:PORT, [IPV6]:PORT or unix:PATH; port 0 = any free one; repeatable [127.0.0.1:8080]", ',',
           [](const std::string& text) {
             const Result<io::ListenAddress> address = io::parse_listen_address(text);
             return address ? std::string() : address.error().message;
           });
  add.list(kListenGroup, "--anonymous-publish", options.anonymous_publish, "PATTERN",
           "Topics that anybody who reaches the server may publish to; * stands for any run of bytes; repeatable. Without it "
           "only this machine may publish, and only loopback addresses can be listened on",
           '\0', [](const std::string& text) { return text.empty() ? std::string("an empty pattern matches no topic") : ""; });
  add.list(kListenGroup, "--cors-origin", options.cors_origins, "ORIGIN",
           "Origin whose pages may read and publish, with credentials, like https://app.example; * = any may read, "
           "without credentials; repeatable",
           ',', [](const std::string& text) { return hub::Cors::origin_problem(text); });
  add.number(kListenGroup, "--shards", config.shards, "Threads, each with its own connections", "one per core");
  add.choice(kListenGroup, "--backend", config.backend, "How to talk to the kernel",
             {{"auto", Backend::automatic}, {"uring", Backend::uring}, {"epoll", Backend::epoll}}, "auto");
  add.number(kListenGroup, "--max-connections", config.connections_max,
             "Subscribers at once; 256 more connections are kept for others", "what the open files limit allows");
}

void add_history_options(OptionAdder& add, ServeOptions& options) {
  Config& config = options.config;
  add.number(kHistoryGroup, "--history-events", config.defaults.history_events,
             "Events of a topic that a resume may ask for; 0 = no replay");
  add.size(kHistoryGroup, "--history-bytes", config.defaults.history_bytes, "The same by size");
  add.duration(kHistoryGroup, "--history-age", config.defaults.history_age_ms, "The same by age");
  add.size(kHistoryGroup, "--history-memory", config.history_memory, "Memory of all topics together; the oldest goes first",
           "a quarter of the memory");
  add.size(kHistoryGroup, "--backlog-bytes", config.backlog_bytes,
           "Hard bound of one topic, also while subscribers have not been sent it yet");
  add.duration(kHistoryGroup, "--ended-age", config.ended_age_ms, "How long an ended topic is remembered (answered with 204)");
}

void add_stream_options(OptionAdder& add, ServeOptions& options) {
  Config& config = options.config;
  add.duration(kStreamsGroup, "--heartbeat", config.defaults.heartbeat_ms,
               "Longest silence on a stream, then a comment is sent; 0 = none");
  add.duration(kStreamsGroup, "--retry", config.retry_ms,
               "What clients are told to wait before they reconnect, jittered by a third");
  add.duration(kStreamsGroup, "--stall-timeout", config.stall_timeout_ms,
               "Close a stream whose client takes no byte for so long");
  add.size(kStreamsGroup, "--send-bytes", config.send_bytes_max,
           "At most so much is sent to one client at a time, 16KiB to 1MiB");
  add.size(kStreamsGroup, "--send-buffer", config.send_buffer_bytes, "The kernel's buffer of each connection (SO_SNDBUF)",
           "the kernel's own tuning");
  add.number(kStreamsGroup, "--topics-per-subscriber", config.topics_per_subscriber_max, "Topics of one stream, 1 to 128");
  add.duration(kStreamsGroup, "--drain-timeout", config.drain_timeout_ms, "After SIGTERM: what is left then is reset");
  add.number(kStreamsGroup, "--drain-rate", config.drain_rate, "After SIGTERM: streams closed a second",
             "what empties the server in the timeout");
}

void add_request_options(OptionAdder& add, ServeOptions& options) {
  Config& config = options.config;
  add.size(kRequestsGroup, "--head-bytes", config.head_bytes_max, "Request head, 1KiB to 1MiB");
  add.duration(kRequestsGroup, "--head-timeout", config.head_timeout_ms,
               "From the first byte of a request to the end of its head");
  add.size(kRequestsGroup, "--body-bytes", config.body_bytes_max, "Request body; an endless NDJSON body is bounded by its lines");
  add.duration(kRequestsGroup, "--body-timeout", config.body_timeout_ms, "Between two pieces of a request body");
  add.duration(kRequestsGroup, "--idle-timeout", config.idle_timeout_ms, "Keep-alive connections between requests");
  add.size(kRequestsGroup, "--event-bytes", config.event_bytes_max, "Data of one event");
  add.flag(kRequestsGroup, "--diagnostic-echo", options.is_diagnostic_echo,
           "POST / answers with its body, for HTTP conformance tests");
  add.flag(kRequestsGroup, "--demo", options.is_demo, "Publish this machine's vital signs every second to the topic `system`");
}

void add_log_options(OptionAdder& add, ServeOptions& options) {
  add.choice(kLogGroup, "--log-level", options.log_level, "Least level of log lines (on stderr)",
             {{"debug", LogLevel::debug}, {"info", LogLevel::info}, {"warning", LogLevel::warning}, {"error", LogLevel::error}},
             "info");
  add.choice(kLogGroup, "--log-format", options.log_format, "Form of log lines",
             {{"text", LogFormat::text}, {"json", LogFormat::json}}, "text");
  add.flag(kLogGroup, "--access-log", options.has_access_log, "A log line for each request");
}

}  // namespace

void add_serve_options(CLI::App& command, ServeOptions& options) {
  options.config.listen = {kListenDefault};
  OptionAdder add(command);
  add_listen_options(add, options);
  add_history_options(add, options);
  add_stream_options(add, options);
  add_request_options(add, options);
  add_log_options(add, options);
}

std::string start_refusal(const ServeOptions& options) {
  if (!options.anonymous_publish.empty()) return {};
  for (const std::string& listen : options.config.listen) {
    if (hub::listener_of(listen).is_loopback) continue;
    return "listen " + listen +
           ": others can reach this address, and publishing needs no token yet; listen on 127.0.0.1, or name the topics that "
           "anybody may publish to: --anonymous-publish 'public.*' ('*' = all)";
  }
  return {};
}

hub::HubOptions hub_options(const ServeOptions& options) {
  return {.listen = options.config.listen,
          .cors_origins = options.cors_origins,
          .anonymous_publish = options.anonymous_publish,
          .event_bytes_max = options.config.event_bytes_max,
          .is_diagnostic_echo = options.is_diagnostic_echo,
          .access_log = options.has_access_log ? options.config.log_sink : nullptr};
}

}  // namespace broadside::tools
