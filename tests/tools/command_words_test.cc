// What is left of a command line for others to see.
#include "tools/command_words.h"

#include <gtest/gtest.h>

namespace broadside::tools {
namespace {

using Strings = std::vector<std::string>;

// What was taken, in the order of the command line, and what is left there.
struct Taken {
  Strings words;
  Strings shown;
};

Taken take(Strings words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  Strings taken = take_command_words(static_cast<int>(pointers.size()), pointers.data());
  return {.words = Strings(taken.rbegin(), taken.rend()), .shown = words};
}

TEST(CommandWords, are_taken_without_the_programs_name) {
  EXPECT_EQ(take({"broadside"}).words, Strings());
  EXPECT_EQ(take({"broadside", "serve", "--demo"}).words, (Strings{"serve", "--demo"}));
}

TEST(CommandWords, show_no_token_afterwards) {
  const Strings apart = {"broadside", "publish", "--token", "secret", "http://a/"};
  EXPECT_EQ(take(apart).words, (Strings{"publish", "--token", "secret", "http://a/"}));
  EXPECT_EQ(take(apart).shown, (Strings{"broadside", "publish", "--token", "******", "http://a/"}));
  const Strings joined = {"broadside", "publish", "--token=secret"};
  EXPECT_EQ(take(joined).words, (Strings{"publish", "--token=secret"}));
  EXPECT_EQ(take(joined).shown, (Strings{"broadside", "publish", "--token=******"}));
}

TEST(CommandWords, stay_as_they_are_if_they_are_no_token) {
  const Strings words = {"broadside", "publish", "--token-file", "path", "--token-file=path", "--token"};
  EXPECT_EQ(take(words).shown, words);
}

}  // namespace
}  // namespace broadside::tools
