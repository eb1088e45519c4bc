// Who may do what: tokens, carriers, listeners and pages against each thing that can be asked for.
#include "hub/auth/authority.h"

#include <gtest/gtest.h>

#include "tests/support/token_forge.h"

namespace broadside::hub {
namespace {

using test::Signer;

constexpr std::int64_t kNowMs = 1'700'000'000'000;
constexpr std::uint32_t kLoopback = 0;
constexpr std::uint32_t kPublic = 1;
constexpr std::uint32_t kAdminLoopback = 2;
constexpr std::uint32_t kAdminPublic = 3;

const Signer kSigner = Signer::secret("HS256", test::test_secret());

// {"broadside": ...} behind what else the token says.
std::string bearer(std::string_view rights, std::string_view more = R"("sub":"alice")") {
  return "Bearer " + kSigner.token("{" + std::string(more) + ",\"broadside\":" + std::string(rights) + "}");
}

struct Asked {
  std::uint32_t listener = kPublic;
  std::string authorization;
  std::string cookie;
  std::string origin;
  std::string query;
  std::string forwarded;
  std::string host = "live.example";
};

class AuthorityTest : public ::testing::Test {
 protected:
  explicit AuthorityTest(bool has_keys = true) {
    if (!has_keys) return;
    KeySet keys;
    EXPECT_EQ(keys.add(Key::from_secret(Algorithm::hs256, test::test_secret()).value()), "");
    authority_.set_keys(std::move(keys));
  }

  // Calls `ask(caller, request)`.
  template <typename Ask>
  auto with(const Asked& asked, Ask ask) const {
    std::vector<RequestHeader> headers;
    if (!asked.authorization.empty()) headers.push_back({"Authorization", asked.authorization});
    if (!asked.cookie.empty()) headers.push_back({"Cookie", asked.cookie});
    if (!asked.origin.empty()) headers.push_back({"Origin", asked.origin});
    if (!asked.forwarded.empty()) headers.push_back({"X-Forwarded-For", asked.forwarded});
    const Request request{
        .method = "POST", .query = asked.query, .host = asked.host, .headers = headers, .listener = asked.listener};
    return ask(authority_.caller_of(request, kNowMs), request);
  }
  Verdict subscribe(const Asked& asked, const std::vector<std::string>& topics) const {
    return with(asked, [&](const Caller& caller, const Request&) { return authority_.subscribe(caller, topics); });
  }
  Verdict publish(const Asked& asked, std::string_view topic) const {
    return with(asked, [&](const Caller& caller, const Request& request) {
      return authority_.publish_right(caller, request).verdict(topic);
    });
  }
  Verdict send(const Asked& asked) const {
    return with(asked, [&](const Caller& caller, const Request& request) { return authority_.send(caller, request); });
  }
  Verdict administer(const Asked& asked) const {
    return with(asked, [&](const Caller& caller, const Request& request) { return authority_.administer(caller, request); });
  }

  Authority authority_{{.listen = {"127.0.0.1:8080", "0.0.0.0:80"},
                        .admin_listen = {"127.0.0.1:8081", "10.0.0.1:8081"},
                        .anonymous_subscribe = {"public.*"},
                        .anonymous_publish = {"wall"},
                        .carriers = {.cookie = "auth", .takes_query = true},
                        .rules = {.audiences = {}, .issuers = {}, .clock_skew_ms = 30'000}},
                       Cors({"https://app.example"})};
};

class KeylessAuthorityTest : public AuthorityTest {
 protected:
  KeylessAuthorityTest() : AuthorityTest(false) {}
};

constexpr const char* kNoToken = "WWW-Authenticate: Bearer realm=\"broadside\"\r\n";

TEST_F(AuthorityTest, a_token_may_what_its_patterns_say) {
  const Asked asked{.authorization = bearer(R"({"subscribe":["prices.*","news"],"publish":["orders.?","chat*"]})")};
  EXPECT_TRUE(subscribe(asked, {"news"}).is_allowed());
  EXPECT_TRUE(subscribe(asked, {"prices.eu", "news", "prices."}).is_allowed());
  EXPECT_EQ(subscribe(asked, {"news", "secret"}).status, 403);
  EXPECT_EQ(subscribe(asked, {"newsx"}).status, 403);
  EXPECT_EQ(subscribe(asked, {"chat"}).status, 403) << "to publish is not to subscribe";
  EXPECT_TRUE(publish(asked, "chat.a").is_allowed());
  EXPECT_TRUE(publish(asked, "orders.?").is_allowed()) << "nothing but the star is special";
  EXPECT_EQ(publish(asked, "orders.x").status, 403);
  EXPECT_EQ(publish(asked, "news").status, 403) << "to subscribe is not to publish";
  EXPECT_EQ(send(asked).status, 403);
  EXPECT_EQ(administer(asked).status, 403);
}

TEST_F(AuthorityTest, no_right_includes_another) {
  const Asked all_topics{.authorization = bearer(R"({"subscribe":["*"],"publish":["*"]})")};
  EXPECT_EQ(send(all_topics).status, 403);
  EXPECT_EQ(administer(all_topics).status, 403);
  const Asked sender{.authorization = bearer(R"({"send":true})")};
  EXPECT_TRUE(send(sender).is_allowed());
  EXPECT_EQ(publish(sender, "a").status, 403);
  EXPECT_EQ(subscribe(sender, {"a"}).status, 403);
  const Asked admin{.authorization = bearer(R"({"admin":true})")};
  EXPECT_TRUE(administer(admin).is_allowed());
  EXPECT_EQ(send(admin).status, 403);
  EXPECT_EQ(publish(admin, "a").status, 403);
  EXPECT_EQ(subscribe(admin, {"a"}).status, 403);
}

TEST_F(AuthorityTest, everybody_may_what_anybody_may_and_no_more) {
  EXPECT_TRUE(subscribe({}, {"public.a", "public.b"}).is_allowed());
  EXPECT_EQ(subscribe({}, {"public.a", "private"}).status, 401);
  EXPECT_TRUE(publish({}, "wall").is_allowed());
  EXPECT_EQ(publish({}, "public.a").status, 401);
  const Asked poor{.authorization = bearer("{}")};
  EXPECT_TRUE(subscribe(poor, {"public.a"}).is_allowed());
  EXPECT_TRUE(publish(poor, "wall").is_allowed());
}

TEST_F(AuthorityTest, loopback_needs_a_token_too_but_for_what_the_server_says_of_itself) {
  const Asked local{.listener = kLoopback, .host = "localhost:8080"};
  EXPECT_EQ(publish(local, "a").status, 401);
  EXPECT_EQ(subscribe(local, {"a"}).status, 401);
  EXPECT_EQ(send(local).status, 401);
  EXPECT_TRUE(administer(local).is_allowed());
}

TEST_F(AuthorityTest, refusals_say_what_rfc_6750_wants) {
  const Verdict none = publish({}, "a");
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.headers, kNoToken);
  const Verdict lacking = publish({.authorization = bearer("{}")}, "a");
  EXPECT_EQ(lacking.status, 403);
  EXPECT_NE(lacking.headers.find("error=\"insufficient_scope\""), std::string::npos) << lacking.headers;
  const Verdict bad = publish({.authorization = "Bearer nonsense"}, "a");
  EXPECT_EQ(bad.status, 401);
  EXPECT_NE(bad.headers.find("error=\"invalid_token\""), std::string::npos) << bad.headers;
  const Verdict two = publish({.authorization = bearer("{}"), .query = "access_token=a"}, "a");
  EXPECT_EQ(two.status, 400);
  EXPECT_NE(two.headers.find("error=\"invalid_request\""), std::string::npos) << two.headers;
  for (const Verdict& verdict : {none, lacking, bad, two}) {
    EXPECT_EQ(verdict.headers.rfind("WWW-Authenticate: Bearer realm=\"broadside\"", 0), 0U);
    EXPECT_EQ(verdict.headers.find("\r\n"), verdict.headers.size() - 2) << "one line";
  }
}

TEST_F(AuthorityTest, a_bad_token_is_never_taken_for_none) {
  const std::string good = bearer(R"({"subscribe":["*"]})");
  const Asked bad[] = {{.authorization = good.substr(0, good.size() - 1)},
                       {.authorization = "Bearer "},
                       {.authorization = bearer("{}", R"("exp":1)")},
                       {.cookie = "auth=nonsense"},
                       {.query = "access_token="},
                       {.authorization = good, .cookie = "auth=" + good.substr(7)},
                       {.listener = kLoopback, .authorization = "Bearer nonsense", .host = "localhost"}};
  for (const Asked& asked : bad) {
    const std::string what = asked.authorization + asked.cookie + asked.query;
    EXPECT_FALSE(subscribe(asked, {"public.a"}).is_allowed()) << what;
    EXPECT_FALSE(publish(asked, "wall").is_allowed()) << what;
    EXPECT_FALSE(send(asked).is_allowed()) << what;
    EXPECT_FALSE(administer(asked).is_allowed()) << what;
    EXPECT_TRUE(with(asked, [&](const Caller& caller, const Request& request) {
      return authority_.publish_right(caller, request).is_none();
    })) << what;
  }
}

TEST_F(AuthorityTest, only_an_expired_token_is_told_what_is_wrong_with_it) {
  const Verdict expired = publish({.authorization = bearer("{}", R"("exp":1)")}, "a");
  EXPECT_EQ(expired.detail, "the token has expired");
  const Verdict forged = publish({.authorization = "Bearer " + Signer::secret("HS256", std::string(32, 'x')).token("{}")}, "a");
  EXPECT_EQ(forged.detail, "the token is not valid here");
  EXPECT_EQ(forged.logged_reason(), "the token's signature is wrong");
  EXPECT_EQ(forged.headers.find("signature"), std::string::npos);
}

TEST_F(AuthorityTest, all_carriers_carry_the_same) {
  const std::string token = bearer(R"({"subscribe":["a"]})").substr(7);
  EXPECT_TRUE(subscribe({.authorization = "bearer " + token}, {"a"}).is_allowed());
  EXPECT_TRUE(subscribe({.cookie = "x=1; auth=" + token}, {"a"}).is_allowed());
  EXPECT_TRUE(subscribe({.query = "topic=a&access_token=" + token}, {"a"}).is_allowed());
}

TEST_F(AuthorityTest, a_cookie_changes_something_only_from_a_page_of_ours) {
  const std::string cookie = "auth=" + bearer(R"({"publish":["*"],"send":true})").substr(7);
  for (const char* origin : {"https://app.example", "http://live.example", "https://live.example"}) {
    EXPECT_TRUE(publish({.cookie = cookie, .origin = origin}, "a").is_allowed()) << origin;
    EXPECT_TRUE(send({.cookie = cookie, .origin = origin}).is_allowed()) << origin;
  }
  for (const char* origin :
       {"", "null", "https://evil.example", "https://app.example.evil", "http://app.example", "https://live.example:444"}) {
    EXPECT_EQ(publish({.cookie = cookie, .origin = origin}, "a").status, 403) << origin;
    EXPECT_EQ(publish({.cookie = cookie, .origin = origin}, "wall").status, 403) << origin;
    EXPECT_EQ(send({.cookie = cookie, .origin = origin}).status, 403) << origin;
  }
  const std::string header = bearer(R"({"publish":["*"],"send":true})");
  EXPECT_TRUE(publish({.authorization = header, .origin = "https://evil.example"}, "a").is_allowed())
      << "it has the token itself";
  EXPECT_TRUE(subscribe({.cookie = "auth=" + bearer(R"({"subscribe":["a"]})").substr(7)}, {"a"}).is_allowed())
      << "reading is CORS's business";
}

TEST_F(AuthorityTest, a_page_of_others_may_not_publish_without_a_token_either) {
  EXPECT_EQ(publish({.origin = "https://evil.example"}, "wall").status, 403);
  EXPECT_TRUE(publish({.origin = "https://app.example"}, "wall").is_allowed());
}

TEST_F(AuthorityTest, tells_who_it_was_and_how_long_the_token_is_good) {
  const auto caller = [&](const std::string& authorization) {
    return with({.authorization = authorization}, [](const Caller& one, const Request&) { return one; });
  };
  const Caller known = caller(bearer("{}", R"("sub":"alice","exp":1700000060)"));
  EXPECT_EQ(known.kind, Caller::Kind::known);
  EXPECT_EQ(known.subject, "alice");
  EXPECT_EQ(known.expires_ms, kNowMs + 60'000);
  EXPECT_EQ(caller(bearer("{}", R"("sub":"alice")")).expires_ms, kNeverMs);
  EXPECT_EQ(caller(bearer("{}", R"("exp":1699999990)")).expires_ms, kNowMs + 20'000) << "let in by the allowance, to its end";
  const Caller expired = caller(bearer("{}", R"("sub":"alice","exp":1)"));
  EXPECT_EQ(expired.kind, Caller::Kind::refused);
  EXPECT_EQ(expired.subject, "alice");
  EXPECT_TRUE(expired.rights.publish.empty());
}

TEST_F(AuthorityTest, other_keys_count_from_the_moment_they_are_set) {
  const Asked asked{.authorization = bearer(R"({"publish":["*"]})")};
  EXPECT_TRUE(publish(asked, "a").is_allowed());
  KeySet keys;
  EXPECT_EQ(keys.add(Key::from_secret(Algorithm::hs256, std::string(32, 'n')).value()), "");
  authority_.set_keys(std::move(keys));
  EXPECT_EQ(publish(asked, "a").status, 401);
}

struct AdminRow {
  const char* what;
  Asked asked;
  int status;  // With keys.
  int keyless_status;
};

std::vector<AdminRow> admin_rows() {
  const std::string admin = bearer(R"({"admin":true})");
  return {
      {"loopback", {.listener = kLoopback, .host = "localhost"}, 200, 200},
      {"loopback by address", {.listener = kLoopback, .host = "127.0.0.1:8080"}, 200, 200},
      {"loopback, rebound", {.listener = kLoopback, .host = "evil.example"}, 401, 403},
      {"loopback, through a proxy", {.listener = kLoopback, .forwarded = "192.0.2.1", .host = "localhost"}, 401, 403},
      {"loopback, a page of others", {.listener = kLoopback, .origin = "https://evil.example", .host = "localhost"}, 401, 403},
      {"loopback, our page", {.listener = kLoopback, .origin = "http://localhost", .host = "localhost"}, 200, 200},
      {"loopback, a named page", {.listener = kLoopback, .origin = "https://app.example", .host = "localhost"}, 200, 200},
      {"public", {.listener = kPublic}, 401, 403},
      {"public, a lie about the host", {.listener = kPublic, .host = "localhost"}, 401, 403},
      {"public, admin", {.listener = kPublic, .authorization = admin}, 200, 403},
      {"public, admin through a proxy", {.listener = kPublic, .authorization = admin, .forwarded = "192.0.2.1"}, 200, 403},
      {"public, not admin", {.listener = kPublic, .authorization = bearer("{}")}, 403, 403},
      {"public, admin false", {.listener = kPublic, .authorization = bearer(R"({"admin":false})")}, 403, 403},
      {"loopback, not admin", {.listener = kLoopback, .authorization = bearer("{}"), .host = "localhost"}, 200, 200},
      {"admin on loopback", {.listener = kAdminLoopback, .host = "localhost:8081"}, 200, 200},
      {"admin on loopback, rebound", {.listener = kAdminLoopback, .host = "evil.example"}, 401, 403},
      {"admin beyond loopback", {.listener = kAdminPublic, .forwarded = "192.0.2.1", .host = "any.example"}, 200, 200},
      {"admin beyond loopback, a page of others", {.listener = kAdminPublic, .origin = "https://evil.example"}, 401, 403},
      {"no such listener", {.listener = 9, .host = "localhost"}, 401, 403},
  };
}

TEST_F(AuthorityTest, what_the_server_says_of_itself_is_for_loopback_admin_listeners_and_admins) {
  for (const AdminRow& row : admin_rows()) EXPECT_EQ(administer(row.asked).status, row.status) << row.what;
}

TEST_F(KeylessAuthorityTest, what_the_server_says_of_itself_is_for_loopback_and_admin_listeners) {
  for (const AdminRow& row : admin_rows()) EXPECT_EQ(administer(row.asked).status, row.keyless_status) << row.what;
}

TEST_F(KeylessAuthorityTest, everybody_may_subscribe_and_the_guard_decides_the_rest) {
  EXPECT_TRUE(subscribe({}, {"private"}).is_allowed());
  EXPECT_TRUE(publish({.listener = kLoopback, .host = "localhost"}, "a").is_allowed());
  EXPECT_TRUE(send({.listener = kLoopback, .host = "localhost"}).is_allowed());
  EXPECT_TRUE(publish({}, "wall").is_allowed());
  EXPECT_EQ(publish({}, "a").status, 403);
  EXPECT_EQ(publish({}, "a").headers, "") << "there is nothing to authenticate with";
  EXPECT_EQ(send({}).status, 403);
}

TEST_F(KeylessAuthorityTest, a_token_is_nothing_where_there_are_no_keys) {
  const Asked asked{.listener = kLoopback, .authorization = "Bearer nonsense", .host = "localhost"};
  EXPECT_TRUE(publish(asked, "a").is_allowed());
  EXPECT_EQ(publish({.authorization = bearer(R"({"publish":["*"]})")}, "a").status, 403);
}

}  // namespace
}  // namespace broadside::hub
