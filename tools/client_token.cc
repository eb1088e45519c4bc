// See client_token.h.
#include "tools/client_token.h"

#include <algorithm>
#include <cstddef>

#include "hub/auth/secret_variable.h"
#include "hub/read_file.h"

namespace broadside::tools {
namespace {

constexpr std::size_t kTokenFileBytesMax = 64 << 10;

std::string trimmed(const std::string& text) {
  constexpr const char* kWhiteSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhiteSpace) - begin + 1);
}

Result<std::string> read_token(const TokenSource& source) {
  if (!source.text.empty()) return source.text;
  if (!source.path.empty()) return hub::read_file(source.path, kTokenFileBytesMax);
  return hub::take_secret_variable(kTokenVariable).value_or("");
}

}  // namespace

Result<std::string> authorization_field(const TokenSource& source) {
  const Result<std::string> text = read_token(source);
  if (!text) return text.error();
  const std::string token = trimmed(text.value());
  if (token.empty() && source.path.empty()) return std::string();
  const bool is_one_word = std::all_of(token.begin(), token.end(), [](char byte) { return byte > 0x20 && byte < 0x7F; });
  // Not shown: it may be another secret.
  if (token.empty() || !is_one_word) return Error{Error::Code::invalid_argument, "the token is not one word of visible ASCII"};
  return "Authorization: Bearer " + token;
}

}  // namespace broadside::tools
