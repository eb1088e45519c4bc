// The seam to the kernel: everything the engine asks of it, at the granularity of a batch. Implemented by uring_io, epoll_io
// and, in tests, by a simulated kernel. Everything but wake() is called by the one thread that owns the shard.
//
// Life of a socket:  accepted (plain) -> start_receive ... -> watch (a subscriber: only hang-up and writability matter) ->
// optionally `to_table` (held by the ring alone, no open file) -> close. Writing is allowed all along.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/units.h"
#include "broadside/error.h"

namespace broadside::io {

// A plain descriptor (table < 0, value = fd) or a slot of one of the ring tables (direct descriptor).
struct Socket {
  std::int32_t value = -1;
  std::int16_t table = -1;
  [[nodiscard]] bool is_open() const { return value >= 0; }
  [[nodiscard]] bool is_direct() const { return table >= 0; }
};

// Names a connection to the kernel and back. What the kernel hands back may be stale: the engine compares the generation.
struct Token {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
};

enum class CompletionKind : std::uint8_t {
  accepted,       // `socket` is a new plain non-blocking socket of listener `token.index`.
  accept_failed,  // Accepting stopped (`error`, an errno); it goes on after resume_accepts().
  received,  // `bytes` until the next wait(); empty = end of input, or a failure if `error` is not 0. One per start_receive().
  writable,  // A watched socket that refused bytes takes some again (an edge; may also come without reason).
  hung_up,   // A watched socket's peer has closed, half-closed or reset. May come more than once.
};

struct Completion {
  CompletionKind kind = CompletionKind::accepted;
  Token token;
  Socket socket;
  int error = 0;
  std::span<const char> bytes;
};

enum class SendStatus : std::uint8_t {
  sent,       // All of it.
  blocked,    // Less than all of it (`sent` says how much, maybe 0): wait for `writable`.
  peer_gone,  // EPIPE, ECONNRESET, ETIMEDOUT and the like.
  failed,     // Anything else: close.
};

// One entry of a batch: scattered bytes for one socket. The bytes are free again when send() returns.
struct SendRequest {
  Socket socket;
  const iovec* ranges = nullptr;
  std::uint32_t range_count = 0;         // 1 to 64.
  std::uint64_t bytes = 0;               // Sum over the ranges, at least 1.
  bool is_tls_alert = false;             // Of a socket that the kernel seals: these bytes are no data. One range.
  std::uint64_t sent = 0;                // Out.
  SendStatus status = SendStatus::sent;  // Out.
};

enum class CloseMode : std::uint8_t {
  orderly,  // FIN after what was sent.
  reset,    // RST at once; the kernel's buffers are freed.
};

class Io {
 public:
  Io() = default;
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;
  virtual ~Io() = default;  // Closes every socket it still holds in tables; plain ones are the engine's to close first.

  // "uring" or "epoll", and one line of detail: kernel features found and used.
  [[nodiscard]] virtual std::string describe() const = 0;

  // Accepts on `fd` (listening, non-blocking; stays the caller's) until remove_listeners(). Completions carry `listener` as
  // token.index.
  virtual void add_listener(int fd, std::uint32_t listener) = 0;
  // After accept_failed: try again (the engine calls it from a timer or after a close).
  virtual void resume_accepts() = 0;
  // What was accepted but not yet handed out is reset. Afterwards the caller may close the descriptors.
  virtual void remove_listeners() = 0;

  // Asks for one `received`, and ends a watch (whose completions may still come). Requires: plain socket, none under way.
  virtual void start_receive(Socket socket, Token token) = 0;
  // From now on the socket reports only `writable` and `hung_up`; input is ignored. Requires: no receive under way.
  // False when the kernel has no memory for it: close the socket.
  [[nodiscard]] virtual bool watch(Socket socket, Token token) = 0;

  // Moves a watched plain socket into a table, so that it no longer counts as an open file; the plain descriptor is closed.
  // Returns the socket unchanged where tables are not in use or none can be made.
  virtual Socket to_table(Socket socket) = 0;

  // Sends a batch, each entry at once and without waiting; at most one entry a socket. Fills `sent` and `status`.
  virtual void send(std::span<SendRequest> batch) = 0;

  // Sends FIN and leaves the reading side open. Requires: plain socket.
  virtual void shutdown_write(Socket socket) = 0;
  // Closes; a receive under way is given up without a completion. Completions already reaped may still name the token.
  virtual void close(Socket socket, CloseMode mode) = 0;

  // Waits until something completes, wake() was called or `timeout` has passed (0: just looks), then appends completions.
  // May return early with none. What close() and to_table() have queued goes to the kernel here at the latest.
  virtual void wait(Nanos timeout, std::vector<Completion>& completions) = 0;
  // Ends a wait() under way, or the next one, at once. From any thread; async-signal-safe.
  virtual void wake() = 0;

  // For a loop that waits for other things as well: a descriptor that is readable when wait(0) has something to say, or -1 where
  // there is none; it stays the backend's. Before going to wait for it, flush() hands the kernel what is queued.
  [[nodiscard]] virtual int poll_fd() { return -1; }
  virtual void flush() {}
};

enum class BackendChoice : std::uint8_t { automatic, uring, epoll };

struct IoConfig {
  BackendChoice backend = BackendChoice::automatic;
  bool use_tables = false;                  // Direct descriptors wanted: more connections than RLIMIT_NOFILE allows.
  std::uint32_t accepts_per_wait_max = 64;  // What there is more of comes with the next wait().
  std::uint32_t receives_per_wait_max = 64;
  std::uint32_t receive_buffers = 64;      // Of 16 KiB, shared by all receives; mapped when first used. uring only.
  std::uint32_t table_places_max = 32768;  // Of one table; RLIMIT_NOFILE if that is less. More tables are made on demand.
};

// Makes the backend on the calling thread, which becomes its owner. `automatic` takes io_uring where it works (kernel 5.19 or
// newer, set-up allowed) and epoll otherwise. `reason` (may be null) receives one line: which, which features, and why.
Result<std::unique_ptr<Io>> make_io(const IoConfig& config, std::string* reason);

// Whether direct descriptors can be relied upon: io_uring usable and kernel 6.13 or newer (older ones leak, see docs).
[[nodiscard]] bool tables_supported();

}  // namespace broadside::io
