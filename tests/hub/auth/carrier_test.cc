// Where the token of a request is found, and that logs do not have it.
#include "hub/auth/carrier.h"

#include <gtest/gtest.h>

#include <vector>

namespace broadside::hub {
namespace {

const CarrierOptions kHeaderAlone;
const CarrierOptions kAll{.cookie = "auth", .takes_query = true};

CarriedToken find(const std::vector<RequestHeader>& headers, std::string_view query, const CarrierOptions& options) {
  return find_token(Request{.method = "GET", .query = query, .headers = headers}, options);
}

struct Row {
  std::vector<RequestHeader> headers;
  const char* query;
  Carrier carrier;
  const char* token;
};

void expect_found(const Row& row, const CarrierOptions& options) {
  const CarriedToken found = find(row.headers, row.query, options);
  const std::string what = row.headers.empty() ? row.query : std::string(row.headers[0].value);
  EXPECT_EQ(found.problem, "") << what;
  EXPECT_EQ(found.carrier, row.carrier) << what;
  EXPECT_EQ(found.token, row.token) << what;
}

TEST(Carrier, is_the_header_always) {
  for (const CarrierOptions& options : {kHeaderAlone, kAll}) {
    expect_found({{}, "", Carrier::none, ""}, options);
    expect_found({{{"Authorization", "Bearer a.b.c"}}, "", Carrier::header, "a.b.c"}, options);
    expect_found({{{"authorization", "bearer   a.b.c"}}, "", Carrier::header, "a.b.c"}, options);
    expect_found({{{"Authorization", "BEARER a"}}, "", Carrier::header, "a"}, options);
    expect_found({{{"Authorization", "Bearer a b"}}, "", Carrier::header, "a b"}, options);
    expect_found({{{"Authorization", "Bearer"}}, "", Carrier::header, ""}, options);
    expect_found({{{"Authorization", "Basic dTpw"}}, "", Carrier::none, ""}, options);
    expect_found({{{"Authorization", "Bearerx a"}}, "", Carrier::none, ""}, options);
    expect_found({{{"Authorization", ""}}, "", Carrier::none, ""}, options);
    expect_found({{{"Proxy-Authorization", "Bearer a"}}, "", Carrier::none, ""}, options);
  }
}

TEST(Carrier, is_a_cookie_of_the_one_name_where_there_is_one) {
  expect_found({{{"Cookie", "auth=a.b.c"}}, "", Carrier::cookie, "a.b.c"}, kAll);
  expect_found({{{"cookie", "x=1; auth=a; y=2"}}, "", Carrier::cookie, "a"}, kAll);
  expect_found({{{"Cookie", "x=1;auth = a ;y=2"}}, "", Carrier::cookie, "a"}, kAll);
  expect_found({{{"Cookie", "x=1"}, {"Cookie", "auth=a"}}, "", Carrier::cookie, "a"}, kAll);
  expect_found({{{"Cookie", "Auth=a; xauth=b; auth2=c; auth"}}, "", Carrier::none, ""}, kAll);
  expect_found({{{"Cookie", "auth="}}, "", Carrier::none, ""}, kAll);
  expect_found({{{"Cookie", "x=auth=a"}}, "", Carrier::none, ""}, kAll);
  expect_found({{{"Cookie", "auth=a=b"}}, "", Carrier::cookie, "a=b"}, kAll);
  expect_found({{{"Cookie", "auth=a"}}, "", Carrier::none, ""}, kHeaderAlone);
}

TEST(Carrier, is_the_query_only_where_that_is_asked_for) {
  expect_found({{}, "access_token=a.b.c", Carrier::query, "a.b.c"}, kAll);
  expect_found({{}, "topic=x&access_token=a&since=1h", Carrier::query, "a"}, kAll);
  expect_found({{}, "access%5Ftoken=%61", Carrier::query, "a"}, kAll);
  expect_found({{}, "access_token=", Carrier::query, ""}, kAll);
  expect_found({{}, "access_token=%zz", Carrier::query, ""}, kAll);
  expect_found({{}, "a=%zz&access_token=a", Carrier::query, "a"}, kAll);
  expect_found({{}, "token=a&access_tokens=b&Access_token=c", Carrier::none, ""}, kAll);
  EXPECT_NE(find({}, "access_token=a", kHeaderAlone).problem.find("--auth-query"), std::string::npos)
      << "whoever thinks to be known must not become anonymous";
}

TEST(Carrier, is_never_one_of_two) {
  const RequestHeader header{"Authorization", "Bearer a"};
  const RequestHeader cookie{"Cookie", "auth=a"};
  struct Double {
    std::vector<RequestHeader> headers;
    const char* query;
  };
  for (const Double& both :
       {Double{{header, cookie}, ""}, Double{{header}, "access_token=a"}, Double{{cookie}, "access_token=a"},
        Double{{header, header}, ""}, Double{{cookie, cookie}, ""}, Double{{{"Cookie", "auth=a; auth=b"}}, ""},
        Double{{}, "access_token=a&access_token=a"}, Double{{header, cookie}, "access_token=a"}}) {
    EXPECT_NE(find(both.headers, both.query, kAll).problem.find("more than one token"), std::string::npos) << both.query;
  }
  EXPECT_EQ(find({header, cookie}, "", kHeaderAlone).problem, "") << "a cookie that means nothing here";
}

TEST(WithoutToken, leaves_all_but_the_token) {
  struct Query {
    const char* query;
    const char* safe;
  };
  for (const Query& row : {Query{"", ""}, Query{"a=1", "a=1"}, Query{"access_token=secret", "access_token=***"},
                           Query{"a=1&access_token=secret&b=2", "a=1&access_token=***&b=2"},
                           Query{"access%5ftoken=secret", "access%5ftoken=***"}, Query{"access_token", "access_token=***"},
                           Query{"access_token=a=b", "access_token=***"}, Query{"access_token=%zz", "access_token=***"},
                           Query{"access_token=x&access_token=y", "access_token=***&access_token=***"},
                           Query{"a=%zz&b", "a=%zz&b"}, Query{"&a&&", "&a&&"}}) {
    EXPECT_EQ(without_token(row.query), row.safe) << row.query;
  }
}

TEST(CookieName, is_a_token_of_http) {
  for (const char* good : {"", "auth", "__Host-auth", "a.b"}) EXPECT_EQ(cookie_problem(good), "") << good;
  for (const char* bad : {"a b", "a=b", "a;b", "a\"", "\xC3\xA4", "a\n"}) EXPECT_NE(cookie_problem(bad), "") << bad;
}

}  // namespace
}  // namespace broadside::hub
