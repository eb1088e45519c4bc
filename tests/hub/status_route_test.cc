// Health, readiness and listings, from counters made up here; paths and their methods.
#include "hub/status_route.h"

#include <gtest/gtest.h>

#include "hub/publish_parameters.h"
#include "hub/route.h"
#include "tests/support/json.h"

namespace broadside::hub {
namespace {

using test::is_json;

Stats two_shards() {
  Stats stats;
  stats.shards.resize(2);
  stats.monotonic_ms = 100'000;
  stats.shards[0].last_turn_ms = 100'001;  // Just after the clock was read.
  stats.shards[1].last_turn_ms = 95'000;
  return stats;
}

TEST(Health, is_good_while_every_shard_makes_progress) {
  EXPECT_EQ(health_response(two_shards(), 90'000).status, 200);
  EXPECT_TRUE(is_json(health_response(two_shards(), 90'000).body));
}

TEST(Health, names_the_shard_that_hangs) {
  Stats stats = two_shards();
  stats.shards[1].last_turn_ms = 94'999;
  const Response response = health_response(stats, 90'000);
  EXPECT_EQ(response.status, 503);
  EXPECT_NE(response.body.find("shard 1"), std::string::npos) << response.body;
}

TEST(Health, measures_a_shard_without_a_turn_from_the_start) {
  Stats stats = two_shards();
  stats.shards[1].last_turn_ms = 0;
  EXPECT_EQ(health_response(stats, 95'000).status, 200);
  EXPECT_EQ(health_response(stats, 94'999).status, 503);
}

TEST(Health, readiness_ends_with_the_drain) {
  Stats stats = two_shards();
  EXPECT_EQ(readiness_response(stats).status, 200);
  stats.is_draining = true;
  EXPECT_EQ(readiness_response(stats).status, 503);
}

TEST(Listing, reads_its_range) {
  ListingRange range;
  EXPECT_EQ(parse_listing_range("", range), "");
  EXPECT_EQ(range.count, 100U);
  EXPECT_EQ(parse_listing_range("limit=1000&after=a%20b", range), "");
  EXPECT_EQ(range.count, 1000U);
  EXPECT_EQ(range.after, "a b");
  EXPECT_EQ(parse_listing_range("limit=1", range), "");
  for (const char* bad : {"limit=0", "limit=1001", "limit=", "limit=-1", "limit=1x", "limit=99999999999999999999"}) {
    EXPECT_NE(parse_listing_range(bad, range).find("limit"), std::string::npos) << bad;
  }
  EXPECT_NE(parse_listing_range("after=%zz", range), "");
  EXPECT_EQ(parse_listing_range("top=20&by=rate", range), "");
  EXPECT_EQ(range.top, 20U);
  EXPECT_EQ(range.order, TopicOrder::rate);
  EXPECT_EQ(parse_listing_range("by=subscribers&top=1000", range), "");
  EXPECT_EQ(range.order, TopicOrder::subscribers);
  EXPECT_EQ(parse_listing_range("top=1", range), "");
  EXPECT_EQ(range.order, TopicOrder::lag);
  for (const char* bad :
       {"top=0", "top=1001", "top=", "top=5&after=x", "top=5&limit=5", "by=lag", "top=5&by=", "top=5&by=name"}) {
    EXPECT_NE(parse_listing_range(bad, range), "") << bad;
  }
}

TEST(Listing, says_where_to_go_on) {
  TopicInfo topic;
  topic.name = "a\"b";
  EXPECT_EQ(topics_json({}, 10), R"({"topics":[],"next":null})");
  EXPECT_TRUE(is_json(topics_json({topic}, 1)));
  EXPECT_EQ(test::json_string(topics_json({topic}, 1), "/next"), "a\"b");
  EXPECT_TRUE(test::json_is_null(topics_json({topic}, 2), "/next"));
  EXPECT_TRUE(test::json_is_null(topic_json(topic), "/newest"));
  topic.newest = Position::of(5, 7);
  EXPECT_EQ(test::json_string(topic_json(topic), "/newest"), "5-7");
}

TEST(Listing, describes_connections) {
  ConnectionPage page;
  EXPECT_EQ(connections_json(page), R"({"connections":[],"next":null})");
  ConnectionInfo info{.id = "0f", .topics = {"a\"b", "c"}, .topic_count = 20, .sent = Position::of(5, 7)};
  info.lag = {.events = 3, .bytes = 100, .age_ms = 250};
  page.connections.push_back(info);
  info.peer = "127.0.0.1:5";
  info.subject = "ann";
  info.is_blocked = true;
  info.blocked_ms = 1200;
  info.age_ms = 5000;
  page.connections.push_back(info);
  page.next = "1-77";
  EXPECT_EQ(
      connections_json(page),
      R"({"connections":[{"id":"0f","peer":null,"subject":null,"topics":["a\"b","c"],"topic_count":20,"sent":"5-7",)"
      R"("lag":{"events":3,"bytes":100,"age_ms":250},"over_soft_limit":false,"blocked":false,"blocked_ms":0,"age_ms":0},)"
      R"({"id":"0f","peer":"127.0.0.1:5","subject":"ann","topics":["a\"b","c"],"topic_count":20,"sent":"5-7",)"
      R"("lag":{"events":3,"bytes":100,"age_ms":250},"over_soft_limit":false,"blocked":true,"blocked_ms":1200,"age_ms":5000}],"next":"1-77"})");
}

TEST(Listing, describes_the_topics_that_come_first) {
  TopicInfo topic{.name = "a", .subscribers = 4, .rate = 1.25};
  topic.lag = {.events = 3, .bytes = 100, .age_ms = 250};
  EXPECT_EQ(top_topics_json({topic}, true),
            R"({"topics":[{"name":"a","subscribers":4,"events":0,"bytes":0,"newest":null,"keys":0,"ended":false,"rate":1.250,)"
            R"("lag":{"events":3,"bytes":100,"age_ms":250}}],"next":null})");
  EXPECT_EQ(top_topics_json({topic}, false).find("lag"), std::string::npos);
}

TEST(Route, knows_paths_by_their_raw_segments) {
  struct Row {
    const char* path;
    Resource resource;
    const char* name;
  };
  for (const Row& row :
       {Row{"/", Resource::page, ""}, Row{"/events", Resource::events, ""}, Row{"/events/", Resource::topic_log, ""},
        Row{"/events/a%2Fb+c", Resource::topic_log, "a/b+c"}, Row{"/events/a/b", Resource::topic_log, "a/b"},
        Row{"/events/a%2", Resource::bad_escape, ""}, Row{"/topics%2Fa", Resource::unknown, ""},
        Row{"/topics/a", Resource::topic, "a"}, Row{"/connections", Resource::connections, ""},
        Row{"/connections/0f", Resource::connection, "0f"}, Row{"/healthz", Resource::healthz, ""},
        Row{"/healthz/", Resource::unknown, ""}, Row{"/no%zz", Resource::bad_escape, ""}, Row{"*", Resource::server, ""},
        Row{"/Events", Resource::unknown, ""}}) {
    const Route route = route_of(row.path);
    EXPECT_EQ(route.resource, row.resource) << row.path;
    EXPECT_EQ(route.name, row.name) << row.path;
  }
}

TEST(PublishParameters, are_read_from_the_query) {
  PublishParameters parameters;
  EXPECT_EQ(parse_publish_parameters("event=a+b&id=%C3%A4&key=k&retry=15&other=%20", parameters), "");
  EXPECT_EQ(parameters.type, "a b");
  EXPECT_EQ(parameters.id, "\xC3\xA4");
  EXPECT_EQ(parameters.key, "k");
  EXPECT_EQ(parameters.retry_ms, 15U);
  for (const char* bad : {"retry=", "retry=-1", "retry=1s", "id=a&id=b", "event=%zz", "other=%z"}) {
    EXPECT_NE(parse_publish_parameters(bad, parameters), "") << bad;
  }
}

}  // namespace
}  // namespace broadside::hub
