// Claims: how they are read, and when a token is for this server and for now, to the millisecond.
#include "hub/auth/claims.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace broadside::hub {
namespace {

using Strings = std::vector<std::string>;

Claims claims_of(std::string_view json) {
  Claims claims;
  EXPECT_TRUE(parse_claims(json, claims)) << json;
  return claims;
}

TEST(Claims, are_read) {
  const Claims claims = claims_of(
      R"({"sub":"alice","iss":"https://i","aud":["a","b"],"exp":1700000000,"nbf":1600000000.5,"iat":1e9,"jti":"x",)"
      R"("broadside":{"subscribe":["prices.*","news"],"publish":["*"],"send":true,"admin":true,"later":1},"more":[{}]})");
  EXPECT_EQ(claims.subject, "alice");
  EXPECT_EQ(claims.issuer, "https://i");
  EXPECT_EQ(claims.audiences, (Strings{"a", "b"}));
  EXPECT_EQ(claims.expires_ms, 1'700'000'000'000);
  EXPECT_EQ(claims.not_before_ms, 1'600'000'000'500);
  EXPECT_EQ(claims.issued_ms, 1'000'000'000'000);
  EXPECT_EQ(claims.rights.subscribe, (Strings{"prices.*", "news"}));
  EXPECT_EQ(claims.rights.publish, Strings{"*"});
  EXPECT_TRUE(claims.rights.can_send);
  EXPECT_TRUE(claims.rights.is_admin);
}

TEST(Claims, that_are_not_there_allow_nothing) {
  const Claims claims = claims_of("{}");
  EXPECT_EQ(claims.subject, "");
  EXPECT_FALSE(claims.expires_ms.has_value());
  EXPECT_FALSE(claims.audiences.has_value());
  EXPECT_TRUE(claims.rights.subscribe.empty());
  EXPECT_TRUE(claims.rights.publish.empty());
  EXPECT_FALSE(claims.rights.can_send);
  EXPECT_FALSE(claims.rights.is_admin);
  EXPECT_EQ(claims_of(R"({"aud":"a"})").audiences, Strings{"a"});
}

TEST(Claims, dates_beyond_all_bounds_are_never) {
  EXPECT_EQ(claims_of(R"({"exp":1e300})").expires_ms, 9'000'000'000'000'000);
  EXPECT_EQ(claims_of(R"({"exp":-1e300})").expires_ms, -9'000'000'000'000'000);
  EXPECT_EQ(claims_of(R"({"exp":18446744073709551615})").expires_ms, 9'000'000'000'000'000);
  EXPECT_EQ(claims_of(R"({"exp":0})").expires_ms, 0);
}

TEST(Claims, of_a_wrong_kind_or_said_twice_are_none) {
  for (const char* bad : {"",
                          "null",
                          "[]",
                          "\"a\"",
                          "7",
                          "{",
                          "{}x",
                          "{\"sub\":\"\xFF\"}",
                          R"({"sub":7})",
                          R"({"sub":null})",
                          R"({"sub":["a"]})",
                          R"({"iss":{}})",
                          R"({"aud":7})",
                          R"({"aud":["a",7]})",
                          R"({"aud":null})",
                          R"({"aud":[["a"]]})",
                          R"({"exp":"1700000000"})",
                          R"({"exp":null})",
                          R"({"exp":true})",
                          R"({"exp":[1]})",
                          R"({"nbf":"soon"})",
                          R"({"iat":{}})",
                          R"({"broadside":null})",
                          R"({"broadside":[]})",
                          R"({"broadside":"*"})",
                          R"({"broadside":{"subscribe":"*"}})",
                          R"({"broadside":{"subscribe":[7]}})",
                          R"({"broadside":{"publish":{"a":1}}})",
                          R"({"broadside":{"admin":"true"}})",
                          R"({"broadside":{"admin":1}})",
                          R"({"broadside":{"send":null}})",
                          R"({"sub":"a","sub":"b"})",
                          R"({"exp":1,"exp":99999999999})",
                          R"({"broadside":{},"broadside":{"admin":true}})",
                          R"({"broadside":{"admin":false,"admin":true}})",
                          R"({"broadside":{"publish":[],"publish":["*"]}})"}) {
    Claims claims;
    EXPECT_FALSE(parse_claims(bad, claims)) << bad;
  }
  Claims claims;
  EXPECT_FALSE(parse_claims(std::string_view(), claims)) << "a view of nothing";
}

TEST(Claims, have_a_bound_for_depth_and_for_the_subject) {
  const auto nested = [](int depth) { return "{\"x\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}"; };
  Claims claims;
  EXPECT_TRUE(parse_claims(nested(15), claims));
  EXPECT_FALSE(parse_claims(nested(17), claims));
  EXPECT_FALSE(parse_claims(nested(3000), claims));
  EXPECT_TRUE(parse_claims("{\"sub\":\"" + std::string(255, 'a') + "\"}", claims));
  EXPECT_FALSE(parse_claims("{\"sub\":\"" + std::string(256, 'a') + "\"}", claims));
}

constexpr std::int64_t kNowMs = 1'700'000'000'000;

struct Row {
  std::int64_t now_ms;
  const char* json;
  TokenFault fault;
};

TEST(Claims, hold_from_nbf_to_exp_with_the_allowance_for_clocks) {
  const TokenRules rules{.audiences = {}, .issuers = {}, .clock_skew_ms = 30'000};
  const Row rows[] = {
      {kNowMs, R"({})", TokenFault::none},
      {kNowMs, R"({"exp":1700000001,"nbf":1700000000,"iat":1700000000})", TokenFault::none},
      {kNowMs + 29'999, R"({"exp":1700000000})", TokenFault::none},
      {kNowMs + 30'000, R"({"exp":1700000000})", TokenFault::expired},
      {kNowMs + 30'499, R"({"exp":1700000000.5})", TokenFault::none},
      {kNowMs + 30'500, R"({"exp":1700000000.5})", TokenFault::expired},
      {kNowMs - 30'000, R"({"nbf":1700000000})", TokenFault::none},
      {kNowMs - 30'001, R"({"nbf":1700000000})", TokenFault::early},
      {kNowMs - 30'000, R"({"iat":1700000000})", TokenFault::none},
      {kNowMs - 30'001, R"({"iat":1700000000})", TokenFault::early},
      {kNowMs, R"({"exp":0})", TokenFault::expired},
      {kNowMs, R"({"exp":-1})", TokenFault::expired},
      {kNowMs, R"({"exp":1e300})", TokenFault::none},
      {kNowMs, R"({"nbf":1e300})", TokenFault::early},
      {kNowMs, R"({"nbf":-1e300})", TokenFault::none},
      {kNowMs, R"({"exp":1600000000,"nbf":1800000000})", TokenFault::early},
  };
  for (const Row& row : rows) EXPECT_EQ(check_claims(claims_of(row.json), rules, row.now_ms), row.fault) << row.json;
}

TEST(Claims, without_an_allowance_hold_to_the_millisecond) {
  const TokenRules rules{.audiences = {}, .issuers = {}, .clock_skew_ms = 0};
  EXPECT_EQ(check_claims(claims_of(R"({"exp":1700000000})"), rules, kNowMs - 1), TokenFault::none);
  EXPECT_EQ(check_claims(claims_of(R"({"exp":1700000000})"), rules, kNowMs), TokenFault::expired);
  EXPECT_EQ(check_claims(claims_of(R"({"nbf":1700000000})"), rules, kNowMs - 1), TokenFault::early);
  EXPECT_EQ(check_claims(claims_of(R"({"nbf":1700000000})"), rules, kNowMs), TokenFault::none);
}

TEST(Claims, are_for_one_of_our_audiences) {
  const TokenRules ours{.audiences = {"https://live.example", "broadside"}, .issuers = {}};
  const TokenRules nobody;
  struct Aimed {
    const char* json;
    TokenFault of_ours;
    TokenFault of_nobody;
  };
  const Aimed rows[] = {
      {R"({"aud":"broadside"})", TokenFault::none, TokenFault::audience},
      {R"({"aud":["x","https://live.example"]})", TokenFault::none, TokenFault::audience},
      {R"({"aud":"Broadside"})", TokenFault::audience, TokenFault::audience},
      {R"({"aud":"https://live.example/"})", TokenFault::audience, TokenFault::audience},
      {R"({"aud":""})", TokenFault::audience, TokenFault::audience},
      {R"({"aud":[]})", TokenFault::audience, TokenFault::audience},
      {R"({"aud":["*"]})", TokenFault::audience, TokenFault::audience},
      {R"({})", TokenFault::audience, TokenFault::none},
  };
  for (const Aimed& row : rows) {
    EXPECT_EQ(check_claims(claims_of(row.json), ours, kNowMs), row.of_ours) << row.json;
    EXPECT_EQ(check_claims(claims_of(row.json), nobody, kNowMs), row.of_nobody) << row.json;
  }
}

TEST(Claims, are_from_one_of_our_issuers) {
  const TokenRules rules{.audiences = {}, .issuers = {"https://a", "https://b"}};
  EXPECT_EQ(check_claims(claims_of(R"({"iss":"https://b"})"), rules, kNowMs), TokenFault::none);
  for (const char* json : {R"({"iss":"https://c"})", R"({"iss":"https://a/"})", R"({"iss":""})", "{}"}) {
    EXPECT_EQ(check_claims(claims_of(json), rules, kNowMs), TokenFault::issuer) << json;
  }
  EXPECT_EQ(check_claims(claims_of(R"({"iss":"anybody"})"), TokenRules(), kNowMs), TokenFault::none);
}

TEST(Claims, of_what_has_expired_are_right_in_everything_else) {
  const TokenRules rules{.audiences = {"us"}, .issuers = {}};
  EXPECT_EQ(check_claims(claims_of(R"({"aud":"us","exp":1})"), rules, kNowMs), TokenFault::expired);
  EXPECT_EQ(check_claims(claims_of(R"({"aud":"others","exp":1})"), rules, kNowMs), TokenFault::audience);
}

TEST(TokenFault, is_described_in_words_of_its_own) {
  Strings seen;
  for (int fault = 0; fault <= static_cast<int>(TokenFault::issuer); ++fault) {
    const std::string text(describe(static_cast<TokenFault>(fault)));
    EXPECT_NE(text, "");
    EXPECT_EQ(std::count(seen.begin(), seen.end(), text), 0) << text;
    EXPECT_EQ(text.find_first_of("\"\\"), std::string::npos) << "it goes into a quoted string";
    seen.push_back(text);
  }
}

}  // namespace
}  // namespace broadside::hub
