// What a subscription asks for: a table of targets and what is read out of them.
#include "engine/subscribe_request.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace broadside {
namespace {

constexpr std::uint64_t kNow = 1'700'000'000'000;

using Kind = StartRequest::Kind;

std::string read(std::string_view target, std::size_t topics_max, SubscribeRequest& out, std::string_view last_event_id = {}) {
  const std::size_t mark = target.find('?');
  const std::string_view query = mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
  return read_subscribe_request(target.substr(0, mark), query, last_event_id, topics_max, kNow, out);
}

struct Good {
  std::string target;
  std::vector<std::string> topics;
  Kind kind = Kind::live;
  std::string id;
  std::uint64_t number = 0;  // since_ms or last.
  std::uint32_t limit = 0;
  bool follows = true;
};

TEST(SubscribeRequest, reads_what_is_asked_for) {
  const std::vector<Good> table = {
      {"/events/a", {"a"}},
      {"/events/a%20b%2Fc", {"a b/c"}},
      {"/events/a+b", {"a+b"}},
      {"/events/a/b", {"a/b"}},
      {"/events?topic=a&topic=b", {"a", "b"}},
      {"/events?topic=a+b", {"a b"}},
      {"/events?topic=a&topic=b&topic=a", {"a", "b"}},
      {"/events/?topic=a", {"a"}},
      {"/events/a?topic=b&topic=a", {"a", "b"}},
      {"/events/%E2%82%AC", {"\xe2\x82\xac"}},
      {"/events/a?last_event_id=x", {"a"}, Kind::after_id, "x"},
      {"/events/a?last_event_id=12-3", {"a"}, Kind::after_id, "12-3"},
      {"/events/a?last_event_id=", {"a"}},
      {"/events/a?since=0", {"a"}, Kind::since, "", 0},
      {"/events/a?since=1234", {"a"}, Kind::since, "", 1234},
      {"/events/a?since=90s", {"a"}, Kind::since, "", kNow - 90'000},
      {"/events/a?since=15m", {"a"}, Kind::since, "", kNow - 900'000},
      {"/events/a?since=1h", {"a"}, Kind::since, "", kNow - 3'600'000},
      {"/events/a?since=2d", {"a"}, Kind::since, "", kNow - 172'800'000},
      {"/events/a?since=250ms", {"a"}, Kind::since, "", kNow - 250},
      {"/events/a?since=999999999h", {"a"}, Kind::since, "", 0},
      {"/events/a?since=18446744073709551615", {"a"}, Kind::since, "", (1ULL << 44) - 1},
      {"/events/a?last=0", {"a"}, Kind::last, "", 0},
      {"/events/a?last=10", {"a"}, Kind::last, "", 10},
      {"/events/a?last=10&since=5", {"a"}, Kind::since, "", 5},
      {"/events/a?last=10&since=5&last_event_id=x", {"a"}, Kind::after_id, "x"},
      {"/events/a?limit=1", {"a"}, Kind::live, "", 0, 1},
      {"/events/a?limit=4294967295", {"a"}, Kind::live, "", 0, UINT32_MAX},
      {"/events/a?follow=0", {"a"}, Kind::live, "", 0, 0, false},
      {"/events/a?follow=1", {"a"}},
      {"/events/a?unknown=1", {"a"}},
  };
  for (const Good& row : table) {
    SubscribeRequest out;
    EXPECT_EQ(read(row.target, 128, out), "") << row.target;
    EXPECT_EQ(out.topics, row.topics) << row.target;
    EXPECT_EQ(out.start.kind, row.kind) << row.target;
    EXPECT_EQ(out.start.id, row.id) << row.target;
    EXPECT_EQ(row.kind == Kind::last ? out.start.last : out.start.since_ms, row.number) << row.target;
    EXPECT_EQ(out.limit, row.limit) << row.target;
    EXPECT_EQ(out.follows, row.follows) << row.target;
  }
}

TEST(SubscribeRequest, refuses_what_it_cannot_read) {
  const std::vector<std::string> table = {
      "/events",
      "/events/",
      "/events?topic=",
      "/events/%",
      "/events/%zz",
      "/events/%00",
      "/events/%0a",
      "/events/%ff",
      "/events/" + std::string(256, 'a'),
      "/events/a?topic=%f",
      "/events/a?x=%zz",
      "/events/a?since=",
      "/events/a?since=-1",
      "/events/a?since=1x",
      "/events/a?since=s",
      "/events/a?since=1.5h",
      "/events/a?since=99999999999999999999",
      "/events/a?since=18446744073709551615h",
      "/events/a?last=",
      "/events/a?last=-1",
      "/events/a?last=all",
      "/events/a?limit=0",
      "/events/a?limit=",
      "/events/a?limit=4294967296",
      "/events/a?limit=-1",
      "/events/a?follow=",
      "/events/a?follow=2",
      "/events/a?follow=true",
      "/events/a?last_event_id=" + std::string(256, 'x'),
      "/events/a?last_event_id=%ff",
  };
  for (const std::string& target : table) {
    SubscribeRequest out;
    EXPECT_NE(read(target, 128, out), "") << target;
  }
}

TEST(SubscribeRequest, takes_as_many_topics_as_it_may_and_no_more) {
  const auto ask = [](int count) {
    std::string target = "/events?topic=t0";
    for (int i = 1; i < count; ++i) target += "&topic=t" + std::to_string(i);
    target += "&topic=t0";  // Once more does not count.
    SubscribeRequest out;
    return read(target, 5, out);
  };
  EXPECT_EQ(ask(5), "");
  EXPECT_NE(ask(6), "");
}

TEST(SubscribeRequest, lets_the_header_win_over_the_query) {
  SubscribeRequest out;
  EXPECT_EQ(read("/events/a?last_event_id=old&last=3", 128, out, "new"), "");
  EXPECT_EQ(out.start.kind, Kind::after_id);
  EXPECT_EQ(out.start.id, "new");
}

TEST(SubscribeRequest, takes_an_empty_header_for_none) {
  SubscribeRequest out;
  EXPECT_EQ(read("/events/a?last_event_id=old", 128, out), "");
  EXPECT_EQ(out.start.id, "old");
}

TEST(SubscribeRequest, knows_its_paths) {
  EXPECT_TRUE(is_subscribe_path("/events"));
  EXPECT_TRUE(is_subscribe_path("/events/"));
  EXPECT_TRUE(is_subscribe_path("/events/a"));
  EXPECT_FALSE(is_subscribe_path("/eventsa"));
  EXPECT_FALSE(is_subscribe_path("/event"));
  EXPECT_FALSE(is_subscribe_path("/"));
  EXPECT_FALSE(is_subscribe_path(""));
}

}  // namespace
}  // namespace broadside
