// Flags, environment and file together: who wins, what sections inherit, what is wrong and where, and what a reload changes.
#include "tools/settle.h"

#include <gtest/gtest.h>

#include <string>

namespace broadside::tools {
namespace {

Setting flag(std::string key, Values values) {
  const bool is_list = values.size() != 1;
  return {.key = std::move(key), .values = std::move(values), .is_list = is_list, .misfit = {}, .place = "--flag"};
}

Settled settle_text(const std::string& text, const std::vector<Setting>& given = {}) {
  return settle(given, parse_config(text, "f"));
}

// Requires: nothing is wrong with it.
ServeOptions options_of(const std::string& text, const std::vector<Setting>& given = {}) {
  const Settled settled = settle_text(text, given);
  EXPECT_EQ(settled.problems, Values{}) << text;
  return settled.options;
}

TEST(Settle, nothing_said_gives_the_defaults) {
  const Settled settled = settle({}, {});
  EXPECT_TRUE(settled.problems.empty());
  EXPECT_EQ(settled.options.config.listen, Values{"127.0.0.1:8080"});
  EXPECT_EQ(settled.options.config.defaults, TopicRules());
}

TEST(Settle, a_flag_beats_the_file_and_the_file_the_default) {
  const ServeOptions options =
      options_of("history_events = 5\nheartbeat = \"2s\"\nlisten = [\"[::1]:1\", \"127.0.0.1:2\"]\ndemo = true",
                 {flag("heartbeat", {"3s"}), flag("demo", {"false"})});
  EXPECT_EQ(options.config.defaults.history_events, 5U);
  EXPECT_EQ(options.config.defaults.heartbeat_ms, 3000U);
  EXPECT_EQ(options.config.defaults.history_bytes, TopicRules().history_bytes);
  EXPECT_EQ(options.config.listen, (Values{"[::1]:1", "127.0.0.1:2"}));
  EXPECT_FALSE(options.is_demo);
}

TEST(Settle, a_section_takes_what_it_does_not_say_from_the_top_level_as_flags_left_it) {
  const ServeOptions options = options_of(
      "history_age = \"2h\"\nhistory_events = 5\n[[topic]]\npattern = \"a.*\"\nhistory_bytes = \"2MiB\"\nrate = 0.5\n"
      "[[topic]]\npattern = \"b\"\nhistory_events = 7",
      {flag("history_events", {"6"})});
  ASSERT_EQ(options.config.topics.size(), 2U);
  TopicRules rules;
  rules.history_age_ms = 7'200'000;
  rules.history_events = 6;
  EXPECT_EQ(options.config.defaults, rules);
  rules.history_events = 7;
  EXPECT_EQ(options.config.topics[1], (TopicSection{.pattern = "b", .rules = rules}));
  rules.history_events = 6;
  rules.history_bytes = 2 << 20;
  rules.rate = 0.5;
  EXPECT_EQ(options.config.topics[0], (TopicSection{.pattern = "a.*", .rules = rules}));
}

TEST(Settle, a_section_of_another_policy_does_not_inherit_what_only_the_other_has_a_use_for) {
  const ServeOptions skipping = options_of("policy = \"skip\"\nkeep = 9\n[[topic]]\npattern = \"a\"\npolicy = \"disconnect\"");
  EXPECT_EQ(skipping.config.topics.at(0).rules.keep, 0U);
  const std::string conflating = "policy = \"conflate\"\nsnapshot = true\n[[topic]]\npattern = \"a\"\npolicy = \"skip\"\n";
  EXPECT_FALSE(options_of(conflating).config.topics.at(0).rules.snapshot);
  EXPECT_TRUE(options_of(conflating + "keys = 5").config.topics.at(0).rules.snapshot) << "keys are all that it needs";
}

struct Wrong {
  const char* text;
  Values problems;
};

class SettleProblems : public ::testing::TestWithParam<Wrong> {};

TEST_P(SettleProblems, are_all_told_with_place_key_and_what_was_meant) {
  EXPECT_EQ(settle_text(GetParam().text).problems, GetParam().problems) << GetParam().text;
}

const Wrong kUnknownKeys[] = {
    {"histroy_age = \"1h\"", {"f:1:1: unknown key `histroy_age`; did you mean `history_age`?"}},
    {"history-age = \"1h\"", {"f:1:1: unknown key `history-age`; did you mean `history_age`?"}},
    {"\nxyzzy = 1", {"f:2:1: unknown key `xyzzy`"}},
    {"config = \"a\"\ncheck_config = true", {"f:1:1: unknown key `config`", "f:2:1: unknown key `check_config`"}},
    {"pattern = \"a\"", {"f:1:1: unknown key `pattern`"}},
    {"[[topic]]\npattern = \"a\"\nshards = 1",
     {"f:3:1: unknown key `shards`; it is for the whole server and belongs above the first [[topic]]"}},
    {"[[topic]]\npattern = \"a\"\npolcy = \"skip\"", {"f:3:1: unknown key `polcy`; did you mean `policy`?"}},
    {"[history]\nage = \"1h\"", {"f:1:2: unknown key `history`"}},
};
INSTANTIATE_TEST_SUITE_P(UnknownKeys, SettleProblems, ::testing::ValuesIn(kUnknownKeys));

const Wrong kBadValues[] = {
    {"history_age = 15",
     {"f:1:1: `history_age`: `15` is not a duration: a whole number with ms, s, m, h or d, like 15s or 250ms"}},
    {"history_bytes = 0.5",
     {"f:1:1: `history_bytes`: `0.5` is not a size: a whole number, perhaps with KiB, MiB or GiB, like 64KiB"}},
    {"shards = -1", {"f:1:1: `shards`: `-1` is not a whole number"}},
    {"shards = 99999999999", {"f:1:1: `shards`: `99999999999` is too large"}},
    {"rate = nan", {"f:1:1: `rate`: `nan` is not a number, like 5 or 0.5"}},
    {"policy = \"drop\"", {"f:1:1: `policy`: `drop` is none of disconnect|skip|conflate"}},
    {"demo = 1", {"f:1:1: `demo`: `1` is neither true nor false"}},
    {"shards = [1]", {"f:1:1: `shards`: this is a list; write shards = N"}},
    {"listen = \"127.0.0.1:1\"", {"f:1:1: `listen`: this is a single value; write listen = [\"ADDRESS\", ...]"}},
    {"retry = 2026-01-01", {"f:1:1: `retry`: this is a date or a time; write retry = DURATION"}},
    {"demo = {a = 1}", {"f:1:1: `demo`: this is a table; write demo = true or false"}},
    {"cors_origin = [[\"*\"]]",
     {"f:1:1: `cors_origin`: this is a list that holds a list; write cors_origin = [\"ORIGIN\", ...]"}},
    {"anonymous_publish = [\"a\", \"\"]", {"f:1:1: `anonymous_publish`: an empty pattern matches no topic"}},
};
INSTANTIATE_TEST_SUITE_P(BadValues, SettleProblems, ::testing::ValuesIn(kBadValues));

const Wrong kRefusedByTheEngine[] = {
    {"retry = \"1s\"\nheartbeat = \"100ms\"", {"f:2:1: `heartbeat`: heartbeat_ms: 0, or at least 200"}},
    {"rate = 0.001", {"f:1:1: `rate`: rate: 0, or 0.01 to 100 a second"}},
    {"keep = 5", {"f:1:1: `keep`: keep: for policy skip alone"}},
    {"snapshot = true\nretry = \"1s\"", {"f:1:1: `snapshot`: snapshot: needs keys, or policy conflate"}},
    {"history_memory = \"2GiB\"\nmemory_max = \"1GiB\"", {"f:2:1: `memory_max`: history_memory: at most memory_max"}},
    {"[[topic]]\npattern = \"a\"\nkeep = 5\nrate = 1000",
     {"f:4:1: `rate`: topics matching `a`: rate: 0, or 0.01 to 100 a second",
      "f:3:1: `keep`: topics matching `a`: keep: for policy skip alone"}},
    {"[[topic]]\nkeep = 5\npattern = \"a\"", {"f:2:1: `keep`: topics matching `a`: keep: for policy skip alone"}},
    {"policy = \"conflate\"\n[[topic]]\npattern = \"a\"\npolicy = \"skip\"\nsnapshot = true",
     {"f:5:1: `snapshot`: topics matching `a`: snapshot: needs keys, or policy conflate"}},
    // What is wrong at the top is said once, and not again for each section that inherits it.
    {"heartbeat = \"100ms\"\n[[topic]]\npattern = \"a\"\n[[topic]]\npattern = \"b\"\nheartbeat = \"1ms\"",
     {"f:1:1: `heartbeat`: heartbeat_ms: 0, or at least 200",
      "f:6:1: `heartbeat`: topics matching `b`: heartbeat_ms: 0, or at least 200"}},
};
INSTANTIATE_TEST_SUITE_P(RefusedByTheEngine, SettleProblems, ::testing::ValuesIn(kRefusedByTheEngine));

const Wrong kSections[] = {
    {"[[topic]]", {"f:1:1: topics: each section needs a pattern, like chat.*"}},
    {"\n[[topic]]\nkeep = 1\npattern = \"\"",
     {"f:3:1: `keep`: topics matching ``: keep: for policy skip alone",
      "f:2:1: topics: each section needs a pattern, like chat.*"}},
    {"[[topic]]\npattern = \"a.*\"\n[[topic]]\npattern = \"a.*\"",
     {"f:3:1: `a.*` never counts: the earlier section `a.*` matches all of its topics; put this one first"}},
    {"[[topic]]\npattern = \"*\"\n[[topic]]\npattern = \"a\"\n[[topic]]\npattern = \"b*c\"",
     {"f:3:1: `a` never counts: the earlier section `*` matches all of its topics; put this one first",
      "f:5:1: `b*c` never counts: the earlier section `*` matches all of its topics; put this one first"}},
    {"[[topic]]\npattern = \"a*c\"\n[[topic]]\npattern = \"ab*c\"\n",
     {"f:3:1: `ab*c` never counts: the earlier section `a*c` matches all of its topics; put this one first"}},
    {"[[topic]]\npattern = \"ab\"\n[[topic]]\npattern = \"a*\"\n[[topic]]\npattern = \"*b\"\n[[topic]]\npattern = \"*\"", {}},
    {"listen = [\"0.0.0.0:80\"]\nxyzzy = 1",
     {"f:2:1: unknown key `xyzzy`",
      "listen 0.0.0.0:80: others can reach this address, and nothing says who may publish; listen on 127.0.0.1, or give "
      "publishers tokens: --auth-key HS256:FILE, or name the topics that anybody may publish to: --anonymous-publish 'public.*' "
      "('*' = all)"}},
    {"listen = [\"0.0.0.0:80\"]\nauth_key = [\"HS256:secret\"]", {}},
    {"listen = [\"0.0.0.0:80\"]\nauth_jwks = \"keys.json\"", {}},
    {"anonymous_subscribe = [\"public.*\"]",
     {"anonymous_subscribe: without a key (--auth-key, --auth-jwks) everybody may subscribe to everything; set one, or leave "
      "this "
      "out"}},
    {"anonymous_subscribe = [\"public.*\"]\nauth_jwks = \"keys.json\"", {}},
    {"auth_key = [\"none:secret\"]",
     {"f:1:1: `auth_key`: write ALG:FILE or ALG:env:NAME, perhaps with ,kid=NAME behind; ALG is HS256, HS384, HS512, RS256, "
      "ES256 or "
      "EdDSA"}},
};
INSTANTIATE_TEST_SUITE_P(Sections, SettleProblems, ::testing::ValuesIn(kSections));

TEST(Settle, what_the_engine_refuses_of_a_flag_is_told_of_the_flag) {
  const Settled settled = settle_text("heartbeat = \"1s\"", {flag("heartbeat", {"1ms"})});
  EXPECT_EQ(settled.problems, Values{"--flag: `heartbeat`: heartbeat_ms: 0, or at least 200"});
}

TEST(Settle, a_file_with_something_wrong_says_what_else_is_wrong) {
  ConfigFile file = parse_config("xyzzy = 1", "f");
  file.problems.emplace_back("first");
  EXPECT_EQ(settle({}, file).problems, (Values{"first", "f:1:1: unknown key `xyzzy`"}));
}

TEST(SectionText, tells_every_rule) {
  TopicSection section{.pattern = "a.*", .rules = {}};
  section.rules.policy = LagPolicy::skip;
  section.rules.keep = 5;
  const std::string text = section_text(section);
  EXPECT_EQ(text.rfind("a.*: history_events 1000, history_bytes 1MiB, history_age 1h, policy skip, lag_events no limit, ", 0), 0U)
      << text;
  EXPECT_NE(text.find(", keep 5, "), std::string::npos) << text;
  EXPECT_NE(text.find(", heartbeat 15s"), std::string::npos) << text;
}

TEST(Reload, nothing_new_changes_nothing) {
  const Reload reload = plan_reload(options_of("retry = \"1s\""), options_of("retry = \"1000ms\""));
  EXPECT_TRUE(reload.changes.empty());
  EXPECT_TRUE(reload.waiting.empty());
}

TEST(Reload, takes_over_what_may_change_and_leaves_what_may_not) {
  const Reload reload =
      plan_reload(options_of("history_events = 1000\nshards = 2\nlisten = [\"127.0.0.1:1\"]"),
                  options_of("history_events = 500\nlag_bytes = \"1MiB\"\nlog_level = \"debug\"\nlisten = [\"127.0.0.1:2\", "
                             "\"127.0.0.1:3\"]\ndemo = true"));
  EXPECT_EQ(reload.changes, (Values{"history_events 1000 -> 500", "lag_bytes no limit -> 1MiB", "log_level info -> debug"}));
  EXPECT_EQ(reload.waiting,
            (Values{"listen 127.0.0.1:1 -> 127.0.0.1:2, 127.0.0.1:3", "shards 2 -> one per core", "demo false -> true"}));
  EXPECT_EQ(reload.options.config.defaults.history_events, 500U);
  EXPECT_EQ(reload.options.config.defaults.lag.bytes, 1U << 20);
  EXPECT_EQ(reload.options.log_level, LogLevel::debug);
  EXPECT_EQ(reload.options.config.listen, Values{"127.0.0.1:1"});
  EXPECT_EQ(reload.options.config.shards, 2U);
  EXPECT_FALSE(reload.options.is_demo);
}

TEST(Reload, names_sections_that_came_went_or_changed) {
  const auto sections = [](const std::vector<std::string>& patterns, const std::string& last_rule = {}) {
    std::string text;
    for (const std::string& pattern : patterns) text += "[[topic]]\npattern = \"" + pattern + "\"\n";
    return options_of(text + last_rule);
  };
  EXPECT_EQ(plan_reload(sections({"a", "b", "c"}), sections({"b", "d", "c"}, "rate = 1")).changes,
            (Values{"topic a removed", "topic d added", "topic c changed"}));
  const Reload moved = plan_reload(sections({"a*", "*b"}), sections({"*b", "a*"}));
  EXPECT_EQ(moved.changes, Values{"topics in another order"});
  EXPECT_EQ(moved.options.config.topics.at(0).pattern, "*b");
}

TEST(Reload, a_section_changes_with_what_it_inherits) {
  const std::string section = "[[topic]]\npattern = \"a\"\n";
  EXPECT_EQ(plan_reload(options_of(section), options_of("rate = 1\n" + section)).changes,
            (Values{"rate no limit -> 1", "topic a changed"}));
}

}  // namespace
}  // namespace broadside::tools
