// The table of options: what is given goes to the target, what is not good leaves it, and what is shown would be read again.
#include "tools/option_table.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "tools/serve_options.h"

namespace broadside::tools {
namespace {

Setting given(const std::string& text) { return {.key = {}, .values = {text}, .is_list = false, .misfit = {}, .place = {}}; }

TEST(OptionTable, every_value_that_is_shown_can_be_put_back) {
  ServeOptions options;
  options.config.defaults.rate = 0.1;
  options.config.defaults.history_age_ms = 1500;
  options.cors_origins = {"https://a.example", "*"};
  OptionTable table;
  add_serve_options(table, options);
  for (const Option& option : table.options()) {
    EXPECT_EQ(option.set(option.get()), "") << option.key;
    EXPECT_EQ(option.get(), option.initial) << option.key;
  }
  EXPECT_EQ(options.config.defaults.rate, 0.1);
  EXPECT_EQ(options.config.defaults.history_age_ms, 1500U);
}

TEST(OptionTable, a_bad_value_leaves_the_target_as_it_was) {
  std::uint32_t number = 7;
  OptionTable table;
  const Option& option = table.number("number", number, "");
  for (const char* bad : {"", "many", "1.5", "-1", "4294967296"}) {
    EXPECT_NE(option.accept(given(bad)), "") << bad;
    EXPECT_EQ(number, 7U) << bad;
  }
  EXPECT_EQ(option.accept(given("4294967295")), "");
  EXPECT_EQ(number, 4'294'967'295U);
}

TEST(OptionTable, zero_is_shown_as_what_it_stands_for) {
  std::uint64_t bytes = 0;
  OptionTable table;
  const Option& option = table.size("bytes", bytes, "", "no limit");
  EXPECT_EQ(option.shown(), "no limit");
  EXPECT_EQ(option.get(), Values{"0"});
  bytes = 2048;
  EXPECT_EQ(option.shown(), "2KiB");
}

TEST(OptionTable, a_list_is_no_value_and_a_value_is_no_list) {
  Values list;
  bool flag = false;
  OptionTable table;
  table.list("names", list, "NAME", "", [](const std::string& text) { return text == "bad" ? std::string("bad name") : ""; });
  table.flag("flag", flag, "");
  const Option& names = *table.find("names");
  EXPECT_EQ(names.accept(given("a")), "this is a single value; write names = [\"NAME\", ...]");
  EXPECT_EQ(names.accept({.key = {}, .values = {"a", "bad"}, .is_list = true, .misfit = {}, .place = {}}), "bad name");
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(names.accept({.key = {}, .values = {"a", "b"}, .is_list = true, .misfit = {}, .place = {}}), "");
  EXPECT_EQ(list, (Values{"a", "b"}));
  EXPECT_EQ(table.find("flag")->accept({.key = {}, .values = {}, .is_list = true, .misfit = {}, .place = {}}),
            "this is a list; write flag = true or false");
}

TEST(OptionTable, finds_what_was_meant_but_nothing_far_off) {
  ServeOptions options;
  OptionTable table;
  add_serve_options(table, options);
  EXPECT_EQ(table.nearest("histroy_age"), "history_age");
  EXPECT_EQ(table.nearest("history-events"), "history_events");
  EXPECT_EQ(table.nearest("lagevents"), "lag_events");
  EXPECT_EQ(table.nearest("completely_different"), "");
  EXPECT_EQ(table.nearest(""), "");
}

TEST(OptionTable, what_is_given_is_kept_as_it_was_written) {
  std::uint64_t milliseconds = 0;
  Values names;
  bool flag = false;
  OptionTable table;
  table.duration("time_out", milliseconds, "");
  table.list("names", names, "NAME", "", [](const std::string&) { return ""; }).delimiter = ',';
  table.flag("flag", flag, "").letter = 'f';
  CLI::App app;
  std::vector<Setting> settings;
  table.add_to(app, "OPTION_TABLE_TEST_", &settings);
  setenv("OPTION_TABLE_TEST_NAMES", "a,b", 1);
  app.parse("--time-out 2s -f");
  unsetenv("OPTION_TABLE_TEST_NAMES");
  ASSERT_EQ(settings.size(), 3U);
  EXPECT_EQ(settings[0].key, "time_out");
  EXPECT_EQ(settings[0].values, Values{"2s"});
  EXPECT_EQ(settings[0].place, "--time-out");
  EXPECT_EQ(settings[1].values, (Values{"a", "b"}));
  EXPECT_TRUE(settings[1].is_list);
  EXPECT_EQ(settings[2].values, Values{"true"});
  EXPECT_EQ(milliseconds, 2000U);
  EXPECT_TRUE(flag);
}

}  // namespace
}  // namespace broadside::tools
