// Where keys are read from: files, the environment, key sets.
#include "hub/auth/key_source.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/scratch_file.h"
#include "tests/support/token_forge.h"

namespace broadside::hub {
namespace {

using test::ScratchFile;
using test::Signer;

// "HS256 a, RS256": what was read; or why it was not.
std::string read(const KeySources& sources) {
  std::vector<std::string> notes;
  Result<KeySet> keys = read_keys(sources, notes);
  if (!keys) return keys.error().message;
  std::string text;
  for (const Key& key : keys->keys()) {
    text += (text.empty() ? "" : ", ") + std::string(name_of(key.algorithm())) + (key.id().empty() ? "" : " " + key.id());
  }
  return text;
}

// Whether a signature by `secret` is good with the key that `source` names.
bool takes_secret(const std::string& source, const std::string& secret) {
  std::vector<std::string> notes;
  Result<KeySet> keys = read_keys({.keys = {source}, .jwks_path = {}}, notes);
  return keys && keys->keys()[0].verifies("text", Signer::secret("HS256", secret).sign("text"));
}

TEST(KeySource, is_an_algorithm_a_place_and_perhaps_a_name) {
  for (const char* good :
       {"HS256:a", "HS384:/run/keys/a", "HS512:env:KEY", "RS256:a.pem,kid=1", "ES256:a,b.pem", "EdDSA:a:b,kid=x,kid=y"}) {
    EXPECT_EQ(key_source_problem(good), "") << good;
  }
  for (const char* bad :
       {"", "HS256", "HS256:", "a.pem", "none:a", "hs256:a", "RS384:a", "HS256:env:", "HS256:a,kid=", "HS256:,kid=a", ":a"}) {
    EXPECT_NE(key_source_problem(bad), "") << bad;
  }
}

TEST(KeySource, reads_all_that_are_named_in_order) {
  const ScratchFile secret(test::test_secret());
  const ScratchFile rsa(Signer::rs256().public_pem());
  const ScratchFile ec(Signer::es256().certificate_pem());
  const ScratchFile jwks("{\"keys\":[{" + std::string(test::kEd25519PublicMembers) + ",\"kid\":\"d\"}]}");
  setenv("BROADSIDE_TEST_KEY", std::string(48, 'k').c_str(), 1);
  EXPECT_EQ(read({.keys = {"HS256:" + secret.path(), "RS256:" + rsa.path() + ",kid=r", "ES256:" + ec.path(),
                           "HS384:env:BROADSIDE_TEST_KEY,kid=h"},
                  .jwks_path = jwks.path()}),
            "HS256, RS256 r, ES256, HS384 h, EdDSA d");
  unsetenv("BROADSIDE_TEST_KEY");
  EXPECT_EQ(read({}), "");
}

TEST(KeySource, leaves_the_line_feed_behind_a_text_away_and_all_other_bytes_as_they_are) {
  const std::string text(32, 's');
  for (const char* end : {"", "\n", "\r\n"}) {
    const ScratchFile file(text + end);
    EXPECT_TRUE(takes_secret("HS256:" + file.path(), text)) << "an end of " << std::string_view(end).size() << " bytes";
  }
  std::string bytes = test::test_secret();
  bytes.back() = '\n';
  const ScratchFile binary(bytes);
  EXPECT_TRUE(takes_secret("HS256:" + binary.path(), bytes));
  const ScratchFile twice(text + "\n\n");
  EXPECT_TRUE(takes_secret("HS256:" + twice.path(), text + "\n\n"));
}

TEST(KeySource, says_which_one_is_bad_and_why) {
  const ScratchFile pem(Signer::rs256().public_pem());
  const ScratchFile brief("too short");
  const ScratchFile secret(test::test_secret());
  const ScratchFile large(std::string((64 << 10) + 1, 'x'));
  const auto expect = [](const std::string& source, const std::string& reason) {
    const std::string message = read({.keys = {source}, .jwks_path = {}});
    EXPECT_EQ(message.rfind("auth_key " + source + ": ", 0), 0U) << message;
    EXPECT_NE(message.find(reason), std::string::npos) << message;
  };
  expect("HS256:/nowhere/key", "/nowhere/key: cannot be read: No such file or directory");
  expect("HS256:env:BROADSIDE_NO_SUCH_KEY", "there is no environment variable BROADSIDE_NO_SUCH_KEY");
  expect("HS256:" + brief.path(), "the secret has 9 bytes; HS256 needs 32 at least");
  expect("HS256:" + pem.path(), "this is a PEM, which is no secret");
  expect("HS512:" + large.path(), "it is larger than 64 KiB");
  expect("RS256:" + secret.path(), "this is no PEM");
  expect("ES256:" + pem.path(), "ES256 needs an EC key");
  expect("XS256:a", "write ALG:FILE");
  EXPECT_NE(read({.keys = {"HS256:" + secret.path() + ",kid=a", "HS256:" + secret.path() + ",kid=a"}, .jwks_path = {}})
                .find("there are two HS256 keys named `a`"),
            std::string::npos);
  EXPECT_NE(read({.keys = {}, .jwks_path = "/nowhere/jwks"}).find("auth_jwks: /nowhere/jwks: cannot be read"), std::string::npos);
  EXPECT_NE(read({.keys = {}, .jwks_path = pem.path()}).find("this is no JSON Web Key Set"), std::string::npos);
}

TEST(KeySource, tells_which_keys_of_a_set_are_passed_over) {
  const ScratchFile jwks("{\"keys\":[{" + std::string(test::kP256PublicMembers) +
                         "},{\"kty\":\"EC\",\"crv\":\"P-521\",\"kid\":\"x\"}]}");
  std::vector<std::string> notes;
  ASSERT_TRUE(read_keys({.keys = {}, .jwks_path = jwks.path()}, notes).has_value());
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_EQ(notes[0].rfind("key `x` of the key set is passed over: ", 0), 0U) << notes[0];
}

}  // namespace
}  // namespace broadside::hub
