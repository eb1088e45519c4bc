// Publishes NDJSON: a whole body (all of its lines or none), or an endless one line by line as the bytes arrive.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broadside/engine.h"
#include "broadside/handler.h"
#include "hub/auth/publish_access.h"
#include "hub/ndjson.h"

namespace broadside::hub {

// What publishes a batch: the engine, or a test.
class BatchPublisher {
 public:
  virtual ~BatchPublisher() = default;
  // As Engine::publish_batch.
  virtual Result<Done> publish_batch(std::span<const BatchEntry> batch, std::vector<Published>& out, std::size_t* bad_index) = 0;
};

// Where the lines of one request go, and how long they may be.
struct NdjsonTarget {
  BatchPublisher* publisher = nullptr;
  PublishAccess access;
  std::string path_topic;  // Empty: each line names its own.
  std::uint64_t line_bytes_max = 0;
};

// Checks all lines first, then publishes all of them at once. 200 with {"ids","count"}, or a problem that names the line.
[[nodiscard]] Response publish_ndjson(const NdjsonTarget& target, std::string_view body);

// Publishes each line as it is complete and answers it with a line: {"id","position"}, with "duplicate" where it was there
// already, or {"line","error"}. The lines of one piece of the body are published together; those beyond what the publisher may
// publish a second wait, and so do the rest of the body and, before long, its sender. Ends the exchange when the token that it
// began with has expired. Used by one thread at a time.
class NdjsonReader final : public BodyReader {
 public:
  explicit NdjsonReader(NdjsonTarget target) : target_(std::move(target)), cutter_(target_.line_bytes_max) {}

  bool on_body(std::string_view bytes, std::string& out) noexcept override;
  void on_end(std::string& out) noexcept override;
  [[nodiscard]] bool awaits_more() const noexcept override { return cutter_.is_inside_line(); }
  [[nodiscard]] std::size_t held_bytes() const noexcept override;
  [[nodiscard]] std::uint32_t pause_ms() const noexcept override { return pause_ms_; }

 private:
  struct Line {
    std::uint64_t number = 0;
    std::string problem;  // Empty: `event` is to be published.
    LineEvent event;
  };

  void add(std::uint64_t number, std::optional<std::string_view> line);
  void publish_lines(std::string& out);
  [[nodiscard]] std::size_t take_lines();
  void publish_together(std::span<const BatchEntry> batch, std::vector<Result<Published>>& results);

  NdjsonTarget target_;
  LineCutter cutter_;
  std::vector<Line> lines_;  // Complete and not yet answered; empty between two calls but while it pauses.
  std::uint32_t pause_ms_ = 0;
};

}  // namespace broadside::hub
