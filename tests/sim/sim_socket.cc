#include "tests/sim/sim_socket.h"

#include <algorithm>
#include <utility>

namespace broadside::sim {

void SimSocket::changed() {
  if (changed_ == nullptr || is_listed) return;
  is_listed = true;
  changed_->push_back(shared_from_this());
}

void SimSocket::write(std::string_view bytes) {
  input.append(bytes);
  changed();
}

void SimSocket::end() {
  has_client_ended = true;
  changed();
}

void SimSocket::leave() {
  has_client_ended = is_client_gone = true;
  drop_output(0);
  changed();
}

std::optional<SimSocket::Piece> SimSocket::read(std::size_t bytes_max) {
  if (output_.empty() || bytes_max == 0) return std::nullopt;
  Piece piece;
  Piece& first = output_.front();
  if (first.bytes.size() <= bytes_max) {
    piece = std::move(first);
    output_.pop_front();
  } else {
    piece = Piece{.bytes = first.bytes.substr(0, bytes_max), .sent_at = first.sent_at};
    first.bytes.erase(0, bytes_max);
  }
  output_bytes_ -= piece.bytes.size();
  changed();
  return piece;
}

void SimSocket::set_output_max(std::size_t bytes) {
  output_max_ = bytes;
  changed();
}

void SimSocket::put(std::string bytes, Nanos now) {
  output_bytes_ += bytes.size();
  output_.push_back(Piece{.bytes = std::move(bytes), .sent_at = now});
}

void SimSocket::drop_output(std::size_t bytes_kept) {
  while (output_bytes_ > bytes_kept) {
    std::string& last = output_.back().bytes;
    const std::size_t dropped = std::min(last.size(), output_bytes_ - bytes_kept);
    last.resize(last.size() - dropped);
    output_bytes_ -= dropped;
    if (last.empty()) output_.pop_back();
  }
}

}  // namespace broadside::sim
