// One socket's life: reading requests and answering them, then perhaps a stream for good. The state is small and plain, so that
// hundreds of thousands fit; what only requests need lies in an Exchange that goes when the stream begins.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/pace.h"
#include "base/units.h"
#include "broadside/handler.h"
#include "broadside/subscribe.h"
#include "broadside/transport.h"
#include "engine/io/io.h"
#include "engine/request_memory.h"
#include "engine/seat_table.h"
#include "engine/topic.h"
#include "engine/torn_frames.h"
#include "proto/chunked_decoder.h"
#include "proto/http_request.h"
#include "proto/ip_address.h"

namespace broadside {

struct Connection;

// A connection's place in one topic. A plain one reads the log from its cursor; one that conflates reads the newest event of each
// key behind `passed`, wherever that lies: without end, or, if it goes on plainly, what comes before its cursor.
struct Subscription {
  static constexpr std::uint32_t kNoSlot = (std::uint32_t{1} << 29) - 1;

  TopicView* view = nullptr;
  Connection* connection = nullptr;
  Cursor cursor;                      // Plain: before the frame that comes next.
  Position passed;                    // Everything up to here has been sent, or is not wanted.
  std::uint32_t counted = 0;          // Events of the topic before the cursor, modulo 2^32.
  std::uint32_t floor_count = 0;      // Conflating: up to which floor of the keys it was told of gaps.
  std::uint32_t slot : 29 = kNoSlot;  // In view->slots, while neither blocked nor waiting for its rate.
  std::uint32_t has_ended : 1 = 0;    // Stands behind broadside.end: nothing more comes, also when the topic opens again.
  std::uint32_t conflates : 1 = 0;
  std::uint32_t goes_plain : 1 = 0;  // Conflates up to its cursor.
};

// Bytes that are one connection's alone: head and open, gaps, targeted events, notices; for requests, answers.
struct OwnBytes {
  std::string bytes;
  std::size_t sent = 0;
  [[nodiscard]] std::size_t left() const { return bytes.size() - sent; }
};

// Whom a connection comes from, as far as a limit or a proxy makes that matter.
struct Origin {
  std::optional<IpAddress> address;  // Nothing on a Unix socket.
  std::string peer;                  // What a PROXY header has said in its place.
  bool is_trusted = false;           // A proxy: it has no limits, and is believed whom it speaks for.
  bool is_proxied = false;           // It came with a PROXY header.
  Seat seat;                         // Among the connections of its address.
};

// What a connection needs while it speaks HTTP.
struct Exchange {
  static constexpr std::size_t kOutputBytesMax = 32 << 10;  // Answers to pipelined requests that wait; then reading stops.
  static constexpr std::size_t kKeptBytesMax = 64 << 10;    // Of room for another request like the last one.
  enum class Phase : std::uint8_t { head, body, chunked_body, streamed_body, awaiting_answer };
  Phase phase = Phase::head;
  bool is_watched = false;   // Since the last receive; edges of writability come by themselves from then on.
  bool is_watching = false;  // The output is blocked, and so reading has stopped.
  bool is_out_blocked = false;
  bool is_receiving = false;
  bool has_ended = false;            // Sealed: the peer has said that nothing more comes. What has come is still answered.
  bool awaits_proxy_header = false;  // Its first bytes may be one.
  bool is_later = false;             // Not the connection's first request: its head is timed from its first byte.
  bool is_body_complete = false;     // What its reader reads; it may still be at it.
  bool is_paused = false;            // It is, later: nothing is read meanwhile.
  bool close_when_sent = false;      // Nothing more is read.
  bool lingers = false;              // Input may come that nobody reads: close only after the peer had time to read the answer.
  bool is_out_queued = false;        // In the shard's list of outputs to flush.
  bool is_keep_alive = false;        // Of the request that awaits its answer.
  bool is_head_request = false;
  bool is_adopted = false;        // The host has read its request.
  bool is_head_written = false;   // Adopted: and has begun the response, which is a stream.
  bool is_answer_sealed = false;  // `sealed` holds more than what the transport itself has to say.
  std::string input;              // Not yet consumed; the head under way begins at its front.
  HeadParser parser;
  RequestHead head;
  std::uint32_t request = 0;   // Counts them: names the one that is being answered.
  std::size_t head_bytes = 0;  // Of `input`: the head whose body is being read. It is parsed again when the body is there.
  std::string body;
  std::uint64_t body_left = 0;
  Pace body_pace;
  ChunkedDecoder chunked;
  std::unique_ptr<BodyReader> reader;
  std::unique_ptr<SubscribeRequest> wanted;  // awaiting_answer: what authorise decides on later. The head is still in `input`.
  OwnBytes out;
  Pace out_pace;  // Since it was blocked.
  Origin origin;
  std::optional<IpAddress> client;       // Of the request under way: whom a trusted proxy forwards it for.
  std::string peer;                      // The same request's; empty: nobody has asked for it.
  std::uint64_t dropped_bytes = 0;       // Read and dropped while lingering.
  std::unique_ptr<Transport> transport;  // Sealed connections: between the socket and all of the above.
  std::string sealed_input;              // Of a handshake that waits for its turn.
  OwnBytes sealed;                       // For the socket: `out` goes through here.
  std::unique_ptr<StreamSealer> sealer;  // Of the stream that is about to begin.
  RequestMemory::Part memory;

  [[nodiscard]] std::size_t held_bytes() const {
    return input.capacity() + body.capacity() + out.bytes.capacity() + sealed.bytes.capacity() +
           (reader != nullptr ? reader->held_bytes() : 0);
  }
  // Room that one large request or answer has taken: connections that are kept would keep it.
  void give_back() {
    for (std::string* each : {&input, &body, &out.bytes, &sealed.bytes}) {
      if (each->capacity() > kKeptBytesMax && each->size() <= kKeptBytesMax) each->shrink_to_fit();
    }
  }
  // Between two requests.
  [[nodiscard]] bool is_idle() const { return phase == Phase::head && input.empty(); }
  [[nodiscard]] std::size_t unsent() const { return out.left() + sealed.left(); }
  [[nodiscard]] OwnBytes& outward() { return transport != nullptr ? sealed : out; }
};

// Where a stream comes from: what it gives back at its end, and what its socket does not say.
struct StreamOrigin {
  Seat address;
  Seat subject;
  std::string peer;  // Whom a proxy speaks for.

  [[nodiscard]] bool is_any() const {
    return address.kind() != Seat::Kind::none || subject.kind() != Seat::Kind::none || !peer.empty();
  }
};

// What only some streams have.
struct Extras {
  std::string subject;  // Of their Admission, ...
  std::uint64_t user_data = 0;
  std::uint64_t expires_ms = 0;          // On the wall clock; 0 = never.
  bool is_told_of_expiry = false;        // By broadside.auth-expiring.
  std::unique_ptr<StreamOrigin> origin;  // ... if limits or proxies make it matter, ...
  std::unique_ptr<StreamSealer> sealer;  // ... if they are sealed in user space, ...
  std::unique_ptr<OwnBytes> rest;        // ... and, framed: what the kernel has not yet taken of a record begun.
};

enum class ConnectionState : std::uint8_t { free, http, lingering, streaming };

// Invariants: `exchange` exists in http and lingering alone; a streaming connection's subscriptions have slots while it is
// neither blocked nor waits for its rate, else none; at most one send is under way (sends end within the batch); `partial_bytes`
// of one frame have been sent, and nothing else may be sent before the rest of it: that frame is `torn`, or, without it, the one
// at subscriptions()[partial_subscription].cursor. One that is framed has extras, and their `rest` goes before everything.
struct Connection {
  io::Socket socket;
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  ConnectionState state = ConnectionState::free;
  bool is_blocked : 1 = false;
  bool is_ready : 1 = false;          // In the shard's ready queue.
  bool is_behind : 1 = false;         // Ready because it lacks frames: its views must not take a lap for done without it.
  bool is_chunked : 1 = false;        // A limit= stream on HTTP/1.1.
  bool is_framed : 1 = false;         // Chunked or sealed: it is sent what a FramingBuffer makes of its bytes.
  bool is_finishing : 1 = false;      // When all it has been given is sent, it is closed.
  bool follows : 1 = true;            // Stays at the head; follow=0 ends there.
  bool is_holding : 1 = false;        // Blocked only just now, and listed so.
  bool is_leaving : 1 = false;        // At the head it is given retry: and closed.
  bool is_waiting : 1 = false;        // For its next visit: it is rated.
  bool has_reminder : 1 = false;      // In the rate wheel.
  bool is_kernel_sealed : 1 = false;  // The kernel seals what it is sent.
  bool was_at_head : 1 = false;       // Once at least: from then on its lag is its own.
  bool is_slow : 1 = false;           // Has been blocked since it was at the head last: limits of lag count.
  bool is_over_soft : 1 = false;      // A soft limit, when it was last looked at.
  std::uint8_t listener = 0;
  std::uint16_t subscription_count = 0;
  std::uint16_t partial_subscription = 0;
  std::uint32_t partial_bytes = 0;
  std::uint32_t timer_previous = 0;  // Places in the wheel's lists.
  std::uint32_t timer_next = 0;
  std::uint32_t timer_tick = 0;  // 0: not in the wheel.
  std::uint32_t last_write_tick = 0;
  std::uint32_t blocked_tick = 0;     // Since when the kernel has taken nothing.
  std::uint32_t limit_left = 0;       // limit=: events still to be sent; 0 = no limit.
  std::uint32_t begin_tick = 0;       // When the stream began.
  std::uint32_t end_tick = 0;         // When it has to leave; 0 = never.
  std::uint32_t heartbeat_ticks = 0;  // Half of the longest silence; 0 = no heartbeat.
  std::uint32_t rate_steps = 0;       // Between two visits at least, of the rate wheel; 0 = not rated.
  std::uint64_t rate_due = 0;         // The step of the next one.
  std::uint64_t visited_turn = 0;
  std::array<std::uint64_t, 2> id{};
  TornFrame* torn = nullptr;
  std::unique_ptr<OwnBytes> own;
  std::unique_ptr<Exchange> exchange;
  std::unique_ptr<Extras> extras;
  std::unique_ptr<Subscription[]> many;  // More than one topic.
  Subscription single;

  Extras& make_extras() {
    if (extras == nullptr) extras = std::make_unique<Extras>();
    return *extras;
  }
  [[nodiscard]] Subscription* subscriptions() { return many != nullptr ? many.get() : &single; }
  [[nodiscard]] io::Token token() const { return io::Token{.index = index, .generation = generation}; }
};

static_assert(sizeof(Connection) <= 192, "three cache lines; a million of them are 192 MB");

// The public form of an id: 32 hexadecimal digits.
[[nodiscard]] std::string id_text(const std::array<std::uint64_t, 2>& id);
// False if `text` is no such form.
[[nodiscard]] bool parse_id(std::string_view text, std::array<std::uint64_t, 2>& id);

// All connections of a shard: places that do not move, by index, and a generation that tells a stale token.
class ConnectionTable {
 public:
  Connection& make();
  void free(Connection& connection);
  [[nodiscard]] Connection* find(io::Token token);
  [[nodiscard]] Connection& at(std::uint32_t index) { return chunks_[index / kChunk]->connections[index % kChunk]; }
  [[nodiscard]] std::uint32_t size() const { return size_; }  // Places ever used.

 private:
  static constexpr std::uint32_t kChunk = 1024;
  struct Chunk {
    std::array<Connection, kChunk> connections;
  };
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<std::uint32_t> free_;
  std::uint32_t size_ = 0;
};

// Finds a connection by its public id. Open addressing over indexes; the ids themselves stand in the connections.
class ConnectionIndex {
 public:
  explicit ConnectionIndex(ConnectionTable& table) : table_(table) {}
  void insert(const Connection& connection);
  void erase(const Connection& connection);
  [[nodiscard]] Connection* find(const std::array<std::uint64_t, 2>& id);

 private:
  static constexpr std::uint32_t kEmpty = UINT32_MAX;
  void grow();
  void place(std::uint32_t index);

  ConnectionTable& table_;
  std::vector<std::uint32_t> places_;
  std::uint32_t count_ = 0;
};

}  // namespace broadside
