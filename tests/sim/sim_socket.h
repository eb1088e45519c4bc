// One simulated connection: what the kernel holds of it on both sides. The engine's side belongs to SimIo; a client writes, reads
// and ends through the functions below, which tell the SimIo that there is something to look at.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "engine/io/io.h"

namespace broadside::sim {

class SimSocket final : public std::enable_shared_from_this<SimSocket> {
 public:
  // Bytes that the engine sent at one moment, or a part of them.
  struct Piece {
    std::string bytes;
    Nanos sent_at = 0;
  };
  using List = std::vector<std::shared_ptr<SimSocket>>;

  // `changed` is where it puts itself when the client has done something, until the engine closes it.
  SimSocket(List& changed, std::size_t output_max) : output_max_(output_max), changed_(&changed) {}

  // The client's side.
  void write(std::string_view bytes);
  void end();    // FIN: a half-close, or the first half of a close.
  void leave();  // RST: whatever the engine sends from now on is refused.
  // The next bytes of one send, `bytes_max` of them at most; nothing if there are none now.
  std::optional<Piece> read(std::size_t bytes_max);
  // The engine has closed, and all that it sent has been read.
  [[nodiscard]] bool is_over() const { return has_server_ended && output_.empty(); }
  void set_output_max(std::size_t bytes);

  // The kernel's side, for SimIo.
  void put(std::string bytes, Nanos now);
  [[nodiscard]] std::size_t room() const { return output_bytes_ < output_max_ ? output_max_ - output_bytes_ : 0; }
  void drop_output(std::size_t bytes_kept);  // A reset overtakes what is on its way.
  [[nodiscard]] std::size_t output_bytes() const { return output_bytes_; }
  void changed();  // Has its SimIo look at it with the next wait.
  void detach() { changed_ = nullptr; }

  enum class Interest : std::uint8_t { none, receive, watch };
  io::Socket name;  // The engine's; not open before it is accepted and after it is closed.
  io::Token token;
  Interest interest = Interest::none;
  std::string input;              // From the client, not yet received.
  bool has_client_ended = false;  // FIN or RST from the client.
  bool is_client_gone = false;    // RST.
  bool has_server_ended = false;  // FIN or RST from the engine.
  bool was_server_reset = false;
  bool was_failed = false;  // A fault of the kernel, not of the engine, is why it ended.
  bool owes_edge = false;   // It has refused bytes, or has just been watched.
  bool has_told_hang_up = false;
  bool is_receive_pending = false;  // Its completion waits to be handed out.
  bool is_listed = false;           // In the list of changed ones.
  std::uint64_t last_batch = 0;     // Of sends, that it was in.
  // Since when it has taken nothing of what it was sent, and how long it has ever been so.
  std::optional<Nanos> blocked_since;
  Nanos blocked_longest = 0;

 private:
  std::deque<Piece> output_;
  std::size_t output_bytes_ = 0;
  std::size_t output_max_;
  List* changed_;
};

}  // namespace broadside::sim
