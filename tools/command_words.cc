// See command_words.h.
#include "tools/command_words.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace broadside::tools {
namespace {

constexpr std::string_view kSecretFlag = "--token";

// The secret in `word`, which follows `previous`; null if there is none.
char* secret_in(char* word, std::string_view previous) {
  if (previous == kSecretFlag) return word;
  const std::string_view text = word;
  const bool has_value = text.starts_with(kSecretFlag) && text.substr(kSecretFlag.size()).starts_with('=');
  return has_value ? word + kSecretFlag.size() + 1 : nullptr;
}

}  // namespace

std::vector<std::string> take_command_words(int count, char** words) {
  std::vector<std::string> taken;
  for (int index = 1; index < count; ++index) {
    taken.emplace_back(words[index]);
    char* secret = secret_in(words[index], words[index - 1]);
    if (secret != nullptr) std::memset(secret, '*', std::strlen(secret));
  }
  std::reverse(taken.begin(), taken.end());
  return taken;
}

}  // namespace broadside::tools
