// The part of shard.h that looks through its connections: listings, a slice a turn, and the largest lag, a slice a tick.
#include <algorithm>

#include "engine/clock.h"
#include "engine/io/socket.h"
#include "engine/shard.h"

namespace broadside {
namespace {

constexpr std::uint32_t kLagStepsPerTick = 4096;   // 40,000 connections a second and shard: below half a percent of a core.
constexpr std::uint32_t kLagPassTicks = 10;        // A pass begins once a second at most.
constexpr std::uint32_t kStepsOfDescription = 16;  // What making out one entry costs beside looking at one.

bool is_on_topic(Connection& connection, std::string_view topic) {
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    if (connection.subscriptions()[i].view->topic->name == topic) return true;
  }
  return false;
}

}  // namespace

// Whether somebody may lack something now. If not, there is no lag to look for: an idle server looks at nothing.
bool Shard::may_lag() const { return sweeps_first_ != nullptr || !ready_.empty() || counters_.subscribers_blocked.get() > 0; }

// A rolling pass over the table. What it finds is published when it is over.
void Shard::scan_lag() {
  if (lag_next_ == 0) {
    if (wheel_.now() - lag_tick_ < kLagPassTicks) return;
    lag_tick_ = wheel_.now();
    lag_found_ = {};
    lagging_found_ = 0;
    soft_lagging_found_ = 0;
  }
  const std::uint64_t wall_ms = clock_.wall_ms();
  const std::uint32_t size = may_lag() ? connections_.size() : 0;
  for (std::uint32_t steps = 0; lag_next_ < size && steps < kLagStepsPerTick; ++lag_next_) {
    ++steps;
    Connection& connection = connections_.at(lag_next_);
    if (connection.state != ConnectionState::streaming) continue;
    Lag lag;
    if (const Subscription* over_hard = look_at_lag(connection, lag, wall_ms, steps)) {
      close_lagging(connection, *over_hard);
      continue;
    }
    if (connection.is_over_soft) ++soft_lagging_found_;
    lag_found_.events = std::max(lag_found_.events, lag.events);
    lag_found_.bytes = std::max(lag_found_.bytes, lag.bytes);
    lag_found_.age_ms = std::max(lag_found_.age_ms, lag.age_ms);
    if (connection.is_blocked && lag.events > 0) ++lagging_found_;
  }
  if (lag_next_ < size) return;
  lag_next_ = 0;
  counters_.lag_events_max.set(lag_found_.events);
  counters_.lag_bytes_max.set(lag_found_.bytes);
  counters_.lag_age_ms_max.set(lag_found_.age_ms);
  counters_.subscribers_lagging.set(lagging_found_);
  counters_.subscribers_soft_lagging.set(soft_lagging_found_);
}

void Shard::run_listings() {
  for (std::size_t left = listings_.size(); left > 0; --left) {
    ListingTask task = std::move(listings_.front());
    listings_.pop_front();
    if (!list_some(task)) listings_.push_back(std::move(task));
  }
}

// One slice; true when this shard's part is done.
bool Shard::list_some(ListingTask& task) {
  switch (task.listing->kind) {
    case Listing::Kind::page:
      return list_page(task);
    case Listing::Kind::top_connections:
    case Listing::Kind::top_lagging:
      return list_top(task);
    case Listing::Kind::top_topics: {
      Listing& listing = *task.listing;
      if (!store_.list_top_topics(listing.order, kListingTopicsPerTurn, listing.after_topic, listing.topics)) return false;
      finish_listing(listing);
      return true;
    }
  }
  return true;
}

bool Shard::list_page(ListingTask& task) {
  Listing& listing = *task.listing;
  const std::uint64_t wall_ms = clock_.wall_ms();
  for (std::uint32_t steps = 0; task.place < connections_.size(); ++steps) {
    if (listing.page.connections.size() == listing.count) {
      listing.page.next = std::to_string(number_) + "-" + std::to_string(task.place);
      finish_listing(listing);
      return true;
    }
    if (steps >= kListingStepsPerTurn) return false;
    Connection& connection = connections_.at(task.place++);
    if (connection.state != ConnectionState::streaming) continue;
    if (!listing.topic.empty() && !is_on_topic(connection, listing.topic)) continue;
    const Lag lag = lag_of(connection, wall_ms, steps);
    listing.page.connections.push_back(describe(connection, lag));
    steps += kStepsOfDescription;
  }
  if (number_ + 1 == shared_.shard_count) {
    finish_listing(listing);
    return true;
  }
  Message message;
  message.kind = Message::Kind::list;
  message.listing = task.listing;
  shared_.shards[number_ + 1]->post(std::move(message));
  return true;
}

bool Shard::list_top(ListingTask& task) {
  Listing& listing = *task.listing;
  const bool by_topic = listing.kind == Listing::Kind::top_lagging;
  const std::uint64_t wall_ms = clock_.wall_ms();
  for (std::uint32_t steps = 0; task.place < connections_.size(); ++steps) {
    if (steps >= kListingStepsPerTurn) return false;
    Connection& connection = connections_.at(task.place++);
    if (connection.state != ConnectionState::streaming) continue;
    if (!by_topic) {
      const Lag lag = lag_of(connection, wall_ms, steps);
      task.top.add(key_of(lag), {connection.token(), lag});
      continue;
    }
    steps += connection.subscription_count;
    for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
      const Subscription& subscription = connection.subscriptions()[i];
      const Lag lag = lag_of(subscription, wall_ms, steps);
      if (lag.events == 0) continue;
      task.lags.add(subscription.view->topic->name, lag);
      steps += 1 + static_cast<std::uint32_t>(task.lags.entries().size() / 16);  // It is searched through.
    }
  }
  if (!by_topic && !describe_found(task)) return false;
  {
    const std::lock_guard lock(listing.mutex);
    for (const auto& [topic, lag] : task.lags.entries()) listing.lags.add(topic, lag);
    if (--listing.shards_left > 0) return true;
  }
  finish_listing(listing);
  return true;
}

// Adds what was found to the listing, some entries a turn. Who has gone in the meantime is left out.
bool Shard::describe_found(ListingTask& task) {
  if (!task.is_scanned) task.found = task.top.take();
  task.is_scanned = true;
  const std::size_t end = std::min(task.found.size(), task.described + kListingDescribedPerTurn);
  for (; task.described < end; ++task.described) {
    const auto& [key, found] = task.found[task.described];
    Connection* connection = connections_.find(found.first);
    if (connection == nullptr || connection->state != ConnectionState::streaming) continue;
    ConnectionInfo info = describe(*connection, found.second);
    const std::lock_guard lock(task.listing->mutex);
    task.listing->connections.add(key, std::move(info));
  }
  return task.described == task.found.size();
}

ConnectionInfo Shard::describe(Connection& connection, const Lag& lag) {
  ConnectionInfo info{.id = id_text(connection.id), .topic_count = connection.subscription_count, .lag = lag};
  const StreamOrigin* origin = connection.extras != nullptr ? connection.extras->origin.get() : nullptr;
  if (origin != nullptr && !origin->peer.empty()) {
    info.peer = origin->peer;
  } else if (!connection.socket.is_direct()) {
    info.peer = io::peer_address(connection.socket.value);
  }
  const std::size_t named = std::min<std::size_t>(connection.subscription_count, kListingTopicsOfConnectionMax);
  for (std::size_t i = 0; i < named; ++i) info.topics.push_back(connection.subscriptions()[i].view->topic->name);
  if (connection.extras != nullptr) {
    info.subject = connection.extras->subject;
    info.user_data = connection.extras->user_data;
  }
  info.sent = sent_position(connection);
  info.is_over_soft_lag = connection.is_over_soft;
  info.is_blocked = connection.is_blocked;
  const auto ms_since = [this](std::uint32_t tick) {
    return std::uint64_t{wheel_.now() - tick} * static_cast<std::uint64_t>(kTick / kMillisecond);
  };
  if (connection.is_blocked) info.blocked_ms = ms_since(connection.blocked_tick);
  info.age_ms = ms_since(connection.begin_tick);
  return info;
}

// All shards have added what they have.
void Shard::finish_listing(Listing& listing) {
  if (listing.kind == Listing::Kind::page) return listing.on_connections(std::move(listing.page));
  if (listing.kind == Listing::Kind::top_connections) {
    for (auto& [key, info] : listing.connections.take()) listing.page.connections.push_back(std::move(info));
    return listing.on_connections(std::move(listing.page));
  }
  std::vector<TopicInfo> topics;
  for (auto& [key, info] : listing.topics.take()) topics.push_back(std::move(info));
  for (const auto& [name, lag] : listing.lags.take_sorted()) {
    TopicInfo info;
    if (!store_.topic_info(name, info)) continue;  // Gone in the meantime.
    info.lag = lag;
    topics.push_back(std::move(info));
  }
  listing.on_topics(std::move(topics));
}

}  // namespace broadside
