// See serve_options.h.
#include "tools/serve_options.h"

#include <algorithm>
#include <utility>

#include "engine/io/socket.h"
#include "engine/trusted_proxies.h"
#include "tools/tls_options.h"

namespace broadside::tools {
namespace {

constexpr const char* kAdminListenDefault = "127.0.0.1:8081";

const char* const kListenGroup = "Listening";
const char* const kRightsGroup = "Who may do what";
const char* const kLimitsGroup = "Limits";
const char* const kHistoryGroup = "History and memory";
const char* const kLagGroup = "Slow subscribers";
const char* const kStreamsGroup = "Streams";
const char* const kRequestsGroup = "Requests";
const char* const kLogGroup = "Log";

// A list of patterns of topics.
void add_pattern_option(OptionTable& table, const char* key, Values& patterns, const std::string& help) {
  Option& option = table.list(key, patterns, "PATTERN", help, [](const std::string& text) {
    return text.empty() ? std::string("an empty pattern matches no topic") : "";
  });
  option.needs_restart = true;
}

void add_address_option(OptionTable& table, const char* key, Values& addresses, const std::string& help) {
  Option& option = table.list(key, addresses, "ADDRESS", help, [](const std::string& text) {
    const Result<io::ListenAddress> address = io::parse_listen_address(text);
    return address ? std::string() : address.error().message;
  });
  option.delimiter = ',';
  option.needs_restart = true;
}

void add_listen_options(OptionTable& table, ServeOptions& options) {
  Config& config = options.config;
  table.group(kListenGroup);
  add_address_option(
      table, "listen", config.listen,
      "HOST:PORT, [IPV6]:PORT (IPv6 alone) or unix:PATH, the first two also behind http:// or https:// (--tls-cert); port "
      "0 = any free one; repeatable [127.0.0.1:8080]");
  add_address_option(
      table, "admin_listen", options.admin_listen,
      "Addresses where whoever reaches them may see /metrics, /topics and /connections; plain HTTP unless they say https://; "
      "repeatable [127.0.0.1:8081 if no address of --listen is loopback, where programs of this machine may as well]");
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

void add_rights_options(OptionTable& table, ServeOptions& options) {
  table.group(kRightsGroup);
  table.list(
      "auth_key", options.keys.keys, "ALG:FILE[,kid=NAME]",
      "A key that tokens (JWT) are signed with: HS256, HS384 or HS512 with a secret, RS256, ES256 or EdDSA with a PEM; "
      "ALG:env:NAME reads an environment variable; repeatable. With a key, subscribing and publishing need a token; SIGHUP "
      "reads the files again",
      hub::key_source_problem);
  table.text("auth_jwks", options.keys.jwks_path, "FILE", "More keys: a JSON Web Key Set");
  add_pattern_option(table, "anonymous_subscribe", options.anonymous_subscribe,
                     "With a key: topics that anybody may subscribe to; * stands for any run of bytes; repeatable");
  add_pattern_option(
      table, "anonymous_publish", options.anonymous_publish,
      "Topics that anybody who reaches the server may publish to; repeatable. Without it and without a key only this "
      "machine may publish, and only loopback addresses can be listened on");
  Option cookie{.key = "auth_cookie", .type = "NAME", .help = "A cookie that may carry the token, beside Authorization: Bearer"};
  cookie.set = [&options](const Values& given) {
    std::string wrong = hub::cookie_problem(given.front());
    if (wrong.empty()) options.carriers.cookie = given.front();
    return wrong;
  };
  cookie.get = [&options] { return Values{options.carriers.cookie}; };
  table.add(std::move(cookie)).needs_restart = true;
  table.flag("auth_query", options.carriers.takes_query, "The query may carry it as well: access_token=").needs_restart = true;
  const auto any = [](const std::string&) { return std::string(); };
  table.list("auth_audience", options.token_rules.audiences, "NAME", "Tokens must be for this audience (aud); repeatable", any)
      .needs_restart = true;
  table.list("auth_issuer", options.token_rules.issuers, "NAME", "Tokens must be from this issuer (iss); repeatable", any)
      .needs_restart = true;
  table
      .duration("auth_clock_skew", options.token_rules.clock_skew_ms,
                "How far the issuer's clock may be from ours (exp, nbf, iat)")
      .needs_restart = true;
}

void add_limit_options(OptionTable& table, ServeOptions& options) {
  Config& config = options.config;
  table.group(kLimitsGroup);
  table.number("address_connections", config.address_connections_max,
               "Connections of one address at once; a proxy in front makes all one address, see --trusted-proxy", "no limit");
  table.number("address_connect_rate", config.address_connect_rate,
               "Connections a second that one address may make, after a burst of two seconds' worth or 10", "no limit");
  table.number("address_prefix6", config.address_prefix6, "How many bits of an IPv6 address are one address").needs_restart =
      true;
  table.number("subject_connections", config.subject_connections_max, "Streams of one token's subject (sub) at once", "no limit");
  table.number("publish_rate", options.publish_rates.events,
               "Events a second that one publisher may publish: a token's subject, or else an address", "no limit");
  table.size("publish_bytes", options.publish_rates.bytes, "The same by size of their data", "no limit");
  Option& proxies =
      table.list("trusted_proxy", config.trusted_proxies, "NETWORK",
                 "A network (10.0.0.0/8), an address, or unix: who connects from there is a proxy, believed whom it "
                 "speaks for by a PROXY header (version 1 or 2) or X-Forwarded-For; repeatable",
                 [](const std::string& text) {
                   const Result<TrustedProxies> trusted = parse_trusted_proxies({text});
                   return trusted ? std::string() : trusted.error().message;
                 });
  proxies.delimiter = ',';
  proxies.needs_restart = true;
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
  table.duration("body_timeout", config.body_timeout_ms,
                 "Between two pieces of a request body; 256 bytes a second on the average from then on");
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
  table
      .choice<hub::AuditLevel>(
          "audit_log", options.audit_level, "Log lines of who was refused what, or also of who did what by right",
          {{"off", hub::AuditLevel::off}, {"refused", hub::AuditLevel::refused}, {"all", hub::AuditLevel::all}})
      .needs_restart = true;
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
  add_rights_options(table, options);
  add_tls_options(table, options);
  add_limit_options(table, options);
  add_confinement_options(table, options.confinement);
  add_topic_options(table, options.config.defaults);
  add_memory_options(table, options.config);
  add_stream_options(table, options.config);
  add_request_options(table, options);
  add_log_options(table, options);
}

std::string start_refusal(const ServeOptions& options) {
  if (!options.keys.is_empty()) return {};
  if (!options.anonymous_subscribe.empty()) {
    return "anonymous_subscribe: without a key (--auth-key, --auth-jwks) everybody may subscribe to everything; set one, or "
           "leave "
           "this out";
  }
  if (!options.anonymous_publish.empty()) return {};
  for (const std::string& listen : options.config.listen) {
    if (hub::listener_of(listen).is_loopback) continue;
    return "listen " + listen +
           ": others can reach this address, and nothing says who may publish; listen on 127.0.0.1, or give publishers tokens: "
           "--auth-key HS256:FILE, or name the topics that anybody may publish to: --anonymous-publish 'public.*' ('*' = all)";
  }
  return {};
}

std::vector<std::string> default_admin_listen(const ServeOptions& options) {
  const auto& listen = options.config.listen;
  const bool is_needed = options.admin_listen.empty() &&
                         std::none_of(listen.begin(), listen.end(),
                                      [](const std::string& address) { return hub::listener_of(address).is_loopback; });
  return is_needed ? std::vector<std::string>{kAdminListenDefault} : std::vector<std::string>();
}

Config engine_config(const ServeOptions& options) {
  Config config = options.config;
  config.listen.insert(config.listen.end(), options.admin_listen.begin(), options.admin_listen.end());
  return config;
}

hub::HubOptions hub_options(const ServeOptions& options) {
  return {.authority = {.listen = options.config.listen,
                        .admin_listen = options.admin_listen,
                        .anonymous_subscribe = options.anonymous_subscribe,
                        .anonymous_publish = options.anonymous_publish,
                        .carriers = options.carriers,
                        .rules = options.token_rules},
          .cors_origins = options.cors_origins,
          .event_bytes_max = options.config.event_bytes_max,
          .publish_rates = options.publish_rates,
          .address_prefix6 = options.config.address_prefix6,
          .hsts_s = options.hsts_ms / 1000,
          .is_diagnostic_echo = options.is_diagnostic_echo,
          .access_log = options.has_access_log ? options.config.log_sink : nullptr,
          .audit_log = options.config.log_sink,
          .audit_level = options.audit_level};
}

}  // namespace broadside::tools
