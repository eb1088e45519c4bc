// docs/broadside.example.toml says every key with its default, and what is commented out in it is good.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include "tools/settle.h"

namespace broadside::tools {
namespace {

const std::string kPath = std::string(BROADSIDE_SOURCE_DIR) + "/docs/broadside.example.toml";

// All that is commented out in it made to count.
std::string example_text() {
  std::ifstream stream(kPath);
  const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  const std::regex commented(R"(^# ([a-z0-9_]+ = .*|\[\[topic\]\])$)", std::regex::multiline);
  return std::regex_replace(text, commented, "$1");
}

TEST(ExampleConfig, has_every_key_once_and_at_its_default) {
  const ConfigFile file = parse_config(example_text(), kPath);
  Settled settled = settle({}, file);
  EXPECT_EQ(settled.problems, Values{});
  ServeOptions defaults;
  OptionTable table;
  add_serve_options(table, defaults);
  std::string keys;
  for (const Option& option : table.options()) keys += option.key + '\n';
  std::string written;
  for (const Option& option : table.options()) {
    for (const Setting& setting : file.settings) {
      if (setting.key == option.key) written += setting.key + '\n';
    }
  }
  EXPECT_EQ(written, keys);
  settled.options.config.topics.clear();
  const Reload reload = plan_reload(defaults, settled.options);
  EXPECT_EQ(reload.changes, Values{});
  EXPECT_EQ(reload.waiting, Values{});
}

TEST(ExampleConfig, says_of_each_key_that_needs_a_restart_that_it_does) {
  std::ifstream stream(kPath);
  ServeOptions options;
  OptionTable table;
  add_serve_options(table, options);
  std::string paragraph;
  std::size_t keys = 0;
  for (std::string line; std::getline(stream, line); paragraph = line.empty() ? "" : paragraph + line) {
    const Option* option = line.starts_with("# ") ? table.find(line.substr(2, line.find(" = ") - 2)) : nullptr;
    if (option == nullptr || line.find(" = ") == std::string::npos || paragraph.find("pattern = ") != std::string::npos) continue;
    EXPECT_EQ(paragraph.find("(restart)") != std::string::npos, option->needs_restart) << option->key;
    ++keys;
  }
  EXPECT_EQ(keys, table.options().size());
}

TEST(ExampleConfig, has_two_sections_that_are_understood_as_they_are_described) {
  const std::vector<TopicSection> topics = settle({}, parse_config(example_text(), kPath)).options.config.topics;
  ASSERT_EQ(topics.size(), 2U);
  EXPECT_EQ(topics[0].rules.policy, LagPolicy::conflate);
  EXPECT_TRUE(topics[0].rules.snapshot);
  EXPECT_EQ(topics[0].rules.rate, 5);
  EXPECT_EQ(topics[1].rules.policy, LagPolicy::skip);
  EXPECT_EQ(topics[1].rules.keep, 50U);
}

}  // namespace
}  // namespace broadside::tools
