// See key_source.h.
#include "hub/auth/key_source.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "hub/auth/jwks.h"
#include "hub/auth/secret_variable.h"
#include "hub/read_file.h"

namespace broadside::hub {
namespace {

constexpr std::size_t kKeyFileBytesMax = 64 << 10;  // A chain of certificates has some kilobytes.
constexpr std::size_t kJwksBytesMax = 1 << 20;
constexpr std::string_view kEnvironment = "env:";
constexpr std::string_view kId = ",kid=";

// One --auth-key, taken apart. Views into it.
struct Source {
  Algorithm algorithm = Algorithm::hs256;
  std::string_view place;
  std::string_view id;
};

std::optional<Source> parse_source(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::optional<Algorithm> algorithm = algorithm_of(text.substr(0, colon));
  if (colon == std::string_view::npos || !algorithm) return std::nullopt;
  Source source{.algorithm = *algorithm, .place = text.substr(colon + 1), .id = {}};
  if (const std::size_t id = source.place.rfind(kId); id != std::string_view::npos) {
    source.id = source.place.substr(id + kId.size());
    source.place = source.place.substr(0, id);
    if (source.id.empty()) return std::nullopt;
  }
  if (source.place.empty() || source.place == kEnvironment) return std::nullopt;
  return source;
}

Result<std::string> read_place(std::string_view place) {
  if (!place.starts_with(kEnvironment)) return read_file(std::string(place), kKeyFileBytesMax);
  const std::string name(place.substr(kEnvironment.size()));
  std::optional<std::string> value = take_secret_variable(name);
  if (!value) return Error{Error::Code::unavailable, "there is no environment variable " + name};
  return std::move(*value);
}

bool is_pem(std::string_view text) { return text.find("-----BEGIN ") != std::string_view::npos; }

// The line feed that editors and `echo` put behind a text is not part of it. Secrets that are no text are left as they are.
std::string_view without_line_feed(std::string_view secret) {
  std::string_view text = secret;
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  const bool is_text = std::all_of(text.begin(), text.end(), [](char byte) { return byte >= 0x20 && byte < 0x7F; });
  return is_text ? text : secret;
}

Result<Key> key_of(Algorithm algorithm, const std::string& bytes) {
  if (!is_hmac(algorithm)) return Key::from_pem(algorithm, bytes);
  // Whoever knows a public key could sign with it.
  if (is_pem(bytes)) {
    return Error{Error::Code::invalid_argument,
                 "this is a PEM, which is no secret; name the algorithm that its key is for: "
                 "RS256, ES256 or EdDSA"};
  }
  return Key::from_secret(algorithm, without_line_feed(bytes));
}

Result<Key> read_key(std::string_view text) {
  const std::optional<Source> source = parse_source(text);
  if (!source) return Error{Error::Code::invalid_argument, key_source_problem(text)};
  Result<std::string> bytes = read_place(source->place);
  if (!bytes) return bytes.error();
  Result<Key> key = key_of(source->algorithm, bytes.value());
  OPENSSL_cleanse(bytes->data(), bytes->size());
  if (key) key->set_id(std::string(source->id));
  return key;
}

}  // namespace

std::string key_source_problem(std::string_view source) {
  if (parse_source(source)) return {};
  return "write ALG:FILE or ALG:env:NAME, perhaps with ,kid=NAME behind; ALG is HS256, HS384, HS512, RS256, ES256 or EdDSA";
}

Result<KeySet> read_keys(const KeySources& sources, std::vector<std::string>& notes) {
  KeySet keys;
  const auto refused = [](const std::string& where, const std::string& why) {
    return Error{Error::Code::invalid_argument, where + ": " + why};
  };
  for (const std::string& source : sources.keys) {
    std::string where = "auth_key ";
    where += source;
    Result<Key> key = read_key(source);
    if (!key) return refused(where, key.error().message);
    if (const std::string wrong = keys.add(std::move(key.value())); !wrong.empty()) return refused(where, wrong);
  }
  if (!sources.jwks_path.empty()) {
    Result<std::string> json = read_file(sources.jwks_path, kJwksBytesMax);
    if (!json) return refused("auth_jwks", json.error().message);
    const Result<Done> added = add_jwks(json.value(), keys, notes);
    OPENSSL_cleanse(json->data(), json->size());  // It may hold secrets (`oct`).
    if (!added) return refused("auth_jwks " + sources.jwks_path, added.error().message);
  }
  return keys;
}

}  // namespace broadside::hub
