// The flags of `load`: what follows from them together, and what is refused with which words.
#include "tools/load/options.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

namespace broadside::tools::load {
namespace {

// What is wrong with `arguments`; empty if nothing is.
std::string check(const std::string& arguments, LoadOptions& options) {
  CLI::App app;
  add_load_options(app, options);
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  return check_load_options(options);
}

TEST(LoadOptions, a_broadside_server_is_all_that_has_to_be_said) {
  LoadOptions options;
  ASSERT_EQ(check("--server http://127.0.0.1:9000/", options), "");
  EXPECT_EQ(options.subscribe.target, "/events/{topic}");
  EXPECT_EQ(options.publish.target, "/events/{topic}");
  EXPECT_EQ(options.subscribe.authority(), "127.0.0.1:9000");
  EXPECT_EQ(options.threads, 1U);
}

TEST(LoadOptions, keys_go_into_the_query) {
  LoadOptions options;
  ASSERT_EQ(check("--keys 5", options), "");
  EXPECT_EQ(options.publish.target, "/events/{topic}?key={key}");
}

TEST(LoadOptions, each_topic_has_the_keys_whose_turns_fall_on_it) {
  LoadOptions options;
  ASSERT_EQ(check("--keys 6 --topics 4 --conflated", options), "");
  EXPECT_EQ(options.keys_of_topic(), 3U);
  EXPECT_TRUE(options.is_conflated);
}

TEST(LoadOptions, a_rate_is_asked_for_with_each_stream) {
  LoadOptions options;
  ASSERT_EQ(check("--rate 0.5", options), "");
  EXPECT_EQ(options.subscribe.target, "/events/{topic}?rate=0.500000");
}

TEST(LoadOptions, other_servers_have_urls_of_their_own) {
  LoadOptions options;
  ASSERT_EQ(check("--subscribe-url http://[::1]:3000/sse?channel={topic} --publish-url http://localhost/send", options), "");
  EXPECT_EQ(options.subscribe.host, "::1");
  EXPECT_EQ(options.subscribe.authority(), "[::1]:3000");
  EXPECT_EQ(options.subscribe.target, "/sse?channel={topic}");
  EXPECT_EQ(options.publish.port, "80");
}

TEST(LoadOptions, many_streams_get_threads_and_source_addresses) {
  LoadOptions options;
  ASSERT_EQ(check("--streams 200000", options), "");
  EXPECT_GE(options.sources, 8U);
  EXPECT_GE(options.threads, 1U);
}

TEST(LoadOptions, wrong_ones_are_refused_with_what_is_wrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"--subscribe-url http://127.0.0.1:1/x", "--publish-url"},
      {"--server https://127.0.0.1", "plain http"},
      {"--server ftp://127.0.0.1", "not an http or https URL"},
      {"--server 'not a url'", "is not a URL"},
      {"--streams 0", "--streams"},
      {"--topics 0", "--topics"},
      {"--streams 10 --stalled 6 --slow 5", "more than --streams"},
      {"--size 43", "44"},
      {"--burst 0", "--burst"},
      {"--publish-body hello", "{data}"},
      {"--duration forever", "forever"},
      {"--header nonsense", "Name: value"},
      {"--publish-rate 2000000", "1,000,000"},
      {"--cpus 1,x", "the number of a core"},
      {"--cpus 5000", "the number of a core"},
      {"--grace 8d", "too large"},
      {"--conflated", "--keys"},
      {"--conflated --keys 100000 --streams 10000", "--streams times --keys"},
  };
  for (const auto& [arguments, words] : cases) {
    LoadOptions options;
    EXPECT_NE(check(arguments, options).find(words), std::string::npos) << arguments << ": " << check(arguments, options);
  }
}

TEST(LoadOptions, listening_alone_needs_no_place_to_publish) {
  LoadOptions options;
  EXPECT_EQ(check("--subscribe-url http://127.0.0.1:1/x --publish-rate 0", options), "");
}

TEST(LoadOptions, are_taken_from_an_environment_of_their_own) {
  setenv("BROADSIDE_LOAD_KEYS", "5", 1);
  setenv("BROADSIDE_LOAD_CPUS", "0,1", 1);
  setenv("BROADSIDE_KEYS", "7", 1);
  LoadOptions options;
  const std::string wrong = check("--cpus 1", options);
  unsetenv("BROADSIDE_LOAD_KEYS");
  unsetenv("BROADSIDE_LOAD_CPUS");
  unsetenv("BROADSIDE_KEYS");
  ASSERT_EQ(wrong, "");
  EXPECT_EQ(options.keys, 5U);
  EXPECT_EQ(options.cpus, std::vector<int>{1});
}

TEST(LoadOptions, templates_are_filled_wherever_they_stand) {
  const TemplateValues values{.topic = "t", .key = "k", .sequence = "7", .data = "{topic}"};
  EXPECT_EQ(fill_template("/a/{topic}?key={key}&n={sequence}", values), "/a/t?key=k&n=7");
  EXPECT_EQ(fill_template("{\"data\":\"{data}\",\"n\":{}}", values), "{\"data\":\"{topic}\",\"n\":{}}");
  EXPECT_EQ(fill_template("{topi", values), "{topi");
}

}  // namespace
}  // namespace broadside::tools::load
