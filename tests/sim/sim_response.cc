#include "tests/sim/sim_response.h"

#include <algorithm>
#include <charconv>

namespace broadside::sim {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";

}  // namespace

void SimResponse::feed(std::string_view bytes, const OnStream& on_stream) {
  while (!bytes.empty() && violation_.empty()) {
    if (is_stream_) return feed_stream(bytes, on_stream);
    if (body_left_ > 0) {
      const std::size_t dropped = std::min(body_left_, bytes.size());
      body_left_ -= dropped;
      bytes.remove_prefix(dropped);
      continue;
    }
    // The end may lie across what came before and what comes now.
    const std::size_t before = head_.size();
    head_.append(bytes);
    const std::size_t end = head_.find(kHeadEnd, before < 3 ? 0 : before - 3);
    if (end == std::string::npos) return;
    bytes.remove_prefix(end + kHeadEnd.size() - before);
    head_.resize(end + 2);
    read_head();
    head_.clear();
  }
}

void SimResponse::read_head() {
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  if (!head_.starts_with("HTTP/1.1 ") || head_.size() < 12) {
    violation_ = "no head: " + head_;
    return;
  }
  std::from_chars(head_.data() + 9, head_.data() + 12, status_);
  const std::size_t length = head_.find(kLength);
  if (length != std::string::npos) {
    std::from_chars(head_.data() + length + kLength.size(), head_.data() + head_.size(), body_left_);
  } else if (status_ == 200) {
    is_stream_ = true;
    is_chunked_ = head_.find("\r\nTransfer-Encoding: chunked\r\n") != std::string::npos;
  } else if (status_ != 204) {
    violation_ = "an answer without a length: " + head_;
  }
}

void SimResponse::feed_stream(std::string_view bytes, const OnStream& on_stream) {
  if (!is_chunked_) return on_stream(bytes);
  while (!bytes.empty()) {
    if (chunks_.is_complete()) {
      violation_ = "bytes behind the last chunk";
      return;
    }
    const ChunkedDecoder::Step step = chunks_.feed(bytes);
    if (step.outcome == ParseOutcome::refused) {
      violation_ = std::string("bad chunks: ") + step.detail;
      return;
    }
    if (!step.data.empty()) on_stream(step.data);
    bytes.remove_prefix(step.consumed);
  }
}

}  // namespace broadside::sim
