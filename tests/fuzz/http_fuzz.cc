// Fuzzes request heads and chunked bodies: the input is a connection's bytes, requests one after the other. What is fed whole
// and what is fed in pieces, each against the end of an allocation of its own, has to be understood in the same way.
#include <string>
#include <string_view>

#include "proto/chunked_decoder.h"
#include "proto/http_request.h"
#include "proto/http_target.h"
#include "proto/uri.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace broadside;
using namespace broadside::fuzz;

constexpr std::size_t kHeadBytesMax = 12 * 1024;

void write_head(std::string& story, const RequestHead& head) {
  require(head.headers.size() <= 128 && head.method != Method::other);
  require(!(head.is_chunked && head.content_length));
  require(head.version_minor == 0 || is_valid_host(head.host));
  require(!head.path.empty());
  story +=
      std::string(head.method_text) + " " + std::string(head.path) + "?" + std::string(head.query) + "@" + std::string(head.host);
  story += head.keep_alive ? "K" : "-";
  story += head.expect_continue ? "E" : "-";
  if (head.content_length) story += std::to_string(*head.content_length);
  for (const Header& header : head.headers) {
    require(!header.name.empty() && header.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    story += "\n" + std::string(header.name) + ":" + std::string(header.value);
  }
  QueryParameters parameters(head.query);
  while (parameters.next() != QueryParameters::Step::end) story += "&" + parameters.name() + "=" + parameters.value();
  if (const auto path = percent_decode(head.path, false)) story += " " + *path;
}

// A connection that gets its bytes in pieces of `piece_bytes`, and what it made of them.
class Reader {
 public:
  std::string read(std::string_view input, std::size_t piece_bytes) {
    while (!input.empty() && !is_over_) {
      const std::string_view piece = input.substr(0, piece_bytes);
      input.remove_prefix(piece.size());
      buffered_ += piece;
      while (!is_over_ && take()) {
      }
    }
    return story_;
  }

 private:
  // Whether to go on with what is buffered.
  bool take() {
    const ExactBytes exact(buffered_);
    const std::string_view bytes = exact.view();
    if (is_in_chunks_) return take_chunks(bytes);
    if (plain_bytes_ > 0) {
      const std::size_t taken = bytes.size() < plain_bytes_ ? bytes.size() : static_cast<std::size_t>(plain_bytes_);
      plain_bytes_ -= taken;
      buffered_.erase(0, taken);
      return plain_bytes_ == 0 && !buffered_.empty();
    }
    const HeadParser::Result result = parser_.parse(bytes, head_, kHeadBytesMax);
    if (result.outcome == ParseOutcome::need_more) return false;
    if (result.outcome == ParseOutcome::refused) {
      require(result.status >= 400 && result.status <= 505 && *result.detail != 0);
      return end("refused " + std::to_string(result.status) + result.detail);
    }
    require(result.consumed > 0 && result.consumed <= bytes.size());
    write_head(story_, head_);
    is_in_chunks_ = head_.is_chunked;
    plain_bytes_ = head_.content_length.value_or(0);
    buffered_.erase(0, result.consumed);
    return !buffered_.empty();
  }

  bool take_chunks(std::string_view bytes) {
    const ChunkedDecoder::Step step = chunks_.feed(bytes);
    require(step.consumed <= bytes.size());
    story_ += step.data;
    if (step.outcome == ParseOutcome::refused) return end(std::string("refused chunk ") + step.detail);
    if (step.outcome == ParseOutcome::complete) {
      is_in_chunks_ = false;
      chunks_.reset();
      story_ += "end of body\n";
    } else {
      require(!step.data.empty() || step.consumed == bytes.size());
    }
    buffered_.erase(0, step.consumed);
    return !buffered_.empty();
  }

  bool end(const std::string& why) {
    story_ += why;
    is_over_ = true;
    return false;
  }

  HeadParser parser_;
  ChunkedDecoder chunks_;
  RequestHead head_;
  std::string buffered_;
  std::string story_;
  std::uint64_t plain_bytes_ = 0;
  bool is_in_chunks_ = false;
  bool is_over_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kInputBytesMax) return 0;
  const std::string_view input = as_text(data, size);
  const std::string whole = Reader().read(input, size + 1);
  require(Reader().read(input, 7) == whole);
  if (size <= 1024) require(Reader().read(input, 1) == whole);

  // The chunks alone, without a head that the fuzzer has to find first.
  ChunkedDecoder chunks;
  std::string_view rest = input;
  while (!rest.empty()) {
    const ChunkedDecoder::Step step = chunks.feed(rest);
    if (step.outcome != ParseOutcome::need_more) break;
    require(step.consumed > 0);
    rest.remove_prefix(step.consumed);
  }
  return 0;
}
