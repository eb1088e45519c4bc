// Options of `broadside serve`, as flags: quantities, what is refused and by which name, the environment, and what may be
// listened on.
#include "tools/serve_options.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "tools/quantity.h"

namespace broadside::tools {
namespace {

// The error's message; empty if there was none.
std::string parse(std::vector<std::string> arguments, ServeOptions& options) {
  CLI::App app("test", "serve");
  OptionTable table;
  add_serve_options(table, options);
  table.add_to(app, "BROADSIDE_");
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(arguments);
    return "";
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
}

TEST(Quantity, durations_have_a_unit) {
  EXPECT_EQ(parse_duration_ms("250ms"), 250U);
  EXPECT_EQ(parse_duration_ms("15s"), 15'000U);
  EXPECT_EQ(parse_duration_ms("2m"), 120'000U);
  EXPECT_EQ(parse_duration_ms("1h"), 3'600'000U);
  EXPECT_EQ(parse_duration_ms("1d"), 86'400'000U);
  EXPECT_EQ(parse_duration_ms("0"), 0U);
  for (const char* bad :
       {"", "15", "s", "-1s", "+1s", "1.5s", "1 s", "15S", "1h30m", "often", "99999999999999999999s", "999999999999999d"}) {
    EXPECT_FALSE(parse_duration_ms(bad).has_value()) << bad;
  }
}

TEST(Quantity, sizes_may_have_a_unit) {
  EXPECT_EQ(parse_size_bytes("4096"), 4096U);
  EXPECT_EQ(parse_size_bytes("64KiB"), 65'536U);
  EXPECT_EQ(parse_size_bytes("1M"), 1U << 20);
  EXPECT_EQ(parse_size_bytes("1MB"), 1'000'000U);
  EXPECT_EQ(parse_size_bytes("0"), 0U);
  for (const char* bad : {"", "KiB", "-1", "1.5M", "1 M", "1kib", "many", "20000000TiB"}) {
    EXPECT_FALSE(parse_size_bytes(bad).has_value()) << bad;
  }
}

TEST(Quantity, what_is_shown_is_what_would_be_read) {
  EXPECT_EQ(duration_text(15'000), "15s");
  EXPECT_EQ(duration_text(250), "250ms");
  EXPECT_EQ(duration_text(3'600'000), "1h");
  EXPECT_EQ(size_text(64 << 10), "64KiB");
  EXPECT_EQ(size_text(1000), "1000B");
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{90'000}, std::uint64_t{1} << 33}) {
    EXPECT_EQ(parse_duration_ms(duration_text(value)), value);
    EXPECT_EQ(parse_size_bytes(size_text(value)), value);
  }
}

TEST(ServeOptions, without_flags_are_the_defaults) {
  ServeOptions options;
  ASSERT_EQ(parse({}, options), "");
  EXPECT_EQ(options.config.listen, std::vector<std::string>{"127.0.0.1:8080"});
  EXPECT_EQ(options.config.defaults.heartbeat_ms, Config().defaults.heartbeat_ms);
  EXPECT_EQ(options.config.history_memory, 0U);
  EXPECT_FALSE(options.is_demo);
  EXPECT_EQ(start_refusal(options), "");
}

TEST(ServeOptions, are_taken_from_flags) {
  ServeOptions options;
  ASSERT_EQ(parse({"--listen",
                   "127.0.0.1:0",
                   "--listen",
                   "[::1]:80",
                   "--backend",
                   "epoll",
                   "--heartbeat",
                   "250ms",
                   "--history-bytes",
                   "2MiB",
                   "--max-connections",
                   "5",
                   "--cors-origin",
                   "https://a.example",
                   "--cors-origin",
                   "*",
                   "--log-format",
                   "json",
                   "--demo",
                   "--anonymous-publish",
                   "a,b*",
                   "--policy",
                   "skip",
                   "--lag-age",
                   "3s",
                   "--soft-lag-bytes",
                   "1MiB",
                   "--keep",
                   "7",
                   "--rate",
                   "0.5",
                   "--snapshot",
                   "--stream-age-max",
                   "1h",
                   "--auth-key",
                   "HS256:secret.bin,kid=a,b",
                   "--auth-key",
                   "RS256:env:KEY",
                   "--auth-jwks",
                   "keys.json",
                   "--auth-cookie",
                   "__Host-auth",
                   "--auth-query",
                   "--auth-audience",
                   "a",
                   "--auth-issuer",
                   "b",
                   "--auth-clock-skew",
                   "5s",
                   "--anonymous-subscribe",
                   "public.*",
                   "--admin-listen",
                   "127.0.0.1:0",
                   "--audit-log",
                   "all"},
                  options),
            "");
  EXPECT_EQ(options.config.listen, (std::vector<std::string>{"127.0.0.1:0", "[::1]:80"}));
  EXPECT_EQ(options.config.backend, Backend::epoll);
  EXPECT_EQ(options.config.defaults.heartbeat_ms, 250U);
  EXPECT_EQ(options.config.defaults.history_bytes, 2U << 20);
  EXPECT_EQ(options.config.connections_max, 5U);
  EXPECT_EQ(options.cors_origins, (std::vector<std::string>{"https://a.example", "*"}));
  EXPECT_EQ(options.anonymous_publish, std::vector<std::string>{"a,b*"});
  EXPECT_EQ(options.log_format, LogFormat::json);
  EXPECT_TRUE(options.is_demo);
  const TopicRules& rules = options.config.defaults;
  EXPECT_EQ(rules.policy, LagPolicy::skip);
  EXPECT_EQ(rules.lag.age_ms, 3000U);
  EXPECT_EQ(rules.soft_lag.bytes, 1U << 20);
  EXPECT_EQ(rules.keep, 7U);
  EXPECT_EQ(rules.rate, 0.5);
  EXPECT_TRUE(rules.snapshot);
  EXPECT_EQ(options.config.stream_age_max_ms, 3'600'000U);
  EXPECT_EQ(options.keys.keys, (std::vector<std::string>{"HS256:secret.bin,kid=a,b", "RS256:env:KEY"}));
  EXPECT_EQ(options.keys.jwks_path, "keys.json");
  EXPECT_EQ(options.carriers.cookie, "__Host-auth");
  EXPECT_TRUE(options.carriers.takes_query);
  EXPECT_EQ(options.token_rules.audiences, std::vector<std::string>{"a"});
  EXPECT_EQ(options.token_rules.issuers, std::vector<std::string>{"b"});
  EXPECT_EQ(options.token_rules.clock_skew_ms, 5000U);
  EXPECT_EQ(options.anonymous_subscribe, std::vector<std::string>{"public.*"});
  EXPECT_EQ(options.admin_listen, std::vector<std::string>{"127.0.0.1:0"});
  EXPECT_EQ(options.audit_level, hub::AuditLevel::all);
}

TEST(ServeOptions, are_taken_from_the_environment_where_no_flag_says_otherwise) {
  setenv("BROADSIDE_HEARTBEAT", "2s", 1);
  setenv("BROADSIDE_RETRY", "7s", 1);
  setenv("BROADSIDE_LISTEN", "127.0.0.1:1,127.0.0.1:2", 1);
  ServeOptions options;
  const std::string error = parse({"--retry", "1s"}, options);
  unsetenv("BROADSIDE_HEARTBEAT");
  unsetenv("BROADSIDE_RETRY");
  unsetenv("BROADSIDE_LISTEN");
  ASSERT_EQ(error, "");
  EXPECT_EQ(options.config.defaults.heartbeat_ms, 2000U);
  EXPECT_EQ(options.config.retry_ms, 1000U);
  EXPECT_EQ(options.config.listen, (std::vector<std::string>{"127.0.0.1:1", "127.0.0.1:2"}));
}

TEST(ServeOptions, name_the_flag_that_is_wrong) {
  for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{{"--no-such-flag"},
                                                                                   {"--backend", "magic"},
                                                                                   {"--history-events", "many"},
                                                                                   {"--listen", "nonsense"},
                                                                                   {"--heartbeat", "often"},
                                                                                   {"--heartbeat", "5000000s"},
                                                                                   {"--cors-origin", "a.example"},
                                                                                   {"--anonymous-publish", ""},
                                                                                   {"--anonymous-subscribe", ""},
                                                                                   {"--auth-key", "none:a"},
                                                                                   {"--auth-key", "HS256:"},
                                                                                   {"--auth-cookie", "a b"},
                                                                                   {"--auth-clock-skew", "30"},
                                                                                   {"--admin-listen", "8081"},
                                                                                   {"--audit-log", "some"},
                                                                                   {"--policy", "drop"},
                                                                                   {"--rate", "fast"},
                                                                                   {"--rate", "-1"},
                                                                                   {"--rate", "inf"},
                                                                                   {"--lag-events", "1.5"},
                                                                                   {"--snapshot=maybe"},
                                                                                   {"--log-level", "loud"}}) {
    ServeOptions options;
    EXPECT_NE(parse(bad, options).find(bad[0].substr(0, bad[0].find('='))), std::string::npos) << bad[0];
  }
}

TEST(ServeOptions, refuse_an_address_that_others_reach_unless_told) {
  ServeOptions options;
  options.config.listen = {"127.0.0.1:0", "unix:/tmp/x", "0.0.0.0:0"};
  EXPECT_NE(start_refusal(options).find("--anonymous-publish"), std::string::npos);
  options.anonymous_publish = {"a"};
  EXPECT_EQ(start_refusal(options), "");
  options.anonymous_publish.clear();
  EXPECT_NE(start_refusal(options).find("--auth-key"), std::string::npos);
  options.keys.jwks_path = "keys.json";
  EXPECT_EQ(start_refusal(options), "");
}

TEST(ServeOptions, open_an_admin_address_where_no_other_would_be_for_it) {
  const auto opened = [](std::vector<std::string> listen, std::vector<std::string> admin_listen = {}) {
    ServeOptions options;
    options.config.listen = std::move(listen);
    options.admin_listen = std::move(admin_listen);
    return default_admin_listen(options);
  };
  EXPECT_EQ(opened({"0.0.0.0:80"}), Values{"127.0.0.1:8081"});
  EXPECT_EQ(opened({"0.0.0.0:80", "[::]:80"}), Values{"127.0.0.1:8081"});
  EXPECT_EQ(opened({"127.0.0.1:80"}), Values{});
  EXPECT_EQ(opened({"0.0.0.0:80", "[::1]:80"}), Values{});
  EXPECT_EQ(opened({"0.0.0.0:80", "unix:/run/b"}), Values{});
  EXPECT_EQ(opened({"0.0.0.0:80"}, {"10.0.0.1:81"}), Values{}) << "somebody said which";
}

TEST(ServeOptions, put_admin_addresses_behind_the_others) {
  ServeOptions options;
  options.config.listen = {"127.0.0.1:1", "127.0.0.1:2"};
  options.admin_listen = {"127.0.0.1:3"};
  EXPECT_EQ(engine_config(options).listen, (Values{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}));
  EXPECT_EQ(hub_options(options).authority.listen, (Values{"127.0.0.1:1", "127.0.0.1:2"}));
  EXPECT_EQ(hub_options(options).authority.admin_listen, Values{"127.0.0.1:3"});
}

TEST(StderrLog, writes_one_line_whatever_the_message) {
  EXPECT_EQ(format_log_line(LogFormat::text, LogLevel::warning, "a\nb", 1'700'000'000'007),
            "2023-11-14T22:13:20.007Z warning a b");
  EXPECT_EQ(format_log_line(LogFormat::json, LogLevel::info, "a\n\"b", 0),
            R"({"time":"1970-01-01T00:00:00.000Z","level":"info","message":"a\n\"b"})");
}

}  // namespace
}  // namespace broadside::tools
