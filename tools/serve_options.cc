// See serve_options.h.
#include "tools/serve_options.h"

#include "engine/io/socket.h"
#include "tools/tls_options.h"

namespace broadside::tools {
namespace {

const char* const kListenGroup = "Listening";
const char* const kHistoryGroup = "History and memory";
const char* const kLagGroup = "Slow subscribers";
const char* const kStreamsGroup = "Streams";
const char* const kRequestsGroup = "Requests";
const char* const kLogGroup = "Log";

void add_listen_options(OptionTable& table, ServeOptions& options) {
  Config& config = options.config;
  table.group(kListenGroup);
  Option& listen =
      table.list("listen", config.listen, "ADDRESS",
                 "HOST:PORT, [IPV6]:PORT or unix:PATH, the first two also behind http:// or https:// (--tls-cert); port "
                 "0 = any free one; repeatable [127.0.0.1:8080]",
                 [](const std::string& text) {
                   const Result<io::ListenAddress> address = io::parse_listen_address(text);
                   return address ? std::string() : address.error().message;
                 });
  listen.delimiter = ',';
  listen.needs_restart = true;
  table
      .list("anonymous_publish", options.anonymous_publish, "PATTERN",
            "Topics that anybody who reaches the server may publish to; * stands for any run of bytes; repeatable. Without it "
            "only this machine may publish, and only loopback addresses can be listened on",
            [](const std::string& text) { return text.empty() ? std::string("an empty pattern matches no topic") : ""; })
      .needs_restart = true;
  Option& origins = table.list("cors_origin", options.cors_origins, "ORIGIN",
                               "Origin whose pages may read and publish, with credentials, like https://app.example; * = any "
                               "may read, without credentials; repeatable",
                               [](const std::string& text) { return hub::Cors::origin_problem(text); });
  origins.delimiter = ',';
  origins.needs_restart = true;
  table.number("shards", config.shards, "Threads, each with its own connections", "one per core").needs_restart = true;
  table
      .choice<Backend>("backend", config.backend, "How to talk to the kernel",
                       {{"auto", Backend::automatic}, {"uring", Backend::uring}, {"epoll", Backend::epoll}})
      .needs_restart = true;
  table
      .number("max_connections", config.connections_max, "Subscribers at once; 256 more connections are kept for others",
              "what the open files limit allows")
      .needs_restart = true;
}

void add_memory_options(OptionTable& table, Config& config) {
  table.group(kHistoryGroup);
  table.size("history_memory", config.history_memory, "Memory of all topics together; the oldest goes first",
             "a quarter of the memory");
  table.size("memory_max", config.memory_max,
             "Memory of topics and connections together; near it, history shrinks first, then new streams are refused",
             "three quarters of the memory");
  table.size("backlog_bytes", config.backlog_bytes, "Hard bound of one topic, also while subscribers have not been sent it yet");
  table.duration("ended_age", config.ended_age_ms, "How long an ended topic is remembered (answered with 204)");
}

void add_stream_options(OptionTable& table, Config& config) {
  table.group(kStreamsGroup);
  table.duration("stream_age_max", config.stream_age_max_ms, "Close a stream after this time, less up to a fifth of it", "never");
  table.duration("retry", config.retry_ms, "What clients are told to wait before they reconnect, jittered by a third");
  table.duration("stall_timeout", config.stall_timeout_ms, "Close a stream whose client takes no byte for so long")
      .needs_restart = true;
  table.size("send_bytes", config.send_bytes_max, "At most so much is sent to one client at a time, 16KiB to 1MiB");
  table
      .size("send_buffer", config.send_buffer_bytes, "The kernel's buffer of each connection (SO_SNDBUF)",
            "the kernel's own tuning")
      .needs_restart = true;
  table.number("topics_per_subscriber", config.topics_per_subscriber_max, "Topics of one stream, 1 to 128").needs_restart = true;
  table.duration("drain_timeout", config.drain_timeout_ms, "After SIGTERM: what is left then is reset");
  table.number("drain_rate", config.drain_rate, "After SIGTERM: streams closed a second",
               "what empties the server in the timeout");
}

void add_request_options(OptionTable& table, ServeOptions& options) {
  Config& config = options.config;
  table.group(kRequestsGroup);
  table.size("head_bytes", config.head_bytes_max, "Request head, 1KiB to 1MiB");
  table.duration("head_timeout", config.head_timeout_ms, "From the first byte of a request to the end of its head");
  table.size("body_bytes", config.body_bytes_max, "Request body; an endless NDJSON body is bounded by its lines");
  table.duration("body_timeout", config.body_timeout_ms, "Between two pieces of a request body");
  table.duration("idle_timeout", config.idle_timeout_ms, "Keep-alive connections between requests");
  table.size("event_bytes", config.event_bytes_max, "Data of one event");
  table.flag("diagnostic_echo", options.is_diagnostic_echo, "POST / answers with its body, for HTTP conformance tests")
      .needs_restart = true;
  table.flag("demo", options.is_demo, "Publish this machine's vital signs every second to the topic `system`").needs_restart =
      true;
}

void add_log_options(OptionTable& table, ServeOptions& options) {
  table.group(kLogGroup);
  table.choice<LogLevel>(
      "log_level", options.log_level, "Least level of log lines (on stderr)",
      {{"debug", LogLevel::debug}, {"info", LogLevel::info}, {"warning", LogLevel::warning}, {"error", LogLevel::error}});
  table
      .choice<LogFormat>("log_format", options.log_format, "Form of log lines",
                         {{"text", LogFormat::text}, {"json", LogFormat::json}})
      .needs_restart = true;
  table.flag("access_log", options.has_access_log, "A log line for each request").needs_restart = true;
}

}  // namespace

void add_topic_options(OptionTable& table, TopicRules& rules) {
  table.group(kHistoryGroup);
  table.number("history_events", rules.history_events, "Events of a topic that a resume may ask for; 0 = no replay");
  table.size("history_bytes", rules.history_bytes, "The same by size");
  table.duration("history_age", rules.history_age_ms, "The same by age");
  table.group(kLagGroup);
  table.choice<LagPolicy>(
      "policy", rules.policy,
      "What a subscriber that lags too far meets: a close, the newest events, or the newest event of each key",
      {{"disconnect", LagPolicy::disconnect}, {"skip", LagPolicy::skip}, {"conflate", LagPolicy::conflate}});
  table.number("lag_events", rules.lag.events, "Events that a subscriber may be behind", "no limit");
  table.size("lag_bytes", rules.lag.bytes, "The same by size", "no limit");
  table.duration("lag_age", rules.lag.age_ms, "The same by age of the oldest unsent event", "no limit");
  table.number("soft_lag_events", rules.soft_lag.events, "Beyond so many a subscriber is counted and shown", "no limit");
  table.size("soft_lag_bytes", rules.soft_lag.bytes, "The same by size", "no limit");
  table.duration("soft_lag_age", rules.soft_lag.age_ms, "The same by age", "no limit");
  table.number("keep", rules.keep, "With --policy skip: newest events that it still gets", "none");
  table.number("rate", rules.rate, "How often a second a subscriber is sent to at most, 0.01 to 100", "no limit");
  table.number("keys", rules.keys, "Keys of a topic whose newest event outlives the history", "none, with conflate 100000");
  table.flag("snapshot", rules.snapshot, "Streams that do not say where to start begin with the newest event of each key");
  table.group(kStreamsGroup);
  table.duration("heartbeat", rules.heartbeat_ms, "Longest silence on a stream, then a comment is sent; 0 = none");
}

void add_serve_options(OptionTable& table, ServeOptions& options) {
  add_listen_options(table, options);
  add_tls_options(table, options);
  add_topic_options(table, options.config.defaults);
  add_memory_options(table, options.config);
  add_stream_options(table, options.config);
  add_request_options(table, options);
  add_log_options(table, options);
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
          .hsts_s = options.hsts_ms / 1000,
          .is_diagnostic_echo = options.is_diagnostic_echo,
          .access_log = options.has_access_log ? options.config.log_sink : nullptr};
}

}  // namespace broadside::tools
