// Which origins are answered, and how.
#include "hub/cors.h"

#include <gtest/gtest.h>

namespace broadside::hub {
namespace {

TEST(Cors, reflects_a_named_origin_with_credentials) {
  const Cors cors({"https://A.example", "http://b.example:8080"});
  EXPECT_EQ(cors.headers_for("https://a.example"),
            "Access-Control-Allow-Origin: https://a.example\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n");
  EXPECT_NE(cors.headers_for("http://b.example:8080").find("http://b.example:8080"), std::string::npos);
}

TEST(Cors, never_reflects_what_is_not_named) {
  const Cors cors({"https://a.example"});
  for (const char* origin : {"", "null", "https://b.example", "http://a.example", "https://a.example:444",
                             "https://a.example.evil", "https://xa.example", "https://a.example/"}) {
    EXPECT_EQ(cors.headers_for(origin), "Vary: Origin\r\n") << origin;
    EXPECT_EQ(cors.preflight_headers_for(origin), "") << origin;
  }
  EXPECT_EQ(Cors({}).headers_for("https://a.example"), "");
}

TEST(Cors, answers_any_origin_without_credentials) {
  const Cors cors({"*"});
  EXPECT_EQ(cors.headers_for("https://a.example"), "Access-Control-Allow-Origin: *\r\n");
  EXPECT_NE(cors.preflight_headers_for("https://a.example"), "");
  EXPECT_FALSE(cors.is_named("*"));
}

TEST(Cors, prefers_the_name_over_the_star) {
  const Cors cors({"*", "https://a.example"});
  EXPECT_NE(cors.headers_for("https://a.example").find("Credentials"), std::string::npos);
  EXPECT_EQ(cors.headers_for("https://b.example"), "Access-Control-Allow-Origin: *\r\nVary: Origin\r\n");
}

TEST(Cors, preflights_allow_what_an_event_source_and_a_publisher_send) {
  const std::string headers = Cors({"*"}).preflight_headers_for("https://a.example");
  for (const char* part : {"GET, POST, DELETE", "Last-Event-ID", "Content-Type", "Authorization", "Max-Age: 86400"}) {
    EXPECT_NE(headers.find(part), std::string::npos) << part;
  }
}

TEST(Cors, refuses_what_no_browser_would_send_as_origin) {
  for (const char* good : {"*", "https://a.example", "http://localhost:3000", "https://[::1]:8443"}) {
    EXPECT_EQ(Cors::origin_problem(good), "") << good;
  }
  for (const char* bad : {"", "null", "a.example", "https://", "://a.example", "https://a.example/", "https://a.example/app",
                          "https://a.example\r\nX: y", "https://*.a.example,b"}) {
    EXPECT_NE(Cors::origin_problem(bad), "") << bad;
  }
}

}  // namespace
}  // namespace broadside::hub
