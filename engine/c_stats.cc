// Counters and listings for C: broadside/stats.h in the structures of broadside/c_stats.h.
#include "broadside/c_stats.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broadside/c_api.h"
#include "engine/c_engine.h"
#include "engine/c_values.h"

namespace broadside {
namespace {

static_assert(BROADSIDE_CLOSE_PEER == static_cast<int>(CloseReason::peer));
static_assert(BROADSIDE_CLOSE_FAILED == static_cast<int>(CloseReason::failed));
static_assert(BROADSIDE_CLOSE_STALLED == static_cast<int>(CloseReason::stalled));
static_assert(BROADSIDE_CLOSE_LAGGING == static_cast<int>(CloseReason::lagging));
static_assert(BROADSIDE_CLOSE_FINISHED == static_cast<int>(CloseReason::finished));
static_assert(BROADSIDE_CLOSE_IDLE == static_cast<int>(CloseReason::idle));
static_assert(BROADSIDE_CLOSE_DRAINED == static_cast<int>(CloseReason::drained));
static_assert(BROADSIDE_CLOSE_AGED == static_cast<int>(CloseReason::aged));
static_assert(BROADSIDE_CLOSE_STOPPED == static_cast<int>(CloseReason::stopped));
static_assert(BROADSIDE_CLOSE_EXPIRED == static_cast<int>(CloseReason::expired));
static_assert(kCloseReasonNames.size() == 10, "c_stats.h names them all");
static_assert(BROADSIDE_REFUSAL_FULL == static_cast<int>(RefusalReason::full));
static_assert(BROADSIDE_REFUSAL_MEMORY == static_cast<int>(RefusalReason::memory));
static_assert(BROADSIDE_REFUSAL_DRAINING == static_cast<int>(RefusalReason::draining));
static_assert(BROADSIDE_REFUSAL_CROWDED == static_cast<int>(RefusalReason::crowded));
static_assert(BROADSIDE_REFUSAL_MALFORMED == static_cast<int>(RefusalReason::malformed));
static_assert(BROADSIDE_REFUSAL_FORBIDDEN == static_cast<int>(RefusalReason::forbidden));
static_assert(BROADSIDE_REFUSAL_NOT_FOUND == static_cast<int>(RefusalReason::not_found));
static_assert(BROADSIDE_REFUSAL_SLOW == static_cast<int>(RefusalReason::slow));
static_assert(BROADSIDE_REFUSAL_TOO_LARGE == static_cast<int>(RefusalReason::too_large));
static_assert(BROADSIDE_REFUSAL_OVERLOADED == static_cast<int>(RefusalReason::overloaded));
static_assert(BROADSIDE_REFUSAL_ADDRESS == static_cast<int>(RefusalReason::address));
static_assert(BROADSIDE_REFUSAL_SUBJECT == static_cast<int>(RefusalReason::subject));
static_assert(BROADSIDE_REFUSAL_TOO_MANY == static_cast<int>(RefusalReason::too_many));
static_assert(kRefusalReasonNames.size() == 13, "c_stats.h names them all");
static_assert(BROADSIDE_ORDER_LAG == static_cast<int>(TopicOrder::lag));
static_assert(BROADSIDE_ORDER_SUBSCRIBERS == static_cast<int>(TopicOrder::subscribers));
static_assert(BROADSIDE_ORDER_RATE == static_cast<int>(TopicOrder::rate));
static_assert(BROADSIDE_DURATION_BUCKETS == DurationStats::kBoundsNs.size() + 1);

broadside_durations durations_of(const DurationStats& stats) {
  broadside_durations durations{};
  std::copy(stats.counts.begin(), stats.counts.end(), durations.counts);
  durations.sum_ns = stats.sum_ns;
  return durations;
}

broadside_shard_stats stats_of(const ShardStats& shard) {
  broadside_shard_stats stats = {.size = sizeof stats,
                                 .accepts = shard.accepts,
                                 .accepts_paused = shard.accepts_paused,
                                 .connections = shard.connections,
                                 .subscribers = shard.subscribers,
                                 .subscribers_blocked = shard.subscribers_blocked,
                                 .subscribes = shard.subscribes,
                                 .requests = shard.requests,
                                 .handshakes = shard.handshakes,
                                 .handshakes_failed = shard.handshakes_failed,
                                 .transports = shard.transports,
                                 .deliveries = shard.deliveries,
                                 .bytes_sent = shard.bytes_sent,
                                 .sends = shard.sends,
                                 .sends_short = shard.sends_short,
                                 .heartbeats = shard.heartbeats,
                                 .gaps = shard.gaps,
                                 .skips = shard.skips,
                                 .events_skipped = shard.events_skipped,
                                 .soft_lags = shard.soft_lags,
                                 .closes = {},
                                 .refusals = {},
                                 .last_turn_ms = shard.last_turn_ms,
                                 .busy_ns = shard.busy_ns,
                                 .turns = durations_of(shard.turns),
                                 .first_writes = durations_of(shard.first_writes),
                                 .last_writes = durations_of(shard.last_writes),
                                 .lag_max = lag_of(shard.lag_max),
                                 .subscribers_lagging = shard.subscribers_lagging,
                                 .subscribers_soft_lagging = shard.subscribers_soft_lagging};
  std::copy(shard.closes.begin(), shard.closes.end(), stats.closes);
  std::copy(shard.refusals.begin(), shard.refusals.end(), stats.refusals);
  return stats;
}

broadside_stats stats_of(const Stats& stats) {
  const LogStats& logs = stats.logs;
  return {.size = sizeof(broadside_stats),
          .shards = static_cast<std::uint32_t>(stats.shards.size()),
          .backend = stats.backend == "uring" ? BROADSIDE_BACKEND_URING : BROADSIDE_BACKEND_EPOLL,
          .is_draining = stats.is_draining,
          .monotonic_ms = stats.monotonic_ms,
          .topics = logs.topics,
          .publishes = logs.publishes,
          .publishes_duplicate = logs.publishes_duplicate,
          .publishes_refused = logs.publishes_refused,
          .ends = logs.ends,
          .history_bytes = logs.history_bytes,
          .history_bytes_max = logs.history_bytes_max,
          .keys_bytes = logs.keys_bytes,
          .connection_bytes = logs.connection_bytes,
          .memory_bytes_max = logs.memory_bytes_max,
          .backlog_overruns = logs.backlog_overruns,
          .published = logs.published.packed};
}

// The views of what is returned are into `topic`.
broadside_topic_info info_of(const TopicInfo& topic) {
  return {.size = sizeof(broadside_topic_info),
          .name = slice_of(topic.name),
          .subscribers = topic.subscribers,
          .events = topic.events,
          .bytes = topic.bytes,
          .newest = topic.newest.packed,
          .keys = topic.keys,
          .is_ended = topic.is_ended,
          .rate = topic.rate,
          .lag = lag_of(topic.lag)};
}

// The same of `connection` and `topics`, which are its topics.
broadside_connection_info info_of(const ConnectionInfo& connection, const std::vector<broadside_slice>& topics) {
  return {.size = sizeof(broadside_connection_info),
          .id = slice_of(connection.id),
          .peer = slice_of(connection.peer),
          .topics = topics.data(),
          .topics_shown = topics.size(),
          .topic_count = connection.topic_count,
          .subject = slice_of(connection.subject),
          .user_data = connection.user_data,
          .sent = connection.sent.packed,
          .lag = lag_of(connection.lag),
          .is_over_soft_lag = connection.is_over_soft_lag,
          .is_blocked = connection.is_blocked,
          .blocked_ms = connection.blocked_ms,
          .age_ms = connection.age_ms};
}

template <typename T>
std::vector<const T*> pointers_to(const std::vector<T>& all) {
  std::vector<const T*> pointers;
  pointers.reserve(all.size());
  for (const T& each : all) pointers.push_back(&each);
  return pointers;
}

// Calls `taken` with the page, which is valid meanwhile.
template <typename Taken>
void tell_topics(const std::vector<TopicInfo>& topics, const Taken& taken) {
  std::vector<broadside_topic_info> infos;
  infos.reserve(topics.size());
  for (const TopicInfo& topic : topics) infos.push_back(info_of(topic));
  const auto pointers = pointers_to(infos);
  const broadside_topic_page page = {.size = sizeof page, .topics = pointers.data(), .topic_count = pointers.size()};
  taken(&page);
}

template <typename Taken>
void tell_connections(const ConnectionPage& page, const Taken& taken) {
  std::vector<std::vector<broadside_slice>> topics;
  std::vector<broadside_connection_info> infos;
  topics.reserve(page.connections.size());
  infos.reserve(page.connections.size());
  for (const ConnectionInfo& connection : page.connections) {
    topics.push_back(slices_of(connection.topics));
    infos.push_back(info_of(connection, topics.back()));
  }
  const auto pointers = pointers_to(infos);
  const broadside_connection_page told = {
      .size = sizeof told, .connections = pointers.data(), .connection_count = pointers.size(), .next = slice_of(page.next)};
  taken(&told);
}

// Calls `start` with a sink that tells `done`, exactly once unless the listing is refused.
template <typename Start>
broadside_status start_connections(CArguments& arguments, broadside_connections_sink done, void* user, const Start& start) {
  arguments.need(reinterpret_cast<const void*>(done), "done");
  if (!arguments.are_good()) return arguments.status();
  const auto told = std::make_shared<COnce<const broadside_connection_page*>>(done, user, nullptr);
  const Result<Done> started = start([told](const ConnectionPage& page) {
    tell_connections(page, [&](const broadside_connection_page* seen) { told->call(seen); });
  });
  if (!started) told->forget();
  return arguments.finish(started);
}

}  // namespace
}  // namespace broadside

using broadside::CArguments;
using broadside::ConnectionsSink;

uint64_t broadside_duration_bound_ns(size_t bucket) {
  const auto& bounds = broadside::DurationStats::kBoundsNs;
  return bucket < bounds.size() ? bounds[bucket] : UINT64_MAX;
}

broadside_status broadside_engine_stats(const broadside_engine* engine, broadside_stats* stats, broadside_error* error) {
  CArguments arguments(error);
  if (arguments.need(engine, "engine") && arguments.has_room(stats, "stats")) {
    broadside::give(broadside::stats_of(engine->engine->stats()), stats);
  }
  return arguments.status();
}

broadside_status broadside_engine_shard_stats(const broadside_engine* engine, uint32_t shard, broadside_shard_stats* stats,
                                              broadside_error* error) {
  CArguments arguments(error);
  if (!arguments.need(engine, "engine") || !arguments.has_room(stats, "stats")) return arguments.status();
  if (shard >= engine->shard_count) return arguments.refuse("shard", "is not below broadside_stats::shards");
  broadside::give(broadside::stats_of(engine->engine->stats().shards[shard]), stats);
  return BROADSIDE_OK;
}

broadside_status broadside_engine_find_topic(const broadside_engine* engine, broadside_slice topic, broadside_topic_info* info,
                                             bool* is_there, broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  arguments.need(is_there, "is_there");
  arguments.has_room(info, "info");
  const std::string_view name = arguments.text(topic, "topic");
  if (!arguments.are_good()) return arguments.status();
  broadside::TopicInfo found;
  *is_there = engine->engine->topic_info(name, found);
  if (!*is_there) return BROADSIDE_OK;
  broadside_topic_info made = broadside::info_of(found);
  made.name = topic;  // What is found goes with this call.
  broadside::give(made, info);
  return BROADSIDE_OK;
}

broadside_status broadside_engine_list_topics(const broadside_engine* engine, size_t count, broadside_slice after,
                                              broadside_topics_sink taken, void* user, broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  arguments.need(reinterpret_cast<const void*>(taken), "taken");
  const std::string_view from = arguments.text(after, "after");
  if (!arguments.are_good()) return arguments.status();
  broadside::tell_topics(engine->engine->topics(count, from), [&](const broadside_topic_page* page) { taken(user, page); });
  return BROADSIDE_OK;
}

broadside_status broadside_engine_start_list_connections(broadside_engine* engine, size_t count, broadside_slice after,
                                                         broadside_connections_sink done, void* user, broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  const std::string_view from = arguments.text(after, "after");
  return broadside::start_connections(arguments, done, user, [&](ConnectionsSink sink) {
    return engine->engine->start_list_connections(count, from, std::move(sink));
  });
}

broadside_status broadside_engine_start_list_subscribers(broadside_engine* engine, broadside_slice topic, size_t count,
                                                         broadside_slice after, broadside_connections_sink done, void* user,
                                                         broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  const std::string_view name = arguments.text(topic, "topic");
  const std::string_view from = arguments.text(after, "after");
  return broadside::start_connections(arguments, done, user, [&](ConnectionsSink sink) {
    return engine->engine->start_list_subscribers(name, count, from, std::move(sink));
  });
}

broadside_status broadside_engine_start_list_slowest(broadside_engine* engine, size_t count, broadside_connections_sink done,
                                                     void* user, broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  return broadside::start_connections(
      arguments, done, user, [&](ConnectionsSink sink) { return engine->engine->start_list_slowest(count, std::move(sink)); });
}

broadside_status broadside_engine_start_list_topics(broadside_engine* engine, size_t count, broadside_topic_order order,
                                                    broadside_topics_sink done, void* user, broadside_error* error) {
  CArguments arguments(error);
  arguments.need(engine, "engine");
  arguments.need(reinterpret_cast<const void*>(done), "done");
  const auto read_order = arguments.value(order, broadside::TopicOrder::rate, "order");
  if (!arguments.are_good()) return arguments.status();
  const auto told = std::make_shared<broadside::COnce<const broadside_topic_page*>>(done, user, nullptr);
  const auto started =
      engine->engine->start_list_topics(count, read_order, [told](const std::vector<broadside::TopicInfo>& topics) {
        broadside::tell_topics(topics, [&](const broadside_topic_page* page) { told->call(page); });
      });
  if (!started) told->forget();
  return arguments.finish(started);
}
