// Tokens that must not be let in: expired, forged, unsigned, confused, truncated, bent. Each is made from a good one, so that
// what is wrong with it is all that is wrong with it; none is let in.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "hub/auth/base64url.h"
#include "hub/auth/jwt.h"
#include "tests/support/token_forge.h"

namespace broadside::hub {
namespace {

using test::encode_base64url;
using test::join_token;
using test::Signer;

constexpr std::int64_t kNowMs = 1'700'000'000'000;
const std::string kClaims =
    R"({"sub":"mallory","iss":"https://issuer.example","aud":"broadside","nbf":1699999000,"iat":1699999000,"exp":1700003600,)"
    R"("broadside":{"subscribe":["*"],"publish":["*"],"send":true,"admin":true}})";

struct Forged {
  std::string what;
  std::string token;
};
using Forgeries = std::vector<Forged>;

// A server with a key of each kind, and who signs for it.
class ForgedToken : public ::testing::Test {
 protected:
  ForgedToken() {
    for (const Signer& signer : signers_) {
      const Algorithm algorithm = *algorithm_of(signer.algorithm());
      Result<Key> key =
          is_hmac(algorithm) ? Key::from_secret(algorithm, signer.secret()) : Key::from_pem(algorithm, signer.public_pem());
      key->set_id(name_of_key(signer));
      EXPECT_EQ(keys_.add(std::move(key.value())), "");
    }
  }

  static std::string name_of_key(const Signer& signer) { return "key-" + signer.algorithm(); }
  static std::string good(const Signer& signer) { return signer.token_of(name_of_key(signer), kClaims); }

  [[nodiscard]] TokenFault check(const std::string& token) const {
    Token out;
    return check_token(token, keys_, rules_, kNowMs, out);
  }

  // None is let in; and the good ones are, so that this says something.
  void expect_refused(const Forgeries& forgeries) const {
    for (const Signer& signer : signers_) EXPECT_EQ(check(good(signer)), TokenFault::none) << signer.algorithm();
    for (const Forged& forged : forgeries) {
      EXPECT_NE(check(forged.token), TokenFault::none) << "let in: " << forged.what << "\n" << forged.token;
    }
  }

  const std::vector<Signer> signers_ = {Signer::secret("HS256", test::test_secret()),
                                        Signer::secret("HS512", std::string(64, 'h')), Signer::rs256(), Signer::es256(),
                                        Signer::eddsa()};
  KeySet keys_;
  const TokenRules rules_{.audiences = {"broadside"}, .issuers = {"https://issuer.example"}, .clock_skew_ms = 30'000};
};

std::string part(const std::string& token, int index) {
  std::size_t begin = 0;
  for (int i = 0; i < index; ++i) begin = token.find('.', begin) + 1;
  return token.substr(begin, token.find('.', begin) - begin);
}

std::string with_parts(const std::string& header, const std::string& payload, const std::string& signature) {
  return header + "." + payload + "." + signature;
}

Forgeries truncated(const std::string& token, const std::string& of) {
  Forgeries all;
  for (std::size_t length = 0; length < token.size(); ++length) {
    all.push_back({of + " cut at " + std::to_string(length), token.substr(0, length)});
  }
  for (std::size_t begin = 1; begin < token.size(); begin += 7) {
    all.push_back({of + " without its first " + std::to_string(begin), token.substr(begin)});
  }
  return all;
}

Forgeries bent(const std::string& token, const std::string& of) {
  Forgeries all;
  for (std::size_t at = 0; at < token.size(); ++at) {
    std::string flipped = token;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    all.push_back({of + " with a bit of byte " + std::to_string(at) + " flipped", flipped});
    std::string lacking = token;
    lacking.erase(at, 1);
    all.push_back({of + " without byte " + std::to_string(at), lacking});
  }
  for (const char* more : {".", "=", "==", "A", "AAAA", " ", "\n", ".AAAA", "..", ".e30"}) {
    all.push_back({of + " followed by `" + more + "`", token + more});
    all.push_back({of + " preceded by `" + more + "`", more + token});
  }
  all.push_back({of + " followed by NUL", token + '\0'});
  return all;
}

// The same claims, and a header that names no signature: with what stands where it should be.
Forgeries unsigned_ones(const std::string& real_signature) {
  Forgeries all;
  for (const char* name : {"none", "None", "NONE", "nOnE", "", " none", "none ", "HS0", "null", "NULL"}) {
    for (const std::string& signature : {std::string(), std::string("AAAA"), real_signature}) {
      const std::string header = R"({"alg":")" + std::string(name) + R"("})";
      all.push_back(
          {"alg `" + std::string(name) + "`", with_parts(encode_base64url(header), encode_base64url(kClaims), signature)});
    }
  }
  for (const char* header : {"{}", R"({"typ":"JWT"})", R"({"alg":null})", R"({"alg":0})", R"({"alg":["HS256"]})", R"({"alg":{}})",
                             R"({"alg":true})", R"({"ALG":"HS256"})", "[]", "\"HS256\"", "null", "", "7"}) {
    all.push_back({std::string("header ") + header, join_token(header, kClaims, "")});
    all.push_back({std::string("signed header ") + header,
                   Signer::secret("HS256", test::test_secret()).token(kClaims, *header == '\0' ? " " : header)});
  }
  all.push_back({"two parts", encode_base64url(R"({"alg":"none"})") + "." + encode_base64url(kClaims)});
  all.push_back({"one part", encode_base64url(kClaims)});
  all.push_back({"five parts, as encrypted ones have", join_token(R"({"alg":"dir","enc":"A256GCM"})", "", "") + ".AAAA.AAAA"});
  return all;
}

TEST_F(ForgedToken, is_not_let_in_when_it_is_cut_anywhere) {
  Forgeries all;
  for (const Signer& signer : signers_) {
    for (Forged& one : truncated(good(signer), signer.algorithm())) all.push_back(std::move(one));
  }
  EXPECT_GE(all.size(), 1000U);
  expect_refused(all);
}

TEST_F(ForgedToken, is_not_let_in_when_any_byte_of_it_is_bent) {
  Forgeries all;
  for (const Signer& signer : signers_) {
    for (Forged& one : bent(good(signer), signer.algorithm())) all.push_back(std::move(one));
  }
  EXPECT_GE(all.size(), 1000U);
  expect_refused(all);
}

TEST_F(ForgedToken, is_not_let_in_without_a_signature) {
  const Forgeries all = unsigned_ones(part(good(signers_[0]), 2));
  EXPECT_GE(all.size(), 50U);
  expect_refused(all);
  // RFC 7519 section 6.1.
  EXPECT_EQ(
      check(
          "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."),
      TokenFault::algorithm);
}

TEST_F(ForgedToken, is_not_let_in_with_a_public_key_for_a_secret) {
  Forgeries all;
  for (const Signer& owner : signers_) {
    if (is_hmac(*algorithm_of(owner.algorithm()))) continue;
    const std::string pem = owner.public_pem();
    std::string certificate = owner.algorithm() == "RS256" ? "" : owner.certificate_pem();
    for (const std::string& secret : {pem, pem.substr(0, pem.size() - 1), certificate, std::string(test::kRsaPublicMembers),
                                      std::string(test::kP256PublicMembers), std::string(test::kEd25519PublicMembers)}) {
      for (const char* algorithm : {"HS256", "HS384", "HS512"}) {
        const Signer forger = Signer::secret(algorithm, secret);
        all.push_back({owner.algorithm() + "'s public key as secret", forger.token(kClaims)});
        for (const Signer& other : signers_) {
          all.push_back(
              {owner.algorithm() + "'s public key as secret, kid of another", forger.token_of(name_of_key(other), kClaims)});
        }
      }
    }
  }
  EXPECT_GE(all.size(), 100U);
  expect_refused(all);
}

TEST_F(ForgedToken, is_not_let_in_signed_by_somebody_else) {
  const std::vector<Signer> strangers = {Signer::secret("HS256", std::string(64, 'x')),
                                         Signer::secret("HS512", std::string(64, 'x')),
                                         Signer::secret("HS256", ""),
                                         Signer::secret("HS256", std::string(32, '\0')),
                                         Signer::generated_rsa("RS256", 2048),
                                         Signer::generated_ec("ES256", "prime256v1"),
                                         Signer::secret("HS384", test::test_secret()),
                                         Signer::secret("HS512", test::test_secret())};
  Forgeries all;
  for (const Signer& stranger : strangers) {
    all.push_back({"a stranger's " + stranger.algorithm(), stranger.token(kClaims)});
    for (const Signer& signer : signers_) {
      all.push_back(
          {"a stranger's " + stranger.algorithm() + " with a kid of ours", stranger.token_of(name_of_key(signer), kClaims)});
    }
  }
  // What looks like a signature and is none.
  for (const Signer& signer : signers_) {
    const std::string token = good(signer);
    const std::string own = *decode_base64url(part(token, 2));
    const std::vector<std::string> signatures = {"",
                                                 std::string(own.size(), '\0'),
                                                 std::string(own.size(), '\xFF'),
                                                 own + own,
                                                 own + '\0',
                                                 own.substr(1),
                                                 std::string(1, '\0') + own,
                                                 std::string(64, '\0'),
                                                 std::string(32, '\0'),
                                                 std::string(4096, 'A'),
                                                 std::string(own.rbegin(), own.rend())};
    for (const std::string& signature : signatures) {
      all.push_back({signer.algorithm() + " with a signature of " + std::to_string(signature.size()) + " bytes",
                     with_parts(part(token, 0), part(token, 1), encode_base64url(signature))});
    }
    for (const Signer& other : signers_) {
      if (other.algorithm() == signer.algorithm()) continue;
      all.push_back(
          {other.algorithm() + "'s signature under " + signer.algorithm() + "'s header",
           with_parts(part(token, 0), part(token, 1), encode_base64url(other.sign(part(token, 0) + "." + part(token, 1))))});
      all.push_back({other.algorithm() + " that calls itself " + signer.algorithm(),
                     other.token(kClaims, R"({"alg":")" + signer.algorithm() + "\"}")});
      all.push_back({"kid of " + other.algorithm(), signer.token_of(name_of_key(other), kClaims)});
    }
    // The signature of another token of the same signer.
    const std::string poor = signer.token_of(name_of_key(signer), R"({"aud":"broadside","iss":"https://issuer.example"})");
    all.push_back({"claims put into another token", with_parts(part(poor, 0), part(token, 1), part(poor, 2))});
    for (const char* kid : {"", "nobody", "KEY-HS256", "key-HS256 ", "*", "../../dev/null", "' OR 1=1 --", "key-HS256\\u0000"}) {
      if (*kid != '\0') all.push_back({std::string("kid ") + kid, signer.token_of(kid, kClaims)});
    }
  }
  EXPECT_GE(all.size(), 150U);
  expect_refused(all);
}

TEST_F(ForgedToken, is_not_let_in_by_a_key_that_it_brings_along) {
  const Signer stranger = Signer::generated_ec("ES256", "prime256v1");
  const std::string certificate = stranger.certificate_pem();
  Forgeries all;
  for (const char* more : {R"("jwk":{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FE"})",
                           R"("jku":"https://evil.example/jwks.json")", R"("x5u":"https://evil.example/cert.pem")",
                           R"("x5c":["MIIB"])", R"("kid":"https://evil.example/key")"}) {
    all.push_back({more, stranger.token(kClaims, R"({"alg":"ES256",)" + std::string(more) + "}")});
  }
  // With its own public key, whole.
  all.push_back({"a certificate of its own",
                 stranger.token(kClaims, R"({"alg":"ES256","x5c":[")" + encode_base64url(certificate) + "\"]}")});
  expect_refused(all);
}

TEST_F(ForgedToken, is_not_let_in_with_a_header_that_says_more_than_is_understood) {
  Forgeries all;
  for (const Signer& signer : signers_) {
    const std::string alg = R"("alg":")" + signer.algorithm() + "\"";
    const std::vector<std::string> headers = {"{" + alg + R"(,"crit":["exp"],"exp":1})",
                                              "{" + alg + R"(,"crit":["b64"],"b64":false})",
                                              "{" + alg + R"(,"crit":[]})",
                                              "{" + alg + R"(,"crit":null})",
                                              "{" + alg + "," + alg + "}",
                                              R"({"alg":"none",)" + alg + "}",
                                              "{" + alg + R"(,"alg":"none"})",
                                              "{" + alg + R"(,"kid":7})",
                                              "{" + alg + R"(,"kid":null})",
                                              "{" + alg + R"(,"kid":["key-HS256"]})",
                                              "{" + alg + R"(,"kid":"key-)" + signer.algorithm() + R"(","kid":"x"})",
                                              "{" + alg + "}{}",
                                              "[{" + alg + "}]",
                                              "{" + alg,
                                              "{" + alg + ",}",
                                              "{'alg':'HS256'}",
                                              "{" + alg + ",\"x\":\"\xFF\"}",
                                              "{" + alg + ",\"x\":" + std::string(40, '[') + std::string(40, ']') + "}",
                                              "{" + alg + ",\"x\":" + std::string(3000, '[') + std::string(3000, ']') + "}"};
    for (const std::string& header : headers) {
      all.push_back({signer.algorithm() + " header " + header.substr(0, 80), signer.token(kClaims, header)});
    }
  }
  EXPECT_GE(all.size(), 90U);
  expect_refused(all);
}

TEST_F(ForgedToken, is_not_let_in_with_claims_that_are_not_for_here_and_now) {
  const std::string ours = R"("aud":"broadside","iss":"https://issuer.example")";
  struct Bad {
    std::string claims;
    TokenFault fault;
  };
  const Bad bad[] = {
      {"{" + ours + R"(,"exp":1699999970})", TokenFault::expired},
      {"{" + ours + R"(,"exp":0})", TokenFault::expired},
      {"{" + ours + R"(,"exp":-1})", TokenFault::expired},
      {"{" + ours + R"(,"exp":1e-300})", TokenFault::expired},
      {"{" + ours + R"(,"exp":1300819380,"nbf":0})", TokenFault::expired},
      {"{" + ours + R"(,"nbf":1700000031})", TokenFault::early},
      {"{" + ours + R"(,"iat":1700000031})", TokenFault::early},
      {"{" + ours + R"(,"nbf":1e300})", TokenFault::early},
      {R"({"aud":"others","iss":"https://issuer.example"})", TokenFault::audience},
      {R"({"aud":["others","broadside.evil"],"iss":"https://issuer.example"})", TokenFault::audience},
      {R"({"aud":[],"iss":"https://issuer.example"})", TokenFault::audience},
      {R"({"iss":"https://issuer.example"})", TokenFault::audience},
      {R"({"aud":"broadside"})", TokenFault::issuer},
      {R"({"aud":"broadside","iss":"https://issuer.example.evil"})", TokenFault::issuer},
      {R"({"aud":"broadside","iss":""})", TokenFault::issuer},
      {"{" + ours + R"(,"exp":"1700003600"})", TokenFault::claims},
      {"{" + ours + R"(,"exp":null})", TokenFault::claims},
      {"{" + ours + R"(,"exp":1,"exp":1700003600})", TokenFault::claims},
      {"{" + ours + R"(,"exp":[1700003600]})", TokenFault::claims},
      {"{" + ours + R"(,"sub":{"a":1}})", TokenFault::claims},
      {"{" + ours + R"(,"broadside":"*"})", TokenFault::claims},
      {"{" + ours + R"(,"broadside":{"admin":"yes"}})", TokenFault::claims},
      {"{" + ours + R"(,"broadside":{"publish":"*"}})", TokenFault::claims},
      {"{" + ours + ",\"x\":" + std::string(20, '[') + std::string(20, ']') + "}", TokenFault::claims},
      {"{" + ours + ",\"x\":" + std::string(2000, '[') + std::string(2000, ']') + "}", TokenFault::claims},
      {"{" + ours, TokenFault::claims},
      {"", TokenFault::claims},
      {"null", TokenFault::claims},
      {"\"" + good(signers_[0]) + "\"", TokenFault::claims},
      {good(signers_[0]), TokenFault::claims},  // A token in a token.
      {"{" + ours + ",\"x\":\"" + std::string(8192, 'x') + "\"}", TokenFault::too_long},
  };
  Forgeries all;
  for (const Signer& signer : signers_) {
    for (const Bad& one : bad) {
      const std::string token = signer.token_of(name_of_key(signer), one.claims);
      EXPECT_EQ(check(token), one.fault) << one.claims.substr(0, 100);
      all.push_back({one.claims.substr(0, 100), token});
    }
  }
  EXPECT_GE(all.size(), 150U);
  expect_refused(all);
}

TEST_F(ForgedToken, is_not_let_in_when_it_is_no_token) {
  const Forgeries all = {{"nothing", ""},
                         {"points", ".."},
                         {"a point", "."},
                         {"many points", std::string(8000, '.')},
                         {"a word", "token"},
                         {"basic credentials", "YWxhZGRpbjpvcGVuc2VzYW1l"},
                         {"JSON", kClaims},
                         {"JSON serialization", R"({"payload":"e30","signature":"AAAA","protected":"eyJhbGciOiJIUzI1NiJ9"})"},
                         {"a long word", std::string(8192, 'A')},
                         {"a very long word", std::string(1 << 20, 'A')},
                         {"three empty objects", "e30.e30.e30"},
                         {"NUL bytes", std::string(100, '\0')},
                         {"bytes above ASCII", "\xC3\xA9.\xC3\xA9.\xC3\xA9"}};
  expect_refused(all);
}

}  // namespace
}  // namespace broadside::hub
