// Reading the TOML: what becomes a setting, in which order and from which place, and which files are refused as a whole.
#include "tools/config_file.h"

#include <gtest/gtest.h>

#include <string>

namespace broadside::tools {
namespace {

// "key=value@place" for each.
std::string story_of(const std::vector<Setting>& settings) {
  std::string story;
  for (const Setting& setting : settings) {
    story += (story.empty() ? "" : " ") + setting.key + '=';
    for (const std::string& value : setting.values) story += value + (setting.is_list ? "," : "");
    story += setting.misfit + '@' + setting.place;
  }
  return story;
}

TEST(ConfigFile, values_are_what_a_flag_would_be_given) {
  const ConfigFile file = parse_config(
      "text = \"15s\"\nnumber = 1_000\nhexadecimal = 0x10\ndecimal = 0.5\nlarge = 1e3\ntruth = true\nlist = [\"a\", "
      "\"b,c\"]\nnone = []",
      "f");
  EXPECT_TRUE(file.problems.empty());
  EXPECT_EQ(story_of(file.settings),
            "text=15s@f:1:1 number=1000@f:2:1 hexadecimal=16@f:3:1 decimal=0.5@f:4:1 large=1000@f:5:1 truth=true@f:6:1 "
            "list=a,b,c,@f:7:1 none=@f:8:1");
  EXPECT_TRUE(file.settings[6].is_list);
  EXPECT_EQ(file.settings[6].values.size(), 2U);
  EXPECT_TRUE(file.settings[7].is_list);
}

TEST(ConfigFile, settings_keep_the_order_of_the_file) {
  const ConfigFile file = parse_config("zebra = 1\n  apple = 2 # comment\n\nmango = 3\n", "f");
  EXPECT_EQ(story_of(file.settings), "zebra=1@f:1:1 apple=2@f:2:3 mango=3@f:4:1");
}

TEST(ConfigFile, sections_are_apart_from_what_is_above_them) {
  const ConfigFile file = parse_config("a = 1\n[[topic]]\npattern = \"x\"\n[[topic]]\n", "f");
  EXPECT_TRUE(file.problems.empty());
  EXPECT_EQ(story_of(file.settings), "a=1@f:1:1");
  ASSERT_EQ(file.sections.size(), 2U);
  EXPECT_EQ(story_of(file.sections[0].settings), "pattern=x@f:3:1");
  EXPECT_EQ(file.sections[0].place, "f:2:1");
  EXPECT_TRUE(file.sections[1].settings.empty());
  EXPECT_EQ(file.sections[1].place, "f:4:1");
}

TEST(ConfigFile, what_no_flag_could_be_given_is_named) {
  const ConfigFile file = parse_config("date = 2026-01-01\n[table]\na = 1\n[other]\nlist = [[1]]\n", "f");
  EXPECT_EQ(story_of(file.settings), "date=a date or a time@f:1:1 table=a table@f:2:2 other=a table@f:4:2");
  EXPECT_EQ(story_of(parse_config("list = [\"a\", [1]]", "f").settings), "list=a,a list that holds a list@f:1:1");
}

TEST(ConfigFile, an_empty_file_says_nothing) {
  for (const char* text : {"", "\n", "# nothing\n", "\xEF\xBB\xBF"}) {
    const ConfigFile file = parse_config(text, "f");
    EXPECT_TRUE(file.problems.empty() && file.settings.empty() && file.sections.empty()) << text;
  }
}

TEST(ConfigFile, what_is_no_toml_is_refused_with_its_place) {
  const std::pair<std::string, const char*> cases[] = {
      {"a = 1\na = 2", "f:2:"},       {"a = ", "f:1:"},
      {"a = 1\n[[topic\n", "f:2:"},   {"x", "f:1:"},
      {"a = \"\\q\"", "f:1:"},        {"a = 1 b = 2", "f:1:"},
      {"a = \"\xFF\"", "f:1:"},       {std::string("a = 1\n\0", 7), "f:2:"},
      {"a = [1, 2\n\nb = 3", "f:3:"},
  };
  for (const auto& [text, place] : cases) {
    const ConfigFile file = parse_config(text, "f");
    ASSERT_EQ(file.problems.size(), 1U) << text;
    EXPECT_EQ(file.problems[0].rfind(place, 0), 0U) << text << ": " << file.problems[0];
    EXPECT_TRUE(file.settings.empty()) << text;
  }
}

TEST(ConfigFile, a_topic_that_is_no_section_is_refused) {
  for (const char* text : {"a = 1\ntopic = 5", "a = 1\n[topic]\npattern = \"x\"", "a = 1\ntopic = [1]", "a = 1\ntopic = []"}) {
    const ConfigFile file = parse_config(text, "f");
    ASSERT_EQ(file.problems.size(), 1U) << text;
    EXPECT_EQ(file.problems[0].rfind("f:2:", 0), 0U) << file.problems[0];
    EXPECT_NE(file.problems[0].find("[[topic]]"), std::string::npos) << file.problems[0];
    EXPECT_EQ(story_of(file.settings), "a=1@f:1:1") << "what else is wrong is said as well";
  }
}

TEST(ConfigFile, what_cannot_be_read_says_why) {
  const std::pair<const char*, const char*> cases[] = {
      {"/nowhere/broadside.toml", "/nowhere/broadside.toml: cannot be read: No such file or directory"},
      {"/", "/: cannot be read: Is a directory"},
      {"/dev/zero", "/dev/zero: cannot be read: it is larger than 1024 KiB"},
  };
  for (const auto& [path, problem] : cases) EXPECT_EQ(read_config(path).problems, Values{problem});
}

TEST(ConfigFile, a_file_is_read_under_its_own_name) {
  const std::string path = std::string(BROADSIDE_SOURCE_DIR) + "/LICENSE";
  const ConfigFile file = read_config(path);
  ASSERT_EQ(file.problems.size(), 1U);
  EXPECT_EQ(file.problems[0].rfind(path + ":1:", 0), 0U) << file.problems[0];
}

}  // namespace
}  // namespace broadside::tools
