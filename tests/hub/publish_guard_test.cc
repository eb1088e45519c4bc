// Who may publish without a token: the table of RULES, and what --anonymous-publish changes.
#include "hub/publish_guard.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace broadside::hub {
namespace {

struct Row {
  std::string host;
  std::vector<RequestHeader> headers;
  bool is_allowed;
};

std::string refusal_of(const PublishGuard& guard, const std::string& host, const std::vector<RequestHeader>& headers,
                       std::string_view topic = "a", std::uint32_t listener = 0) {
  return guard.right_of(Request{.method = "POST", .host = host, .headers = headers, .listener = listener}).verdict(topic).detail;
}

TEST(PublishGuard, takes_what_a_trusted_proxy_brings_for_no_program_of_this_machine) {
  const PublishGuard guard({listener_of("127.0.0.1:8080")}, {}, Cors({}));
  Request request{.method = "POST", .host = "localhost", .peer = "127.0.0.1:1"};
  EXPECT_EQ(guard.why_not_local(request), "");
  request.is_proxied = true;
  EXPECT_NE(guard.why_not_local(request), "");
  EXPECT_FALSE(guard.right_of(request).verdict("a").is_allowed());
}

TEST(PublishGuard, lets_this_machine_publish_on_loopback) {
  const PublishGuard guard({listener_of("127.0.0.5:8080")}, {}, Cors({"https://app.example"}));
  const std::vector<Row> rows = {
      {"127.0.0.1:8080", {}, true},
      {"127.0.0.1", {}, true},
      {"127.0.0.5:8080", {}, true},
      {"localhost:8080", {}, true},
      {"LOCALHOST", {}, true},
      {"[::1]:8080", {}, true},
      {"[::1]", {}, true},
      {"127.200.1.1", {}, true},
      {"", {}, false},
      {"evil.example", {}, false},
      {"evil.example:8080", {}, false},
      {"127.0.0.1.evil.example", {}, false},
      {"localhost.evil.example", {}, false},
      {"[::2]:8080", {}, false},
      {"10.0.0.1:8080", {}, false},
      {"localhost", {{"Forwarded", "for=192.0.2.1"}}, false},
      {"localhost", {{"x-forwarded-for", "192.0.2.1"}}, false},
      {"localhost", {{"Via", "1.1 proxy"}}, false},
      {"localhost", {{"Via", ""}}, false},
      {"localhost:8080", {{"Origin", "http://localhost:8080"}}, true},
      {"localhost:8080", {{"Origin", "http://LocalHost:8080"}}, true},
      {"localhost", {{"Origin", "https://app.example"}}, true},
      {"localhost:8080", {{"Origin", "http://localhost:3000"}}, false},
      {"localhost:8080", {{"Origin", "http://localhost"}}, false},
      {"localhost", {{"Origin", "https://evil.example"}}, false},
      {"localhost", {{"Origin", "null"}}, false},
      {"localhost", {{"Origin", ""}}, false},
      // A rebound name is its own origin: Host gives it away.
      {"evil.example:8080", {{"Origin", "http://evil.example:8080"}}, false},
  };
  for (const Row& row : rows) {
    std::string trace = row.host;
    for (const RequestHeader& header : row.headers) trace += " " + std::string(header.name) + ": " + std::string(header.value);
    EXPECT_EQ(refusal_of(guard, row.host, row.headers).empty(), row.is_allowed) << trace;
  }
}

TEST(PublishGuard, refuses_on_an_address_that_others_reach) {
  const PublishGuard guard({listener_of("127.0.0.1:0"), listener_of("0.0.0.0:0"), listener_of("unix:/run/b.sock")}, {}, Cors({}));
  EXPECT_EQ(refusal_of(guard, "localhost", {}, "a", 0), "");
  EXPECT_NE(refusal_of(guard, "localhost", {}, "a", 1), "");
  EXPECT_EQ(refusal_of(guard, "localhost", {}, "a", 2), "");
  EXPECT_NE(refusal_of(guard, "localhost", {}, "a", 3), "") << "a listener that is not known";
}

TEST(PublishGuard, patterns_open_topics_but_not_to_pages_of_other_origins) {
  const PublishGuard guard({listener_of("0.0.0.0:80")}, {"public.*", "chat"}, Cors({"https://app.example"}));
  const std::vector<RequestHeader> forwarded = {{"X-Forwarded-For", "192.0.2.1"}};
  EXPECT_EQ(refusal_of(guard, "www.example", {}, "public.a"), "");
  EXPECT_EQ(refusal_of(guard, "www.example", forwarded, "chat"), "");
  EXPECT_NE(refusal_of(guard, "www.example", {}, "private"), "");
  EXPECT_NE(refusal_of(guard, "www.example", {}, "xchat"), "");
  EXPECT_NE(refusal_of(guard, "www.example", {}, ""), "") << "connections are no topic";
  EXPECT_EQ(refusal_of(guard, "www.example", {{"Origin", "http://www.example"}}, "chat"), "");
  EXPECT_EQ(refusal_of(guard, "www.example", {{"Origin", "https://app.example"}}, "chat"), "");
  EXPECT_EQ(refusal_of(guard, "www.example", {{"Origin", "https://www.example"}}, "chat"), "") << "a proxy ends TLS";
  EXPECT_NE(refusal_of(guard, "www.example", {{"Origin", "https://evil.example"}}, "chat"), "");
  EXPECT_NE(refusal_of(guard, "", {{"Origin", "http://"}}, "chat"), "") << "HTTP/1.0 without Host";
}

TEST(PublishGuard, a_pattern_for_everything_includes_connections) {
  const PublishGuard guard({listener_of("0.0.0.0:80")}, {"*"}, Cors({}));
  EXPECT_EQ(refusal_of(guard, "www.example", {}, ""), "");
}

TEST(PublishGuard, the_star_of_cors_lets_pages_publish_only_where_anybody_may) {
  const std::vector<RequestHeader> headers = {{"Origin", "https://evil.example"}};
  const PublishGuard local({listener_of("127.0.0.1:80")}, {}, Cors({"*"}));
  EXPECT_NE(refusal_of(local, "localhost", headers), "");
  EXPECT_TRUE(local.right_of(Request{.host = "localhost", .headers = headers}).is_none());
  const PublishGuard open({listener_of("127.0.0.1:80")}, {"chat"}, Cors({"*"}));
  EXPECT_EQ(refusal_of(open, "localhost", headers, "chat"), "");
  EXPECT_NE(refusal_of(open, "localhost", headers, "a"), "");
}

}  // namespace
}  // namespace broadside::hub
