// Tokens and rights over real connections: who may publish, subscribe, send and look, by which carrier, and what the log tells of
// it.
#include <gtest/gtest.h>

#include <signal.h>

#include <cstdlib>
#include <ctime>
#include <optional>

#include "tests/support/backend_test.h"
#include "tests/support/scratch_file.h"
#include "tests/support/token_forge.h"

namespace broadside::test {
namespace {

using Strings = std::vector<std::string>;

constexpr const char* kRefusedWithoutToken = "Bearer realm=\"broadside\"";

std::string claims(std::string_view rights, std::string_view more = R"("sub":"alice")") {
  const std::string expires = std::to_string(std::time(nullptr) + 3600);
  return "{\"exp\":" + expires + "," + std::string(more) + ",\"broadside\":" + std::string(rights) + "}";
}

Headers bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

class Auth : public BackendTest {
 protected:
  // A server with the key of `signer_`.
  void start_with_key(Strings flags = {}, Strings listen = {"127.0.0.1:0"}) {
    flags.insert(flags.end(), {"--auth-key", "HS256:" + secret_.path()});
    start(std::move(flags), std::move(listen));
  }
  [[nodiscard]] std::string token(std::string_view rights, std::string_view more = R"("sub":"alice")") const {
    return signer_.token(claims(rights, more));
  }
  [[nodiscard]] HttpResponse post_as(const std::string& token, std::string_view target, std::string_view body = "x") const {
    return post(target, body, bearer(token));
  }
  // The data of the topic's history.
  [[nodiscard]] Strings history(const std::string& topic) const {
    SseStream stream = subscribe("/events/" + topic + "?last=100&follow=0", bearer(token(R"({"subscribe":["*"]})")));
    EXPECT_TRUE(stream.wait_closed());
    return stream.published_data();
  }
  [[nodiscard]] std::string url(const std::string& path) const { return "http://" + authority() + path; }

  const Signer signer_ = Signer::secret("HS256", test_secret());
  const ScratchFile secret_{test_secret()};
};
BROADSIDE_ON_BOTH_BACKENDS(Auth);

TEST_P(Auth, publishing_needs_a_token_with_the_right) {
  start_with_key();
  const HttpResponse none = post("/events/a", "x");
  expect_problem(none, 401);
  EXPECT_EQ(none.header("WWW-Authenticate"), kRefusedWithoutToken);
  const HttpResponse other = post_as(token(R"({"publish":["b"]})"), "/events/a");
  expect_problem(other, 403);
  EXPECT_NE(other.header("WWW-Authenticate").find("insufficient_scope"), std::string::npos);
  const HttpResponse bad = post_as(token(R"({"publish":["a"]})") + "x", "/events/a");
  expect_problem(bad, 401);
  EXPECT_NE(bad.header("WWW-Authenticate").find("invalid_token"), std::string::npos);
  expect_problem(post_as(signer_.token(R"({"exp":1,"broadside":{"publish":["*"]}})"), "/events/a"), 401, "expired");
  EXPECT_EQ(post_as(token(R"({"publish":["a"]})"), "/events/a", "good").status(), 200);
  EXPECT_EQ(history("a"), Strings{"good"});
  const Headers who = bearer(token(R"({"publish":["b"]})"));
  EXPECT_EQ(fetch(port(), "DELETE", "/events/a").status(), 401);
  EXPECT_EQ(fetch(port(), "DELETE", "/events/a", who).status(), 403);
  EXPECT_EQ(fetch(port(), "DELETE", "/events/a", bearer(token(R"({"publish":["*"]})"))).status(), 200);
}

TEST_P(Auth, each_line_of_a_body_needs_the_right_for_its_topic) {
  start_with_key();
  Headers headers = bearer(token(R"({"publish":["a*"]})"));
  headers.emplace_back("Content-Type", "application/x-ndjson");
  const std::string good = "{\"topic\":\"a1\",\"data\":1}\n{\"topic\":\"a2\",\"data\":2}\n";
  const HttpResponse mixed = post("/events", good + "{\"topic\":\"b\",\"data\":3}\n", headers);
  expect_problem(mixed, 403, "line 3: ");
  EXPECT_EQ(history("a1"), Strings{}) << "all lines or none";
  EXPECT_EQ(post("/events", good, headers).status(), 200);
  EXPECT_EQ(history("a1"), Strings{"1"});
  EXPECT_EQ(post("/events", good, {{"Content-Type", "application/x-ndjson"}}).status(), 401);
  EXPECT_EQ(post("/events/b", "{\"data\":1}", headers).status(), 403);
}

TEST_P(Auth, each_line_of_an_endless_body_needs_the_right_for_its_topic) {
  start_with_key();
  const std::string head = "POST /events HTTP/1.1\r\nHost: " + authority() +
                           "\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n";
  HttpConnection nobody = HttpConnection::open(port());
  ASSERT_TRUE(nobody.send(head + "\r\n"));
  EXPECT_EQ(nobody.read_response().status(), 401);
  HttpConnection alice = HttpConnection::open(port());
  ASSERT_TRUE(alice.send(head + "Authorization: Bearer " + token(R"({"publish":["a"]})") + "\r\n\r\n"));
  ASSERT_EQ(alice.read_head().status, 200);
  ASSERT_TRUE(
      alice.send(chunk_text("{\"topic\":\"a\",\"data\":1}\n{\"topic\":\"b\",\"data\":2}\n{\"topic\":\"a\",\"data\":3}\n")));
  EXPECT_NE(json_string(alice.read_chunked_line().value_or(""), "/id"), "");
  EXPECT_NE(json_string(alice.read_chunked_line().value_or(""), "/error").find("does not allow"), std::string::npos);
  EXPECT_NE(json_string(alice.read_chunked_line().value_or(""), "/id"), "");
  EXPECT_EQ(history("a"), (Strings{"1", "3"}));
  EXPECT_EQ(history("b"), Strings{});
}

TEST_P(Auth, subscribing_needs_a_token_with_the_right_for_every_topic) {
  start_with_key();
  const SseStream none = subscribe("/events/a");
  EXPECT_EQ(none.head().status, 401);
  EXPECT_EQ(none.head().header("WWW-Authenticate"), kRefusedWithoutToken);
  const Headers alice = bearer(token(R"({"subscribe":["a","b.*"]})"));
  for (const char* target : {"/events/a", "/events?topic=a&topic=b.x", "/events/b.%2A", "/events/a?topic=b."}) {
    EXPECT_EQ(subscribe_open(target, alice).head().status, 200) << target;
  }
  for (const char* target :
       {"/events/c", "/events?topic=a&topic=c", "/events/a?topic=c", "/events/a?topi%63=c", "/events/%63", "/events/b"}) {
    EXPECT_EQ(subscribe(target, alice).head().status, 403) << target;
  }
  EXPECT_EQ(fetch(port(), "HEAD", "/events/c").status(), 401);
  for (const char* target : {"/events", "/events/%zz", "/events/a?topic=%zz", "/events/"}) {
    EXPECT_EQ(subscribe(target, alice).head().status, 400) << target;
  }
}

TEST_P(Auth, a_stream_is_told_of_its_tokens_end_and_closed_then_unless_that_is_renewed) {
  start_with_key();
  const auto token_until = [&](std::int64_t seconds, std::string_view subject, std::string_view rights) {
    return signer_.token("{\"exp\":" + std::to_string(std::time(nullptr) + seconds) + R"(,"sub":")" + std::string(subject) +
                         R"(","broadside":)" + std::string(rights) + "}");
  };
  constexpr std::string_view kRights = R"({"subscribe":["a","b"]})";
  const Headers soon = bearer(token_until(8, "alice", kRights));
  SseStream ending = subscribe_open("/events/a", soon);
  SseStream renewed = subscribe_open("/events?topic=a&topic=b", soon);
  ASSERT_TRUE(renewed.wait_for("broadside.auth-expiring") && ending.wait_for("broadside.auth-expiring"));
  const std::string id = json_string(renewed.find("broadside.auth-expiring")->data, "/connection");
  const std::string target = "/connections/" + id + "/token";
  EXPECT_EQ(post(target, "").status(), 401);
  EXPECT_EQ(post_as("nonsense", target, "").status(), 401);
  EXPECT_EQ(post_as(token_until(3600, "bob", kRights), target, "").status(), 403);
  EXPECT_EQ(post_as(token_until(3600, "alice", R"({"subscribe":["a"]})"), target, "").status(), 403);
  EXPECT_EQ(post_as(token_until(3600, "alice", kRights), "/connections/0123/token", "").status(), 404);
  EXPECT_EQ(post_as(token_until(3600, "alice", kRights), target, "").status(), 200);
  EXPECT_TRUE(ending.wait_closed());
  EXPECT_EQ(subscribe("/events/a", soon).head().status, 200) << "the allowance for clocks that differ";
  EXPECT_EQ(post_as(token(R"({"publish":["a"]})"), "/events/a", "still there").status(), 200);
  EXPECT_TRUE(renewed.wait_published(1));
  EXPECT_EQ(ending.published_data(), Strings{});
}

TEST_P(Auth, what_anybody_may_is_said_by_patterns) {
  start_with_key({"--anonymous-subscribe", "public.*", "--anonymous-publish", "wall"});
  EXPECT_EQ(subscribe_open("/events/public.a").head().status, 200);
  EXPECT_EQ(subscribe("/events?topic=public.a&topic=private").head().status, 401);
  EXPECT_EQ(post("/events/wall", "x").status(), 200);
  EXPECT_EQ(post("/events/public.a", "x").status(), 401);
  // A bad token is not taken for none.
  EXPECT_EQ(subscribe("/events/public.a", bearer("nonsense")).head().status, 401);
  EXPECT_EQ(post_as("nonsense", "/events/wall").status(), 401);
}

TEST_P(Auth, a_token_comes_in_a_cookie_or_the_query_where_that_is_asked_for) {
  const std::string alice = token(R"({"subscribe":["a"]})");
  start_with_key();
  EXPECT_EQ(subscribe("/events/a", {{"Cookie", "auth=" + alice}}).head().status, 401);
  EXPECT_EQ(subscribe("/events/a?access_token=" + alice).head().status, 400);
  stop();
  start_with_key({"--auth-cookie", "auth", "--auth-query"});
  EXPECT_EQ(subscribe_open("/events/a", {{"Cookie", "x=y; auth=" + alice}}).head().status, 200);
  EXPECT_EQ(subscribe_open("/events/a?access_token=" + alice).head().status, 200);
  Headers two = bearer(alice);
  two.emplace_back("Cookie", "auth=" + alice);
  EXPECT_EQ(subscribe("/events/a", two).head().status, 400);
}

TEST_P(Auth, a_page_of_others_cannot_publish_by_a_cookie) {
  start_with_key({"--auth-cookie", "auth", "--cors-origin", "https://app.example"});
  const std::string cookie = "auth=" + token(R"({"publish":["*"]})");
  const auto publish_from = [&](const char* origin) {
    Headers headers = {{"Cookie", cookie}};
    if (*origin != '\0') headers.emplace_back("Origin", origin);
    return post("/events/a", "x", headers);
  };
  EXPECT_EQ(publish_from("https://app.example").status(), 200);
  EXPECT_EQ(publish_from(url("").c_str()).status(), 200);
  for (const char* origin : {"", "null", "https://evil.example", "http://app.example"}) {
    const HttpResponse response = publish_from(origin);
    EXPECT_EQ(response.status(), 403) << origin;
    EXPECT_FALSE(response.head.has("Access-Control-Allow-Credentials") &&
                 response.header("Access-Control-Allow-Origin") == origin)
        << origin;
  }
  const HttpResponse refused = get("/events/a", {{"Origin", "https://app.example"}});
  EXPECT_EQ(refused.status(), 401);
  EXPECT_EQ(refused.header("Access-Control-Allow-Origin"), "https://app.example") << "the page may read why";
}

TEST_P(Auth, sending_to_a_connection_is_a_right_of_its_own) {
  start_with_key();
  SseStream stream = subscribe_open("/events/a", bearer(token(R"({"subscribe":["a"]})")));
  const std::string target = "/connections/" + json_string(stream.events().at(0).data, "/connection");
  EXPECT_EQ(post(target, "x").status(), 401);
  EXPECT_EQ(post_as(token(R"({"publish":["*"],"admin":true})"), target).status(), 403);
  EXPECT_EQ(post_as(token(R"({"send":true})"), target, "for you").status(), 202);
  ASSERT_TRUE(stream.wait_published(1));
  EXPECT_EQ(stream.published_data(), Strings{"for you"});
}

const Strings kAdminPaths = {"/metrics", "/topics", "/topics?top=5&by=rate", "/topics/none", "/connections"};

TEST_P(Auth, what_the_server_says_of_itself_is_open_on_loopback) {
  start_with_key();
  for (const std::string& path : kAdminPaths) {
    const int good = path == "/topics/none" ? 404 : 200;
    EXPECT_EQ(get(path).status(), good) << path;
    EXPECT_EQ(get(path, {{"X-Forwarded-For", "192.0.2.1"}}).status(), 401) << path;
    EXPECT_EQ(get(path, {{"Host", "evil.example"}}).status(), 401) << path;
    EXPECT_EQ(get(path, bearer("nonsense")).status(), 401) << path;
  }
}

TEST_P(Auth, beyond_loopback_it_is_for_the_admin_listener_and_for_admins) {
  start_with_key({"--admin-listen", "127.0.0.1:0"}, {"0.0.0.0:0"});
  const std::string line = server().process().read_line(soon()).value_or("");
  ASSERT_EQ(line.rfind("admin on http://127.0.0.1:", 0), 0U) << line;
  const auto admin_port = static_cast<std::uint16_t>(std::strtoul(line.c_str() + line.rfind(':') + 1, nullptr, 10));
  for (const std::string& path : kAdminPaths) {
    const int good = path == "/topics/none" ? 404 : 200;
    EXPECT_EQ(get(path).status(), 401) << path;
    EXPECT_EQ(get(path, bearer(token(R"({"subscribe":["*"],"publish":["*"],"send":true})"))).status(), 403) << path;
    EXPECT_EQ(get(path, bearer(token(R"({"admin":true})"))).status(), good) << path;
    EXPECT_EQ(fetch(admin_port, "GET", path).status(), good) << path;
  }
  for (const char* open : {"/healthz", "/readyz", "/"}) EXPECT_EQ(get(open).status(), 200) << open;
  EXPECT_EQ(fetch(admin_port, "POST", "/events/a", {}, "x").status(), 401) << "it is open for looking, not for publishing";
}

TEST_P(Auth, without_keys_beyond_loopback_only_the_admin_listener_is_for_it) {
  start({"--anonymous-publish", "*", "--admin-listen", "127.0.0.1:0"}, {"0.0.0.0:0"});
  for (const std::string& path : kAdminPaths) expect_problem(get(path), 403, "--admin-listen");
  EXPECT_EQ(post("/events/a", "x").status(), 200);
}

TEST_P(Auth, takes_every_algorithm_from_files_and_from_a_key_set) {
  const ScratchFile rsa(Signer::rs256().public_pem());
  const ScratchFile ec(Signer::es256().private_pem());
  const ScratchFile jwks("{\"keys\":[{" + std::string(kEd25519PublicMembers) + R"(,"kid":"ed","use":"sig"}]})");
  setenv("BROADSIDE_TEST_SECRET", std::string(64, 's').c_str(), 1);
  start_with_key({"--auth-key", "RS256:" + rsa.path() + ",kid=r", "--auth-key", "ES256:" + ec.path(), "--auth-key",
                  "HS512:env:BROADSIDE_TEST_SECRET", "--auth-jwks", jwks.path()});
  unsetenv("BROADSIDE_TEST_SECRET");
  const std::string may = claims(R"({"publish":["a"]})");
  EXPECT_EQ(post_as(signer_.token(may), "/events/a").status(), 200);
  EXPECT_EQ(post_as(Signer::rs256().token_of("r", may), "/events/a").status(), 200);
  EXPECT_EQ(post_as(Signer::es256().token(may), "/events/a").status(), 200);
  EXPECT_EQ(post_as(Signer::eddsa().token_of("ed", may), "/events/a").status(), 200);
  EXPECT_EQ(post_as(Signer::secret("HS512", std::string(64, 's')).token(may), "/events/a").status(), 200);
  EXPECT_EQ(post_as(Signer::rs256().token_of("x", may), "/events/a").status(), 401);
  EXPECT_EQ(post_as(Signer::secret("HS256", Signer::rs256().public_pem()).token(may), "/events/a").status(), 401);
  EXPECT_EQ(post_as(join_token(R"({"alg":"none"})", may, ""), "/events/a").status(), 401);
}

TEST_P(Auth, tokens_are_for_an_audience_and_from_an_issuer) {
  start_with_key({"--auth-audience", "live", "--auth-issuer", "https://i", "--auth-clock-skew", "0"});
  const auto status = [&](std::string_view more) { return post_as(token(R"({"publish":["a"]})", more), "/events/a").status(); };
  EXPECT_EQ(status(R"("aud":["x","live"],"iss":"https://i")"), 200);
  EXPECT_EQ(status(R"("aud":"x","iss":"https://i")"), 401);
  EXPECT_EQ(status(R"("aud":"live","iss":"https://j")"), 401);
  EXPECT_EQ(status(R"("aud":"live","iss":"https://i","nbf":99999999999)"), 401);
}

TEST_P(Auth, reads_its_keys_again_on_sighup_or_keeps_them) {
  start_with_key();
  const Signer after = Signer::secret("HS256", std::string(32, 'n'));
  const std::string may = claims(R"({"publish":["a"]})");
  EXPECT_EQ(post_as(signer_.token(may), "/events/a").status(), 200);
  secret_.write("too short");
  server().process().signal(SIGHUP);
  ASSERT_TRUE(wait_log("HS256 needs 32 at least"));
  ASSERT_TRUE(wait_log("SIGHUP: nothing is changed; errors: 1\n"));
  EXPECT_EQ(post_as(signer_.token(may), "/events/a").status(), 200) << "the keys it had still count";
  secret_.write(after.secret());
  server().process().signal(SIGHUP);
  ASSERT_TRUE(wait_log("SIGHUP: keys read again: 1\n"));
  EXPECT_EQ(post_as(signer_.token(may), "/events/a").status(), 401);
  EXPECT_EQ(post_as(after.token(may), "/events/a").status(), 200);
}

TEST_P(Auth, a_configuration_without_keys_does_not_open_what_was_closed) {
  const ScratchFile config("auth_key = [\"HS256:" + secret_.path() + "\"]\n");
  start({"--config", config.path()});
  config.write("");
  server().process().signal(SIGHUP);
  ASSERT_TRUE(wait_log("that needs a restart\n"));
  ASSERT_TRUE(wait_log("SIGHUP: nothing is changed; errors: 1\n"));
  EXPECT_EQ(subscribe("/events/a").head().status, 401);
}

TEST_P(Auth, the_log_tells_who_was_refused_and_who_did_what_but_never_the_token) {
  start_with_key({"--auth-query", "--access-log", "--audit-log", "all", "--auth-cookie", "auth", "--log-level", "debug"});
  const std::string alice = token(R"({"publish":["a"],"admin":true})");
  const std::string forged = Signer::secret("HS256", std::string(32, 'x')).token(claims(R"({"publish":["*"]})"));
  EXPECT_EQ(post("/events/a?access_token=" + alice, "x").status(), 200);
  EXPECT_EQ(post("/events/b?access%5Ftoken=" + alice, "x").status(), 403);
  EXPECT_EQ(post("/events/b?access_token=" + forged, "x").status(), 401);
  EXPECT_EQ(post("/events/b", "x", {{"Cookie", "auth=" + forged}}).status(), 401);
  EXPECT_EQ(subscribe("/events/c?access_token=" + alice).head().status, 403);
  EXPECT_EQ(get("/metrics", bearer(alice)).status(), 200);
  EXPECT_TRUE(wait_log(R"(audit {"action":"publish","outcome":"allowed","target":"a","subject":"alice","peer":"127.)"));
  EXPECT_TRUE(wait_log(R"(audit {"action":"publish","outcome":"refused","status":403,"target":"b","subject":"alice",)"));
  EXPECT_TRUE(wait_log("POST /events/b?access%5Ftoken=*** 403"));
  EXPECT_TRUE(wait_log(R"(audit {"action":"publish","outcome":"refused","status":401,"target":"b","peer":)"));
  EXPECT_TRUE(wait_log(R"("reason":"the token's signature is wrong"})"));
  EXPECT_TRUE(wait_log(R"(audit {"action":"subscribe","outcome":"refused","status":403,"target":"c","subject":"alice",)"));
  EXPECT_TRUE(wait_log(R"(audit {"action":"admin","outcome":"allowed","target":"/metrics","subject":"alice",)"));
  stop();
  const std::string log = server().process().stderr_text();
  for (const std::string& token : {alice, forged}) {
    for (const std::string& part : {token.substr(token.rfind('.') + 1), token.substr(token.find('.') + 1, 40)}) {
      EXPECT_EQ(log.find(part), std::string::npos) << log;
    }
  }
}

TEST_P(Auth, the_commands_show_a_token) {
  start_with_key();
  const ScratchFile publisher(token(R"({"publish":["news"]})") + "\n");
  const ScratchFile everything(token(R"({"publish":["*"],"subscribe":["*"]})"));
  const auto publish = [&](const std::string& flags) {
    const auto child = ChildProcess::spawn(
        {"sh", "-c", "echo hello | '" + program_path() + "' publish --quiet " + flags + " '" + url("/events/news") + "'"});
    return child->wait_exit(Deadline::in(Millis(30'000)));
  };
  EXPECT_EQ(publish("--token-file '" + publisher.path() + "'"), 0);
  EXPECT_NE(publish(""), 0);
  EXPECT_NE(publish("--token-file /nowhere/token"), 0);
  setenv("BROADSIDE_TOKEN", token(R"({"subscribe":["news"]})").c_str(), 1);
  const ProgramResult subscribed =
      run_program({"subscribe", "--limit", "1", "--json", url("/events/news?last=1")}, Deadline::in(Millis(30'000)));
  unsetenv("BROADSIDE_TOKEN");
  EXPECT_EQ(subscribed.exit_code, 0) << subscribed.stderr_text;
  EXPECT_NE(subscribed.stdout_text.find("\"data\":\"hello\""), std::string::npos) << subscribed.stdout_text;
  const ProgramResult refused = run_program({"subscribe", "--no-reconnect", url("/events/news")}, Deadline::in(Millis(30'000)));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.stderr_text.find("refused with 401"), std::string::npos) << refused.stderr_text;
  const ProgramResult loaded =
      run_program({"load", "--server", url(""), "--streams", "3", "--publish-rate", "20", "--warm-up", "0", "--duration", "500ms",
                   "--token-file", everything.path(), "--json", "-", "--quiet"},
                  Deadline::in(Millis(60'000)));
  EXPECT_EQ(loaded.exit_code, 0) << loaded.stderr_text;
}

TEST(AuthStart, a_server_with_a_bad_key_does_not_start_and_says_why) {
  const ScratchFile brief("brief");
  for (const Strings& flags : {Strings{"--auth-key", "HS256:" + brief.path()}, Strings{"--auth-key", "HS256:/nowhere/key"},
                               Strings{"--auth-jwks", "/nowhere/keys"}, Strings{"--auth-jwks", brief.path()}}) {
    for (const bool is_check : {true, false}) {
      Strings command = {"serve", "--listen", "127.0.0.1:0"};
      if (is_check) command.emplace_back("--check-config");
      command.insert(command.end(), flags.begin(), flags.end());
      const ProgramResult result = run_program(command, soon());
      EXPECT_EQ(result.exit_code, 1) << flags[1];
      EXPECT_EQ(result.stdout_text, "");
      EXPECT_NE(result.stderr_text.find(flags[0] == "--auth-key" ? "auth_key HS256:" : "auth_jwks"), std::string::npos)
          << result.stderr_text;
    }
  }
}

}  // namespace
}  // namespace broadside::test
