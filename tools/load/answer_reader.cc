#include "tools/load/answer_reader.h"

#include <algorithm>
#include <charconv>

#include "proto/http_request.h"
#include "proto/http_tokens.h"

namespace broadside::tools::load {
namespace {

constexpr std::size_t kHeadBytesMax = 64 << 10;
constexpr std::string_view kHeadEnd = "\r\n\r\n";

template <typename Number>
bool parse_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

void AnswerReader::reset() {
  state_ = State::head;
  partial_head_.clear();
  partial_head_.shrink_to_fit();  // Very many streams have one; few are inside a head.
}

AnswerReader::Step AnswerReader::next(std::string_view& input) {
  switch (state_) {
    case State::head:
      return read_head(input);
    case State::sized:
      if (input.empty()) return Step::need_more;
      body_ = input.substr(0, left_);
      input.remove_prefix(body_.size());
      left_ -= body_.size();
      if (left_ == 0) state_ = State::done;
      return Step::body;
    case State::chunked:
      return read_chunked(input);
    case State::until_close:
      if (input.empty()) return Step::need_more;
      body_ = input;
      input = {};
      return Step::body;
    case State::done:
      state_ = State::head;
      return Step::end;
  }
  return Step::bad;
}

AnswerReader::Step AnswerReader::read_head(std::string_view& input) {
  if (input.empty()) return Step::need_more;
  std::size_t end = std::string_view::npos;
  if (partial_head_.empty() && (end = input.find(kHeadEnd)) != std::string_view::npos) {
    if (!parse_head(input.substr(0, end))) return Step::bad;
    input.remove_prefix(end + kHeadEnd.size());
    return Step::head;
  }
  const std::size_t before = partial_head_.size();
  partial_head_ += input;
  end = partial_head_.find(kHeadEnd, before > 3 ? before - 3 : 0);
  if (end == std::string::npos) {
    input = {};
    return partial_head_.size() > kHeadBytesMax ? Step::bad : Step::need_more;
  }
  input.remove_prefix(end + kHeadEnd.size() - before);
  if (!parse_head(std::string_view(partial_head_).substr(0, end))) return Step::bad;
  partial_head_.clear();
  return Step::head;
}

bool AnswerReader::parse_head(std::string_view head) {
  // "HTTP/1.1 200 OK"
  if (head.size() < 12 || !head.starts_with("HTTP/1.") || !parse_number(head.substr(9, 3), status_)) return false;
  is_last_ = head[7] == '0';
  is_event_stream_ = false;
  bool is_chunked = false;
  bool has_length = false;
  left_ = 0;
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos;) {
    const std::size_t begin = at + 2;
    at = head.find("\r\n", begin);
    const std::string_view line = head.substr(begin, at == std::string_view::npos ? at : at - begin);
    const std::size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = without_white_space(line.substr(std::min(colon + 1, line.size())));
    if (equals_ignoring_case(name, "Content-Length")) {
      has_length = true;
      if (!parse_number(value, left_)) return false;
    } else if (equals_ignoring_case(name, "Transfer-Encoding")) {
      is_chunked = equals_ignoring_case(value, "chunked");
    } else if (equals_ignoring_case(name, "Content-Type")) {
      is_event_stream_ = equals_ignoring_case(value.substr(0, value.find_first_of(" ;")), "text/event-stream");
    } else if (equals_ignoring_case(name, "Connection") && equals_ignoring_case(value, "close")) {
      is_last_ = true;
    }
  }
  const bool has_no_body = status_ / 100 == 1 || status_ == 204 || status_ == 304;
  if (has_no_body || (has_length && !is_chunked && left_ == 0)) {
    state_ = State::done;
  } else if (is_chunked) {
    state_ = State::chunked;
    chunked_.reset();
  } else {
    state_ = has_length ? State::sized : State::until_close;
  }
  if (state_ == State::until_close) is_last_ = true;
  return true;
}

AnswerReader::Step AnswerReader::read_chunked(std::string_view& input) {
  while (!input.empty()) {
    const ChunkedDecoder::Step step = chunked_.feed(input);
    input.remove_prefix(step.consumed);
    if (step.outcome == ParseOutcome::refused) return Step::bad;
    if (step.outcome == ParseOutcome::complete) {
      state_ = State::head;
      return Step::end;
    }
    if (step.data.empty()) return Step::need_more;
    body_ = step.data;
    return Step::body;
  }
  return Step::need_more;
}

}  // namespace broadside::tools::load
