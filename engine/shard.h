// One thread with its own ring, listeners and connections. This header is the shard's whole state; the turn of the loop is in
// shard.cc, where connections come from in shard_origins.cc, requests in shard_requests.cc, their answers in shard_answers.cc,
// streams in shard_streams.cc, delivery in shard_delivery.cc, lag in shard_policy.cc.
#pragma once

#include <unistd.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "broadside/config.h"
#include "broadside/handler.h"
#include "engine/clock.h"
#include "engine/connection.h"
#include "engine/counters.h"
#include "engine/delivery.h"
#include "engine/io/io.h"
#include "engine/listing.h"
#include "engine/rate_wheel.h"
#include "engine/seat_table.h"
#include "engine/subscribe_request.h"
#include "engine/timer_wheel.h"
#include "engine/topic_store.h"
#include "engine/trusted_proxies.h"

namespace broadside {

// What all shards of an engine share. Plain values are set before they start.
struct ShardShared {
  std::shared_ptr<const Config> config;
  const Clock* clock = &system_clock();
  TopicStore* store = nullptr;
  RequestHandler nobody;
  RequestHandler* handler = &nobody;  // The host, or one that overrides nothing.
  std::uint32_t shard_count = 1;
  std::uint32_t subscribers_max = 0;
  std::uint32_t connections_max = 0;  // With those kept for refusals, publishers and health.
  bool use_tables = false;
  std::uint64_t sealed_listeners = 0;  // A bit each, by Config::listen: its connections get a transport.
  std::atomic<std::uint32_t> subscribers{0};
  std::atomic<std::uint32_t> connections{0};
  std::atomic<bool> is_draining{false};
  std::atomic<std::uint32_t> listings{0};  // Under way.
  TornBudget torn_budget;
  std::atomic<std::uint64_t> request_memory_max{UINT64_MAX};  // Of each shard.
  TrustedProxies trusted;
  SeatTable addresses;  // Whose connections there are, ...
  SeatTable subjects;   // ... and whose streams.
  // Targeted events and their answers go from shard to shard.
  std::vector<class Shard*> shards;
};

// A socket on its way to its shard. What never gets there is closed.
struct Adoption {
  Adoption(int of_fd, SubscribeRequest wanted, AdoptOptions how)
      : fd(of_fd), request(std::move(wanted)), options(std::move(how)) {}
  Adoption(const Adoption&) = delete;
  Adoption& operator=(const Adoption&) = delete;
  ~Adoption() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
  SubscribeRequest request;
  AdoptOptions options;
};

// A stream's right to go on.
struct Renewal {
  std::uint64_t expires_ms = 0;
  RenewCheck allows;
  RenewSink done;
};

// What other threads ask of a shard.
struct Message {
  enum class Kind : std::uint8_t { respond, decide, adopt, send_to, renew, list, reconfigure, drain, stop };
  Kind kind = Kind::respond;
  ResponseToken token;                          // respond, decide.
  Response response;                            // respond.
  std::unique_ptr<SubscribeDecision> decision;  // decide.
  std::unique_ptr<Adoption> adoption;           // adopt.
  std::array<std::uint64_t, 2> id{};            // send_to, renew: the connection.
  std::string event_body;                       // send_to: the frame without its id line.
  SendSink on_sent;                             // send_to.
  std::unique_ptr<Renewal> renewal;             // renew.
  std::shared_ptr<Listing> listing;             // list.
  std::uint32_t place = 0;                      // list: where in the table to begin.
  std::shared_ptr<const Config> config;         // reconfigure.
};

// The shard that a connection's public id names.
[[nodiscard]] constexpr std::uint32_t shard_of_id(const std::array<std::uint64_t, 2>& id, std::uint32_t shard_count) {
  return static_cast<std::uint32_t>(id[1] % shard_count);
}

// The data of broadside.gap. `lost` is the number of events if that is known.
[[nodiscard]] std::string gap_json(std::string_view topic, const Gap& gap, std::optional<std::uint32_t> lost);

class Shard {
 public:
  Shard(ShardShared& shared, std::uint32_t number);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard();

  // The shard's thread, in this order: open() with what it talks to the kernel through, start() with its own listening sockets
  // by Config::listen.
  void open(std::unique_ptr<io::Io> io) { io_ = std::move(io); }
  void start(const std::vector<int>& listeners);
  void run();  // Until Message::stop.
  // Or, instead of run(): one pass of the loop at a time, for as long as it says true, ...
  bool run_turn(bool may_wait = true);
  void close_all();  // ... and this at the end.
  // Or, on a thread that has other things to wait for: run_once() whenever poll_fd() is readable or next_wait() has passed.
  void run_once();
  [[nodiscard]] int poll_fd() { return io_->poll_fd(); }
  [[nodiscard]] Nanos next_wait();

  // Any thread.
  void post(Message message);
  void signal();  // Something waits: a message, or a topic that has grown.
  [[nodiscard]] ShardStats stats() const { return counters_.snapshot(); }
  // What its connections take of the process's and the kernel's memory, by estimate.
  [[nodiscard]] std::uint64_t connection_memory() const;

  // Between two turns: asserts what must hold then, by looking at everything. For tests.
  void check_invariants();

 private:
  // shard.cc: the turn.
  [[nodiscard]] Nanos wait_time() const;
  void on_completion(const io::Completion& completion);
  void on_accepted(const io::Completion& completion);
  Connection* take_connection(io::Socket socket);  // Null: there are too many, and it has been closed.
  void on_timer(Connection& connection);
  void on_tick();
  void take_messages();
  void on_message(Message& message);
  void start_drain();
  void drain_some();
  void close(Connection& connection, io::CloseMode mode, CloseReason reason);

  // shard_origins.cc: whom connections, requests and streams come from, and how many of them.
  [[nodiscard]] SeatLimits address_limits() const;
  [[nodiscard]] Seat take_address(const IpAddress& address, const SeatLimits& limits);
  bool admit_origin(Origin& origin, bool is_sealed);  // False: it has been counted as refused, and nobody can be told.
  bool find_origin(io::Socket socket, bool is_sealed, Origin& origin);  // As admit_origin.
  void on_proxy_input(Connection& connection);
  void find_client(Connection& connection);
  std::optional<RefusalReason> take_seats(const Connection& connection, std::string_view subject, StreamOrigin& origin);
  static void keep_origin(Connection& connection, Exchange& exchange, StreamOrigin&& origin);

  // shard_requests.cc: HTTP until a stream begins.
  void on_received(Connection& connection, std::span<const char> bytes, int error);
  void on_bytes(Connection& connection, std::string_view bytes);
  void on_input(Connection& connection, bool was_idle, std::size_t received);
  void on_input_end(Connection& connection);
  void read_input(Connection& connection);
  bool read_head(Connection& connection);  // False: wait for more, or the connection is gone or has become a stream.
  bool read_body(Connection& connection);
  void read_more(Connection& connection);
  bool read_streamed_body(Connection& connection);
  bool on_head(Connection& connection, std::size_t consumed);
  void on_request(Connection& connection, std::string_view body);
  bool hold_memory(Connection& connection);  // False: there is none for the rest of its request.
  void refuse_memory(Connection& connection);
  bool set_body_timer(Connection& connection);  // False: the body comes too slowly.
  void refuse_slow(Connection& connection);
  void begin_next_request(Connection& connection);
  Request request_of(Connection& connection);

  // shard_answers.cc: answers, and what takes too long.
  void answer(Connection& connection, const Response& response);
  void write_answer(Connection& connection, const Response& response);
  void refuse(Connection& connection, int status, std::string_view detail);
  void tell_answered(Connection& connection, int status, std::string_view reason);
  void count_refusal(int status);  // Of an answer; below 400 it is none.
  void start_reading(Connection& connection);
  void queue_output(Connection& connection);
  void flush_outputs();
  void on_output_sent(Connection& connection, io::SendStatus status, std::uint64_t taken);
  void linger(Connection& connection);
  void end_streamed_body(Connection& connection);
  void on_request_timer(Connection& connection);
  [[nodiscard]] std::string_view date();

  // shard_transports.cc: what is sealed on its way.
  bool open_transport(Connection& connection);
  void on_sealed_input(Connection& connection, std::string_view bytes);
  void run_handshakes();
  void unseal(Connection& connection, std::string_view bytes);
  bool seal_output(Connection& connection);
  void begin_sealed_stream(Connection& connection, std::unique_ptr<StreamSealer> sealer, OwnBytes sealed);
  void send_end(Connection& connection);

  // shard_streams.cc: from subscribe to close.
  enum class Subscribed : std::uint8_t { answered, deferred, streaming };
  Subscribed on_subscribe(Connection& connection);
  Subscribed admit(Connection& connection, SubscribeRequest& wanted, const SubscribeDecision& decision);
  void refuse_stream(Connection& connection, RefusalReason reason, const std::string& headers);
  void begin_subscriptions(Connection& connection, StartPlan& plan);
  void begin_stream(Connection& connection, const SubscribeRequest& request, StartPlan& plan, const Admission& admission,
                    StreamOrigin&& origin);
  void set_bounds(Connection& connection, const SubscribeRequest& request, const StartPlan& plan, const Admission& admission);
  void append_own(Connection& connection, std::string_view bytes);
  void append_start(Connection& connection, const SubscribeRequest& request, const StartPlan& plan);
  [[nodiscard]] std::uint32_t jittered_retry_ms();
  void make_id(Connection& connection);
  SendOutcome send_to(const std::array<std::uint64_t, 2>& id, std::string_view event_body);
  [[nodiscard]] Position sent_position(Connection& connection);
  void on_stream_timer(Connection& connection);
  [[nodiscard]] static std::uint32_t stream_timer_ticks(const Connection& connection);
  void set_stream_timer(Connection& connection);
  void set_stall_timer(Connection& connection, std::uint32_t stalled_ticks);
  [[nodiscard]] std::uint32_t ticks_to_expiry(const Connection& connection) const;
  void begin_leave(Connection& connection);
  void give_notice_of_leave(Connection& connection);
  void begin_finish(Connection& connection);

  // shard_hosting.cc: what the host decides later, hands over and is told.
  // The connection whose request that is, if it still waits for its answer.
  [[nodiscard]] Connection* find_awaiting(const ResponseToken& token);
  void on_decided(const ResponseToken& token, const SubscribeDecision& decision);
  void on_adopted(Adoption& adoption);
  void finish_subscribe_request(Connection& connection);
  void on_answer_late(Connection& connection);
  void on_renewal(const std::array<std::uint64_t, 2>& id, const Renewal& renewal);
  bool check_expiry(Connection& connection);  // False: it has expired, and been closed.
  template <typename Hook>
  void tell_host(Connection& connection, Position sent, Hook&& hook);
  void tell_subscribed(Connection& connection, Position start);
  void tell_disconnected(Connection& connection, CloseReason reason);
  void tell_lag(Connection& connection, const Subscription& subscription, const Lag& lag, LagOutcome outcome);

  // shard_policy.cc: what happens to subscribers that lag, and when rated ones are visited.
  bool apply_policies(Connection& connection);
  bool apply_policy(Connection& connection, std::uint32_t index);
  void skip_ahead(Connection& connection, Subscription& subscription);
  void tell_gap(Connection& connection, const Subscription& subscription, const Gap& gap, std::optional<std::uint32_t> lost);
  void close_lagging(Connection& connection, const Subscription& subscription);
  const Subscription* look_at_lag(Connection& connection, Lag& sum, std::uint64_t wall_ms, std::uint32_t& steps);
  [[nodiscard]] bool is_due(const Connection& connection) const;
  void note_visit(Connection& connection, const Visit& visit);
  void set_rate(Connection& connection, double rate);
  void wait_for_rate(Connection& connection);
  void on_rate_due(std::uint64_t step, io::Token token);
  void retry_laps();

  // shard_delivery.cc: sweeps and visits; shard_latency.cc: record_...
  void deliver_newest();
  void deliver();
  void visit_ready();
  void sweep();
  [[nodiscard]] bool is_sweep_full() const;
  void sweep_some(TopicView& view);
  bool visit(Connection& connection);
  void settle(const Visit& visit, const io::SendRequest& request, Nanos sent_at);
  void record_written(Nanos sent_at);
  void record_offered(TopicView& view, Position passed, Nanos now);
  void after_sent(Connection& connection);
  bool arrive_at_head(Connection& connection);
  void ensure_current(TopicView& view);
  void start_mark(TopicView& view);
  void finish_mark(TopicView& view, Nanos now);
  void check_offers(TopicView& view);
  void queue_lap(TopicView& view);
  void finish_laps();
  static Position passed_by(Connection& connection, TopicView& view, Position passed);
  void release_holds();
  void pass_slots(TopicView& view, std::uint32_t count);
  void make_ready(Connection& connection);
  void set_behind(Connection& connection, bool is_behind);
  void set_blocked(Connection& connection, bool is_blocked);
  void block(Connection& connection);
  void unblock(Connection& connection);
  void add_slots(Connection& connection);
  void remove_slots(Connection& connection);
  void queue_sweep(TopicView& view);
  void unqueue_sweep(TopicView& view);
  void leave_topics(Connection& connection);

  // shard_listings.cc: looking through the connections.
  [[nodiscard]] bool may_lag() const;
  void scan_lag();
  void run_listings();
  bool list_some(ListingTask& task);
  bool list_page(ListingTask& task);
  bool list_top(ListingTask& task);
  bool describe_found(ListingTask& task);
  ConnectionInfo describe(Connection& connection, const Lag& lag);
  void finish_listing(Listing& listing);

  // shard_invariants.cc.
  struct ViewTally;
  void check_connection(Connection& connection);
  void check_stream(Connection& connection);
  static void check_view(const TopicView& view, const ViewTally& tally);

  ShardShared& shared_;
  std::shared_ptr<const Config> config_;
  const Clock& clock_;
  TopicStore& store_;
  const std::uint32_t number_;
  std::unique_ptr<io::Io> io_;
  ShardCounters counters_;

  // From other threads.
  std::atomic<bool> is_sleeping_{false};
  std::atomic<bool> has_signal_{false};
  std::mutex mailbox_mutex_;
  std::vector<Message> mailbox_;

  // The rest is the thread's own.
  RequestMemory request_memory_;
  ConnectionTable connections_;
  ConnectionIndex by_id_{connections_};
  TimerWheel wheel_{connections_};
  Prng prng_;
  Nanos now_ = 0;
  Nanos turn_ended_ = 0;
  std::uint64_t turn_ = 0;
  Position published_;  // Of this turn: nothing newer is sent in it.
  bool is_stopped_ = false;
  std::vector<int> listeners_;  // The engine's; closed by it at the end.
  bool accepts_are_paused_ = false;
  bool is_draining_ = false;
  Nanos drain_end_ = 0;
  std::uint32_t drain_next_ = 0;  // Place in the table.
  double drain_budget_ = 0;
  double drain_per_tick_ = 0;
  std::uint32_t last_tick_ = 0;
  std::int64_t date_second_ = -1;
  std::string date_;
  std::vector<io::Completion> completions_;
  std::vector<Message> messages_;
  TornFrames torn_frames_{shared_.torn_budget};
  DeliveryBatch batch_{torn_frames_};
  RateWheel rates_;
  std::vector<io::SendRequest> requests_;
  std::deque<io::Token> ready_;    // Connections to visit out of the sweeps' order.
  std::deque<io::Token> holding_;  // Blocked only just now: their logs wait for them.
  std::vector<io::Token> heartbeats_;
  std::vector<io::Token> outputs_;    // HTTP answers to flush.
  std::deque<io::Token> handshakes_;  // Transports that are not established and have got something.
  std::vector<Connection*> flushing_;
  std::vector<iovec> output_ranges_;
  std::array<std::array<std::uint64_t, 2>, 64> random_{};  // From the kernel, for connection ids.
  std::size_t random_used_ = 64;
  std::vector<RequestHeader> header_views_;
  std::vector<std::string_view> hook_topics_;
  bool has_more_ = false;              // run_once() left something to do.
  std::vector<TopicView*> laps_done_;  // Marked laps that this turn completed.
  std::vector<TopicView*> laps_late_;  // That waited for rated subscribers: tried again with the next tick.
  std::deque<ListingTask> listings_;
  std::uint32_t lag_next_ = 0;  // Place in the table; 0: between two passes.
  std::uint32_t lag_tick_ = 0;  // When the pass began.
  Lag lag_found_;               // In the pass under way.
  std::uint64_t lagging_found_ = 0;
  std::uint64_t soft_lagging_found_ = 0;
  TopicView* sweeps_first_ = nullptr;  // Views whose lap is under way, in order.
  TopicView* sweeps_last_ = nullptr;
  std::size_t sweeps_count_ = 0;
};

}  // namespace broadside
