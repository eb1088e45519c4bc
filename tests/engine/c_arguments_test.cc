// What a C caller hands over is not trusted: null pointers, sizes of older and newer programs, values out of range.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "broadside/c_sse.h"
#include "engine/c_config.h"
#include "engine/c_values.h"
#include "tests/engine/c_fixture.h"

namespace broadside {
namespace {

// What begins every sized structure in memory; the rest is garbage unless a test says otherwise.
template <typename T, std::size_t extra_bytes = 0>
struct Raw {
  explicit Raw(unsigned char filler) { std::memset(bytes.data(), filler, bytes.size()); }
  T* get() { return reinterpret_cast<T*>(bytes.data()); }
  alignas(T) std::array<unsigned char, sizeof(T) + extra_bytes> bytes;
};

class CArgumentsTest : public CFixture {};

TEST_F(CArgumentsTest, a_null_argument_is_an_error_and_no_crash) {
  start();
  const broadside_slice text = broadside_text("x");
  const broadside_slice bad = {.data = nullptr, .size = 1};
  const broadside_event event = event_of("x");
  broadside_event bad_event = event_of("x");
  bad_event.key = bad;
  broadside_topic* topic = nullptr;
  broadside_topic_info info;
  broadside_topic_info_init(&info);
  bool is_there = false;
  const auto done = [](void*, broadside_send_outcome) noexcept {};
  const auto connections = [](void*, const broadside_connection_page*) noexcept {};
  const auto topics = [](void*, const broadside_topic_page*) noexcept {};
  broadside_engine* const e = engine_;
  broadside_error* const err = &error_;
  const std::vector<std::function<broadside_status()>> calls = {
      [&] { return broadside_config_check(nullptr, err); },
      [&] { return broadside_engine_create(nullptr, nullptr, &engine_, err); },
      [&] { return broadside_engine_create(&config_, nullptr, nullptr, err); },
      [&] { return broadside_engine_start(nullptr, err); },
      [&] { return broadside_engine_stop(nullptr, err); },
      [&] { return broadside_engine_run_once(nullptr, err); },
      [&] { return broadside_engine_start_drain(nullptr, err); },
      [&] { return broadside_engine_wait_drained(nullptr, nullptr, err); },
      [&] { return broadside_engine_reconfigure(nullptr, &config_, err); },
      [&] { return broadside_engine_reconfigure(e, nullptr, err); },
      [&] { return broadside_engine_publish(nullptr, text, &event, nullptr, err); },
      [&] { return broadside_engine_publish(e, bad, &event, nullptr, err); },
      [&] { return broadside_engine_publish(e, text, nullptr, nullptr, err); },
      [&] { return broadside_engine_publish(e, text, &bad_event, nullptr, err); },
      [&] { return broadside_engine_publish_batch(nullptr, nullptr, 0, nullptr, nullptr, err); },
      [&] { return broadside_engine_publish_batch(e, nullptr, 1, nullptr, nullptr, err); },
      [&] { return broadside_engine_end(nullptr, text, nullptr, nullptr, err); },
      [&] { return broadside_engine_end(e, bad, nullptr, nullptr, err); },
      [&] { return broadside_topic_open(nullptr, text, &topic, err); },
      [&] { return broadside_topic_open(e, bad, &topic, err); },
      [&] { return broadside_topic_open(e, text, nullptr, err); },
      [&] { return broadside_topic_publish(nullptr, &event, nullptr, err); },
      [&] { return broadside_engine_adopt(nullptr, 0, nullptr, nullptr, err); },
      [&] { return broadside_engine_adopt(e, 0, nullptr, nullptr, err); },
      [&] { return broadside_engine_decide(e, {}, nullptr, err); },
      [&] { return broadside_engine_respond(e, {}, nullptr, err); },
      [&] { return broadside_engine_start_send_to(nullptr, text, &event, done, nullptr, err); },
      [&] { return broadside_engine_start_send_to(e, bad, &event, done, nullptr, err); },
      [&] { return broadside_engine_start_send_to(e, text, nullptr, done, nullptr, err); },
      [&] { return broadside_engine_start_renew(nullptr, text, 0, nullptr, nullptr, nullptr, err); },
      [&] { return broadside_engine_start_renew(e, bad, 0, nullptr, nullptr, nullptr, err); },
      [&] { return broadside_engine_stats(nullptr, nullptr, err); },
      [&] { return broadside_engine_stats(e, nullptr, err); },
      [&] { return broadside_engine_shard_stats(nullptr, 0, nullptr, err); },
      [&] { return broadside_engine_shard_stats(e, 0, nullptr, err); },
      [&] { return broadside_engine_find_topic(nullptr, text, &info, &is_there, err); },
      [&] { return broadside_engine_find_topic(e, bad, &info, &is_there, err); },
      [&] { return broadside_engine_find_topic(e, text, nullptr, &is_there, err); },
      [&] { return broadside_engine_find_topic(e, text, &info, nullptr, err); },
      [&] { return broadside_engine_list_topics(nullptr, 1, {}, topics, nullptr, err); },
      [&] { return broadside_engine_list_topics(e, 1, bad, topics, nullptr, err); },
      [&] { return broadside_engine_list_topics(e, 1, {}, nullptr, nullptr, err); },
      [&] { return broadside_engine_start_list_connections(nullptr, 1, {}, connections, nullptr, err); },
      [&] { return broadside_engine_start_list_connections(e, 1, bad, connections, nullptr, err); },
      [&] { return broadside_engine_start_list_connections(e, 1, {}, nullptr, nullptr, err); },
      [&] { return broadside_engine_start_list_subscribers(nullptr, text, 1, {}, connections, nullptr, err); },
      [&] { return broadside_engine_start_list_subscribers(e, bad, 1, {}, connections, nullptr, err); },
      [&] { return broadside_engine_start_list_subscribers(e, text, 1, {}, nullptr, nullptr, err); },
      [&] { return broadside_engine_start_list_slowest(nullptr, 1, connections, nullptr, err); },
      [&] { return broadside_engine_start_list_slowest(e, 1, nullptr, nullptr, err); },
      [&] { return broadside_engine_start_list_topics(nullptr, 1, BROADSIDE_ORDER_RATE, topics, nullptr, err); },
      [&] { return broadside_engine_start_list_topics(e, 1, BROADSIDE_ORDER_RATE, nullptr, nullptr, err); },
      [&] { return broadside_subscribe_request_read(text, {}, {}, nullptr, err); },
      [&] { return broadside_reply_respond(nullptr, nullptr, err); },
      [&] { return broadside_reply_read(nullptr, nullptr, err); },
      [&] { return broadside_reply_decide(nullptr, nullptr, err); },
      [&] { return broadside_reply_later(nullptr, err); },
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(calls[i](), BROADSIDE_INVALID_ARGUMENT) << "call " << i;
    EXPECT_TRUE(std::strstr(error_.message, " is null") != nullptr) << "call " << i << ": " << error_.message;
    error_ = {};
    if (engine_ == nullptr) engine_ = e;  // create() has said that there is none.
  }
}

TEST_F(CArgumentsTest, what_has_no_status_takes_null_as_nothing) {
  char buffer[4] = "abc";
  EXPECT_EQ(broadside_engine_poll_fd(nullptr), -1);
  EXPECT_EQ(broadside_engine_next_timeout_ms(nullptr), -1);
  EXPECT_EQ(broadside_engine_listen_url(nullptr, 0, buffer, sizeof buffer), 0U);
  EXPECT_STREQ(buffer, "");
  EXPECT_EQ(broadside_engine_describe_backend(nullptr, nullptr, 0), 0U);
  EXPECT_EQ(broadside_topic_name(nullptr).size, 0U);
  EXPECT_EQ(broadside_request_header(nullptr, broadside_text("Host")).data, nullptr);
  broadside_output_append(nullptr, broadside_text("x"));
  broadside_topic_close(nullptr);
  broadside_engine_destroy(nullptr);
  broadside_subscribe_request_destroy(nullptr);
  broadside_config_set_defaults(nullptr, sizeof(broadside_config));
  broadside_topic_rules_set_defaults(nullptr, sizeof(broadside_topic_rules));
  EXPECT_EQ(broadside_text(nullptr).size, 0U);
  broadside_error none;
  EXPECT_EQ(broadside_config_check(nullptr, nullptr), broadside_config_check(nullptr, &none)) << "no error is wanted";
}

TEST_F(CArgumentsTest, a_size_that_was_never_set_is_refused) {
  for (const std::size_t size : {std::size_t{0}, sizeof(std::size_t) - 1, std::size_t{4097}, SIZE_MAX}) {
    config_.size = size;
    EXPECT_EQ(broadside_config_check(&config_, &error_), BROADSIDE_INVALID_ARGUMENT) << size;
    EXPECT_STREQ(error_.message, "config has no size: its _init function sets it");
  }
}

TEST_F(CArgumentsTest, an_older_program_has_the_defaults_of_what_it_does_not_know) {
  Raw<broadside_config> older(0xff);
  const std::size_t size = offsetof(broadside_config, connections_max);
  broadside_config_set_defaults(older.get(), size);
  EXPECT_EQ(older.bytes[size], 0xff) << "written behind what it knows";
  older.get()->shards = 3;
  CArguments arguments(&error_);
  const Config read = read_config(arguments, known_config(arguments, older.get()));
  EXPECT_TRUE(arguments.are_good()) << error_.message;
  EXPECT_EQ(read.shards, 3U);
  EXPECT_EQ(read.connections_max, Config().connections_max);
  EXPECT_EQ(read.send_bytes_max, Config().send_bytes_max);
}

TEST_F(CArgumentsTest, a_newer_program_may_not_ask_for_what_is_unknown_here) {
  Raw<broadside_config, 16> newer(0xff);
  broadside_config_set_defaults(newer.get(), newer.bytes.size());
  EXPECT_EQ(newer.get()->size, newer.bytes.size());
  EXPECT_EQ(broadside_config_check(newer.get(), &error_), BROADSIDE_OK) << error_.message;
  newer.bytes.back() = 1;
  EXPECT_EQ(broadside_config_check(newer.get(), &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_TRUE(std::strstr(error_.message, "newer libbroadside") != nullptr) << error_.message;
}

TEST_F(CArgumentsTest, answers_fill_what_the_program_knows_and_nothing_behind_it) {
  create();
  Raw<broadside_stats> older(0xff);
  older.get()->size = offsetof(broadside_stats, topics);
  ASSERT_EQ(broadside_engine_stats(engine_, older.get(), &error_), BROADSIDE_OK);
  EXPECT_EQ(older.get()->size, offsetof(broadside_stats, topics));
  EXPECT_EQ(older.get()->shards, 2U);
  EXPECT_EQ(older.get()->topics, UINT64_MAX);

  Raw<broadside_stats, 8> newer(0xff);
  newer.get()->size = newer.bytes.size();
  ASSERT_EQ(broadside_engine_stats(engine_, newer.get(), &error_), BROADSIDE_OK);
  EXPECT_EQ(newer.get()->size, newer.bytes.size());
  EXPECT_EQ(newer.get()->publishes, 0U);
  EXPECT_EQ(newer.bytes.back(), 0);
}

TEST_F(CArgumentsTest, a_value_that_is_no_constant_is_refused) {
  for (const std::int32_t value : {-1, 3, INT32_MAX, INT32_MIN}) {
    config_.backend = value;
    EXPECT_EQ(broadside_config_check(&config_, &error_), BROADSIDE_INVALID_ARGUMENT);
    EXPECT_STREQ(error_.message, "backend is none of its constants");
    config_.backend = BROADSIDE_BACKEND_AUTOMATIC;
    broadside_topic_rules rules;
    broadside_topic_rules_init(&rules);
    rules.policy = value;
    config_.defaults = &rules;
    EXPECT_EQ(broadside_config_check(&config_, &error_), BROADSIDE_INVALID_ARGUMENT);
    EXPECT_STREQ(error_.message, "policy is none of its constants");
    config_.defaults = nullptr;
  }
}

TEST_F(CArgumentsTest, the_defaults_of_c_are_those_of_the_engine) {
  const auto expect_defaults = [](const Config& config) {
    const Config ours;
    EXPECT_EQ(config.defaults, ours.defaults);
    EXPECT_EQ(config.event_bytes_max, ours.event_bytes_max);
    EXPECT_EQ(config.stall_timeout_ms, ours.stall_timeout_ms);
    EXPECT_EQ(config.backlog_bytes, ours.backlog_bytes);
    EXPECT_EQ(config.backend, ours.backend);
    EXPECT_TRUE(config.listen.empty() && config.topics.empty());
  };
  CArguments arguments(&error_);
  broadside_config config;
  broadside_config_init(&config);
  expect_defaults(read_config(arguments, config));
  broadside_topic_rules rules;
  broadside_topic_rules_init(&rules);
  config.defaults = &rules;
  expect_defaults(read_config(arguments, config));
  EXPECT_TRUE(arguments.are_good()) << error_.message;
}

TEST_F(CArgumentsTest, each_member_of_the_configuration_has_its_own_place) {
  config_.shards = 1;
  config_.connections_max = 2;
  config_.head_bytes_max = 3;
  config_.head_timeout_ms = 4;
  config_.body_timeout_ms = 5;
  config_.answer_timeout_ms = 6;
  config_.idle_timeout_ms = 7;
  config_.body_bytes_max = 8;
  config_.event_bytes_max = 9;
  config_.topics_per_subscriber_max = 10;
  config_.stream_age_max_ms = 11;
  config_.memory_max = 12;
  config_.history_memory = 13;
  config_.backlog_bytes = 14;
  config_.ended_age_ms = 15;
  config_.expiry_notice_ms = 16;
  config_.retry_ms = 17;
  config_.stall_timeout_ms = 18;
  config_.send_bytes_max = 19;
  config_.send_buffer_bytes = 20;
  config_.drain_timeout_ms = 21;
  config_.drain_rate = 22;
  config_.address_connections_max = 23;
  config_.address_prefix6 = 24;
  config_.subject_connections_max = 25;
  config_.address_connect_rate = 26;
  const broadside_slice proxy = broadside_text("unix");
  config_.trusted_proxies = &proxy;
  config_.trusted_proxy_count = 1;
  config_.backend = BROADSIDE_BACKEND_EPOLL;
  config_.is_host_driven = true;
  CArguments arguments(&error_);
  const Config read = read_config(arguments, config_);
  const std::vector<std::uint64_t> members = {read.shards,
                                              read.connections_max,
                                              read.head_bytes_max,
                                              read.head_timeout_ms,
                                              read.body_timeout_ms,
                                              read.answer_timeout_ms,
                                              read.idle_timeout_ms,
                                              read.body_bytes_max,
                                              read.event_bytes_max,
                                              read.topics_per_subscriber_max,
                                              read.stream_age_max_ms,
                                              read.memory_max,
                                              read.history_memory,
                                              read.backlog_bytes,
                                              read.ended_age_ms,
                                              read.expiry_notice_ms,
                                              read.retry_ms,
                                              read.stall_timeout_ms,
                                              read.send_bytes_max,
                                              read.send_buffer_bytes,
                                              read.drain_timeout_ms,
                                              read.drain_rate,
                                              read.address_connections_max,
                                              read.address_prefix6,
                                              read.subject_connections_max,
                                              static_cast<std::uint64_t>(read.address_connect_rate)};
  for (std::size_t i = 0; i < members.size(); ++i) EXPECT_EQ(members[i], i + 1);
  EXPECT_EQ(read.backend, Backend::epoll);
  EXPECT_TRUE(read.is_host_driven);
  EXPECT_EQ(read.listen, std::vector<std::string>{"127.0.0.1:0"});
  EXPECT_EQ(read.trusted_proxies, std::vector<std::string>{"unix"});
}

TEST_F(CArgumentsTest, each_member_of_a_topics_rules_has_its_own_place) {
  broadside_topic_rules rules;
  broadside_topic_rules_init(&rules);
  rules.history_events = 1;
  rules.history_bytes = 2;
  rules.history_age_ms = 3;
  rules.policy = BROADSIDE_LAG_SKIP;
  rules.heartbeat_ms = 4;
  rules.lag = {.events = 5, .bytes = 6, .age_ms = 7};
  rules.soft_lag = {.events = 8, .bytes = 9, .age_ms = 10};
  rules.keep = 11;
  rules.rate = 12;
  rules.keys = 13;
  rules.snapshot = true;
  const broadside_topic_section section = {.pattern = broadside_text("a.*"), .rules = &rules};
  config_.topics = &section;
  config_.topic_count = 1;
  CArguments arguments(&error_);
  const Config read = read_config(arguments, config_);
  ASSERT_EQ(read.topics.size(), 1U);
  const TopicRules expected{.history_events = 1,
                            .history_bytes = 2,
                            .history_age_ms = 3,
                            .policy = LagPolicy::skip,
                            .lag = {.events = 5, .bytes = 6, .age_ms = 7},
                            .soft_lag = {.events = 8, .bytes = 9, .age_ms = 10},
                            .keep = 11,
                            .rate = 12,
                            .keys = 13,
                            .snapshot = true,
                            .heartbeat_ms = 4};
  EXPECT_EQ(read.topics[0], (TopicSection{.pattern = "a.*", .rules = expected}));
  EXPECT_EQ(read.defaults, TopicRules());
}

// How many values an aggregate takes.
struct Anything {
  template <typename T>
  operator T() const {
    std::abort();  // Nobody calls it.
  }
};
template <typename T, typename... Values>
constexpr std::size_t member_count() {
  if constexpr (requires { T{std::declval<Values>()..., Anything()}; }) {
    return member_count<T, Values..., Anything>();
  } else {
    return sizeof...(Values);
  }
}

// A number that is wrong here: somebody has given C++ a member. It is for C as well, at the end of its structure; or it is not,
// and the number changes alone.
TEST(CMembersTest, whatever_the_engine_has_c_has_too) {
  EXPECT_EQ(member_count<Config>(), 34U) << "broadside_config, but for transports";
  EXPECT_EQ(member_count<TopicRules>(), 11U) << "broadside_topic_rules";
  EXPECT_EQ(member_count<Event>(), 5U) << "broadside_event";
  EXPECT_EQ(member_count<Admission>(), 6U) << "broadside_admission";
  EXPECT_EQ(member_count<SubscribeDecision>(), 5U) << "broadside_decision";
  EXPECT_EQ(member_count<Response>(), 6U) << "broadside_response";
  EXPECT_EQ(member_count<Request>(), 11U) << "broadside_request, but for is_proxied";
  EXPECT_EQ(member_count<SubscribeRequest>(), 5U) << "broadside_subscribe_request";
  EXPECT_EQ(member_count<StartRequest>(), 5U) << "broadside_subscribe_request";
  EXPECT_EQ(member_count<SubscriberView>(), 5U) << "broadside_subscriber";
  EXPECT_EQ(member_count<ShardStats>(), 29U) << "broadside_shard_stats";
  EXPECT_EQ(member_count<Stats>(), 5U) << "broadside_stats";
  EXPECT_EQ(member_count<LogStats>(), 12U) << "broadside_stats";
  EXPECT_EQ(member_count<TopicInfo>(), 9U) << "broadside_topic_info";
  EXPECT_EQ(member_count<ConnectionInfo>(), 12U) << "broadside_connection_info";
}

// The ABI of 0.1 on 64 bits. A structure with a `size` may grow, at its end and not into its padding, which an older program
// leaves as it is: the new member begins where the old size ended. One without stays for good.
#if UINTPTR_MAX == UINT64_MAX
static_assert(sizeof(broadside_slice) == 16 && offsetof(broadside_slice, size) == 8);
static_assert(sizeof(broadside_error) == 512 && offsetof(broadside_error, message) == 0);
static_assert(sizeof(broadside_event) == 88 && offsetof(broadside_event, has_retry) == 80);
static_assert(sizeof(broadside_lag) == 24 && offsetof(broadside_lag, age_ms) == 16);
static_assert(sizeof(broadside_topic_rules) == 112 && offsetof(broadside_topic_rules, snapshot) == 108);
static_assert(sizeof(broadside_topic_section) == 24 && offsetof(broadside_topic_section, rules) == 16);
static_assert(sizeof(broadside_config) == 232 && offsetof(broadside_config, is_host_driven) == 184);
static_assert(offsetof(broadside_config, address_connect_rate) == 192 && offsetof(broadside_config, trusted_proxy_count) == 224);
static_assert(sizeof(broadside_token) == 16 && offsetof(broadside_token, request) == 12);
static_assert(sizeof(broadside_header) == 32 && offsetof(broadside_header, value) == 16);
static_assert(sizeof(broadside_request) == 144 && offsetof(broadside_request, token) == 128);
static_assert(sizeof(broadside_subscribe_request) == 80 && offsetof(broadside_subscribe_request, limit) == 72);
static_assert(sizeof(broadside_admission) == 72 && offsetof(broadside_admission, age_max_ms) == 64);
static_assert(sizeof(broadside_decision) == 56 && offsetof(broadside_decision, admission) == 48);
static_assert(sizeof(broadside_response) == 72 && offsetof(broadside_response, close) == 64);
static_assert(sizeof(broadside_body_reader) == 56 && offsetof(broadside_body_reader, on_close) == 48);
static_assert(sizeof(broadside_subscriber) == 72 && offsetof(broadside_subscriber, sent) == 64);
static_assert(sizeof(broadside_hooks) == 72 && offsetof(broadside_hooks, on_lag) == 64);
static_assert(sizeof(broadside_durations) == 152 && offsetof(broadside_durations, sum_ns) == 144);
static_assert(sizeof(broadside_shard_stats) == 1184 && offsetof(broadside_shard_stats, subscribers_soft_lagging) == 1176);
static_assert(sizeof(broadside_stats) == 128 && offsetof(broadside_stats, published) == 120);
static_assert(sizeof(broadside_topic_info) == 104 && offsetof(broadside_topic_info, lag) == 80);
static_assert(sizeof(broadside_connection_info) == 144 && offsetof(broadside_connection_info, age_ms) == 136);
static_assert(sizeof(broadside_connection_page) == 40 && offsetof(broadside_connection_page, next) == 24);
static_assert(sizeof(broadside_topic_page) == 24 && offsetof(broadside_topic_page, topic_count) == 16);
static_assert(sizeof(broadside_published) == 24 && offsetof(broadside_published, is_duplicate) == 16);
static_assert(sizeof(broadside_batch_entry) == 24 && offsetof(broadside_batch_entry, event) == 16);
static_assert(sizeof(broadside_adopt_options) == 24 && offsetof(broadside_adopt_options, is_head_written) == 16);
static_assert(sizeof(broadside_sse_event) == 56 && offsetof(broadside_sse_event, last_event_id) == 40);
static_assert(sizeof(broadside_sse_sink) == 40 && offsetof(broadside_sse_sink, on_comment) == 32);
#endif

}  // namespace
}  // namespace broadside
