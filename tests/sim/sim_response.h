// Reads what the engine answers on one simulated connection: heads, bodies with a length, and in the end a stream, chunked or
// not.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "proto/chunked_decoder.h"

namespace broadside::sim {

class SimResponse {
 public:
  using OnStream = std::function<void(std::string_view)>;

  // Takes the next bytes; what belongs to a stream goes to `on_stream`.
  void feed(std::string_view bytes, const OnStream& on_stream);

  [[nodiscard]] int status() const { return status_; }  // Of the newest head; 0 before the first.
  [[nodiscard]] bool is_stream() const { return is_stream_; }
  [[nodiscard]] bool is_completed() const { return chunks_.is_complete(); }  // A chunked stream's last chunk has come.
  [[nodiscard]] const std::string& violation() const { return violation_; }

 private:
  void read_head();
  void feed_stream(std::string_view bytes, const OnStream& on_stream);

  std::string head_;  // As far as it has come.
  int status_ = 0;
  std::size_t body_left_ = 0;
  bool is_stream_ = false;
  bool is_chunked_ = false;
  ChunkedDecoder chunks_;
  std::string violation_;
};

}  // namespace broadside::sim
