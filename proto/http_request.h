// Request heads, incrementally and strictly (RFC 9112): refuses whatever two servers on a path could read differently.
// The parser is ours, not llhttp: llhttp, even when strict, lets through bare CR, folded lines, `Host : a`, a missing or second
// Host and HTTP/2.0, so all of this check would have to stand before it and little would be left for it to do.
// Bodies are the connection's (Content-Length) and chunked_decoder.h's. Any thread; one parser a connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "proto/parse_outcome.h"

namespace broadside {

// The methods of RFC 9110 and PATCH. Another well-formed one is refused with 501, so `other` never leaves the parser.
enum class Method : std::uint8_t { get, head, post, del, options, put, patch, trace, connect, other };

struct Header {
  std::string_view name;   // As it was written; compare with equals_ignoring_case().
  std::string_view value;  // Without white space around it.
};

// A request head. All views are into the bytes that were parsed, or static.
struct RequestHead {
  Method method = Method::other;
  std::string_view method_text;
  std::string_view target;  // As it was written.
  std::string_view path;    // Still percent-encoded: begins with `/`; `*` for OPTIONS; the whole target for CONNECT.
  std::string_view query;   // Still percent-encoded, without `?`.
  std::string_view host;    // The target's authority, else the Host field; empty only in HTTP/1.0.
  bool has_query = false;
  int version_minor = 1;  // HTTP/1.0 or HTTP/1.1.
  bool keep_alive = false;
  bool expect_continue = false;
  bool is_chunked = false;
  std::optional<std::uint64_t> content_length;  // Never together with is_chunked.
  std::vector<Header> headers;

  [[nodiscard]] bool has_body() const { return is_chunked || content_length.value_or(0) > 0; }
  // The value of the first field named `name`, in any case.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  void clear();
};

// ASCII letters are the same in both cases; other bytes only equal themselves.
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);
// Whether the comma-separated list `value` has `token`, in any case; parameters (`;q=1`) are passed over.
[[nodiscard]] bool list_has_token(std::string_view value, std::string_view token);

// Parses one head after the other. Invariant: every byte before `scanned_` has been looked at once and will not be again until
// the head is complete, so feeding a head byte by byte costs no more than feeding it whole; the answer is the same as well.
class HeadParser {
 public:
  struct Result {
    ParseOutcome outcome = ParseOutcome::need_more;
    std::size_t consumed = 0;  // complete: the head's bytes; what follows is its body or the next request.
    int status = 0;            // refused: what to answer. The connection must be closed after it.
    const char* detail = "";   // refused: a sentence for people, static.
  };

  // Requires: `buffered` begins where the head begins, and is what it was at the last call, or longer. It may have moved.
  // `head` is of use only when complete; the parser is then ready for the next head. Refused is for good, until reset().
  Result parse(std::string_view buffered, RequestHead& head, std::size_t head_bytes_max);

  // Whether part of a head has been seen (a head timeout then is 408; else the connection is merely idle).
  [[nodiscard]] bool has_begun() const { return line_ == Line::field || scanned_ > line_begin_; }
  void reset();

 private:
  struct Span {
    std::uint32_t begin = 0;
    std::uint32_t length = 0;
    [[nodiscard]] std::string_view of(std::string_view bytes) const { return bytes.substr(begin, length); }
  };
  struct Field {
    Span name;
    Span value;
  };
  enum class Line : std::uint8_t { request, field };

  // Each says whether to go on; if not, refusal_ is set.
  bool refuse(int status, const char* detail);
  bool scan_line(std::string_view bytes);
  bool scan_method(std::string_view bytes);
  bool on_line(std::string_view bytes, std::size_t end);
  bool on_request_line(std::string_view bytes, std::size_t end);
  bool on_version(std::string_view version);
  bool on_field(std::string_view bytes, std::size_t end);
  bool fill(std::string_view bytes, RequestHead& head);
  bool fill_host(RequestHead& head, std::string_view authority);
  bool fill_framing(RequestHead& head);
  bool fill_connection(RequestHead& head);

  std::size_t scanned_ = 0;     // Bytes looked at.
  std::size_t line_begin_ = 0;  // Where the line under way begins.
  Line line_ = Line::request;
  bool is_method_over_ = false;  // The request line's first space has come.
  bool is_line_over_ = false;    // scan_line() has just passed a CRLF.
  bool is_head_over_ = false;
  bool is_refused_ = false;
  int empty_lines_ = 0;
  int version_minor_ = 1;
  Method method_ = Method::other;
  Span method_text_;
  Span target_;
  std::vector<Field> fields_;
  Result refusal_;
};

}  // namespace broadside
