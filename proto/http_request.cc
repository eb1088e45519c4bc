#include "proto/http_request.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "proto/http_target.h"
#include "proto/http_tokens.h"
#include "proto/limits.h"

namespace broadside {
namespace {

// What a byte may be part of; CR and LF are of no class.
constexpr std::uint8_t kMethodClass = 1;
constexpr std::uint8_t kRequestLineClass = 2;  // Printable ASCII and the two spaces.
constexpr std::uint8_t kFieldClass = 4;

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned byte = 0; byte < classes.size(); ++byte) {
    unsigned bits = 0;
    if (is_token_byte(static_cast<unsigned char>(byte))) bits |= kMethodClass;
    if (byte >= 0x20 && byte <= 0x7E) bits |= kRequestLineClass;
    if (is_field_byte(static_cast<unsigned char>(byte))) bits |= kFieldClass;
    classes[byte] = static_cast<std::uint8_t>(bits);
  }
  return classes;
}

constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

std::size_t skip_class(std::string_view bytes, std::size_t at, std::uint8_t bits) {
  while (at < bytes.size() && (kClasses[static_cast<unsigned char>(bytes[at])] & bits) != 0) ++at;
  return at;
}

char to_lower(char byte) { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte; }

// Cuts the first element off a comma-separated list.
std::string_view take_element(std::string_view& list) {
  const std::size_t comma = list.find(',');
  const std::string_view element = without_white_space(list.substr(0, comma));
  list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  return element;
}

// What the Transfer-Encoding fields of a request say together.
struct Codings {
  int fields = 0;
  int count = 0;
  int chunked_count = 0;
  bool is_last_chunked = false;
  bool has_empty = false;

  void add_field(std::string_view value) {
    ++fields;
    // Not while (!empty): a list that ends in a comma has an empty last element.
    for (bool has_more = true; has_more;) {
      has_more = value.find(',') != std::string_view::npos;
      const std::string_view coding = take_element(value);
      ++count;
      has_empty |= coding.empty();
      is_last_chunked = equals_ignoring_case(coding, "chunked");
      chunked_count += is_last_chunked ? 1 : 0;
    }
  }
};

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  return std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return to_lower(x) == to_lower(y); });
}

bool list_has_token(std::string_view value, std::string_view token) {
  while (!value.empty()) {
    const std::string_view element = take_element(value);
    if (equals_ignoring_case(without_white_space(element.substr(0, element.find(';'))), token)) return true;
  }
  return false;
}

std::optional<std::string_view> RequestHead::find(std::string_view name) const {
  for (const Header& header : headers) {
    if (equals_ignoring_case(header.name, name)) return header.value;
  }
  return std::nullopt;
}

void RequestHead::clear() {
  std::vector<Header> emptied = std::move(headers);  // Keeps its memory.
  emptied.clear();
  *this = RequestHead();
  headers = std::move(emptied);
}

void HeadParser::reset() {
  std::vector<Field> emptied = std::move(fields_);  // Keeps its memory.
  emptied.clear();
  *this = HeadParser();
  fields_ = std::move(emptied);
}

bool HeadParser::refuse(int status, const char* detail) {
  is_refused_ = true;
  refusal_ = Result{.outcome = ParseOutcome::refused, .consumed = 0, .status = status, .detail = detail};
  return false;
}

HeadParser::Result HeadParser::parse(std::string_view buffered, RequestHead& head, std::size_t head_bytes_max) {
  BROADSIDE_ASSERT(head_bytes_max < UINT32_MAX);
  if (is_refused_) return refusal_;
  BROADSIDE_ASSERT(scanned_ <= buffered.size());
  while (!is_head_over_) {
    // The limits act as if the bytes came one by one: nothing behind them is looked at.
    std::size_t limit = head_bytes_max;
    if (line_ == Line::request) limit = std::min(limit, line_begin_ + kRequestLineBytesMax);
    const std::string_view bytes = buffered.substr(0, limit);
    is_line_over_ = false;
    if (!scan_line(bytes)) return refusal_;
    if (!is_line_over_) {
      if (buffered.size() <= limit) return Result{};
      if (line_ == Line::request) {
        refuse(414, "the request line is too long");
      } else {
        refuse(431, "the request head is too large");
      }
      return refusal_;
    }
    if (!on_line(bytes, scanned_ - 2)) return refusal_;
    line_begin_ = scanned_;
  }
  if (!fill(buffered, head)) return refusal_;
  const std::size_t consumed = scanned_;
  reset();
  return Result{.outcome = ParseOutcome::complete, .consumed = consumed, .status = 0, .detail = ""};
}

// Looks at the bytes of the line under way from where it has come to, up to its CRLF or the end of what is there.
bool HeadParser::scan_line(std::string_view bytes) {
  if (line_ == Line::request && !is_method_over_) {
    if (!scan_method(bytes)) return false;
  }
  const std::uint8_t allowed = line_ == Line::request ? kRequestLineClass : kFieldClass;
  const bool may_have_more = line_ == Line::field || is_method_over_;
  if (may_have_more) scanned_ = skip_class(bytes, scanned_, allowed);
  if (scanned_ >= bytes.size()) return true;
  const char stop = bytes[scanned_];
  if (stop == '\n') return refuse(400, "a line ends in LF without CR");
  if (stop != '\r') return refuse(400, "the request head has a byte that is not allowed there");
  // The CR stays unscanned until what follows it is there.
  if (scanned_ + 1 >= bytes.size()) return true;
  if (bytes[scanned_ + 1] != '\n') return refuse(400, "the request head has a CR without LF");
  scanned_ += 2;
  is_line_over_ = true;
  return true;
}

// The method is checked byte by byte, so that what is not HTTP at all (a TLS hello) is refused at its first byte.
bool HeadParser::scan_method(std::string_view bytes) {
  const std::size_t end = skip_class(bytes, scanned_, kMethodClass);
  if (end - line_begin_ > kMethodBytesMax) return refuse(501, "the method is not known");
  scanned_ = end;
  if (end >= bytes.size()) return true;
  if (bytes[end] == ' ' && end > line_begin_) {
    is_method_over_ = true;
    return true;
  }
  // An empty line before the request line; scan_line() looks at it.
  if (end == line_begin_ && (bytes[end] == '\r' || bytes[end] == '\n')) return true;
  return refuse(400, "the request does not begin with a method");
}

bool HeadParser::on_line(std::string_view bytes, std::size_t end) {
  BROADSIDE_ASSERT(line_begin_ <= end);
  if (end == line_begin_) {
    if (line_ == Line::field) {
      is_head_over_ = true;
      return true;
    }
    return ++empty_lines_ <= kLeadingEmptyLinesMax || refuse(400, "there are empty lines before the request line");
  }
  return line_ == Line::request ? on_request_line(bytes, end) : on_field(bytes, end);
}

bool HeadParser::on_request_line(std::string_view bytes, std::size_t end) {
  const std::string_view line = bytes.substr(line_begin_, end - line_begin_);
  const std::size_t method_end = line.find(' ');
  BROADSIDE_ASSERT(method_end != std::string_view::npos);  // scan_method() has seen it.
  const std::size_t target_begin = method_end + 1;
  const std::size_t target_end = line.find(' ', target_begin);
  if (target_end == std::string_view::npos) return refuse(400, "the request line has no version");
  const std::string_view target = line.substr(target_begin, target_end - target_begin);
  if (!on_version(line.substr(target_end + 1))) return false;
  if (target.empty()) return refuse(400, "the request line has no target");
  if (target.size() > kTargetBytesMax) return refuse(414, "the request target is too long");
  if (target.find('#') != std::string_view::npos) return refuse(400, "the request target has a fragment");
  method_ = method_of(line.substr(0, method_end));
  if (method_ == Method::other) return refuse(501, "the method is not known");
  method_text_ = Span{static_cast<std::uint32_t>(line_begin_), static_cast<std::uint32_t>(method_end)};
  target_ = Span{static_cast<std::uint32_t>(line_begin_ + target_begin), static_cast<std::uint32_t>(target.size())};
  line_ = Line::field;
  return true;
}

bool HeadParser::on_version(std::string_view version) {
  const auto is_digit = [](char byte) { return byte >= '0' && byte <= '9'; };
  const bool is_well_formed =
      version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) && version[6] == '.' && is_digit(version[7]);
  if (!is_well_formed) return refuse(400, "the request line does not end in an HTTP version");
  if (version[5] != '1' || version[7] > '1') return refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  version_minor_ = version[7] - '0';
  return true;
}

bool HeadParser::on_field(std::string_view bytes, std::size_t end) {
  const std::string_view line = bytes.substr(line_begin_, end - line_begin_);
  if (line.front() == ' ' || line.front() == '\t') return refuse(400, "a header field is folded");
  const std::size_t name_end = skip_class(line, 0, kMethodClass);
  if (name_end == line.size()) return refuse(400, "a header line has no colon");
  if (line[name_end] != ':') return refuse(400, "the name of a header field is not a token");
  if (name_end == 0) return refuse(400, "a header field has no name");
  if (fields_.size() == kHeadersMax) return refuse(431, "there are too many header fields");
  const std::string_view value = without_white_space(line.substr(name_end + 1));
  const auto value_begin = static_cast<std::uint32_t>(value.data() - bytes.data());
  fields_.push_back(Field{.name = {static_cast<std::uint32_t>(line_begin_), static_cast<std::uint32_t>(name_end)},
                          .value = {value_begin, static_cast<std::uint32_t>(value.size())}});
  return true;
}

bool HeadParser::fill(std::string_view bytes, RequestHead& head) {
  head.clear();
  head.method = method_;
  head.version_minor = version_minor_;
  head.method_text = method_text_.of(bytes);
  head.target = target_.of(bytes);
  TargetParts parts;
  if (!split_target(method_, head.target, parts)) return refuse(400, "the request target is of no known form");
  head.path = parts.path;
  head.query = parts.query;
  head.has_query = parts.has_query;
  for (const Field& field : fields_) head.headers.push_back(Header{.name = field.name.of(bytes), .value = field.value.of(bytes)});
  if (!fill_host(head, parts.authority) || !fill_framing(head)) return false;
  return fill_connection(head);
}

bool HeadParser::fill_host(RequestHead& head, std::string_view authority) {
  int host_count = 0;
  for (const Header& header : head.headers) {
    if (!equals_ignoring_case(header.name, "host")) continue;
    if (++host_count > 1) return refuse(400, "there is more than one Host");
    if (!is_valid_host(header.value)) return refuse(400, "Host is not a host");
    head.host = header.value;
  }
  if (host_count == 0 && version_minor_ == 1) return refuse(400, "there is no Host");
  // RFC 9112 3.2.2: the authority of an absolute target goes before Host.
  if (!authority.empty()) head.host = authority;
  return true;
}

bool HeadParser::fill_framing(RequestHead& head) {
  Codings codings;
  for (const Header& header : head.headers) {
    if (equals_ignoring_case(header.name, "transfer-encoding")) codings.add_field(header.value);
    if (!equals_ignoring_case(header.name, "content-length")) continue;
    if (head.content_length) return refuse(400, "there is more than one Content-Length");
    std::uint64_t length = 0;
    // 18 digits cannot overflow, and no body is an exabyte.
    if (header.value.empty() || header.value.size() > 18) return refuse(400, "Content-Length is not a length");
    for (const char byte : header.value) {
      if (byte < '0' || byte > '9') return refuse(400, "Content-Length is not a length");
      length = length * 10 + static_cast<unsigned>(byte - '0');
    }
    head.content_length = length;
  }
  if (codings.fields == 0) return true;
  if (head.content_length) return refuse(400, "there are both Content-Length and Transfer-Encoding");
  if (version_minor_ == 0) return refuse(400, "HTTP/1.0 has no Transfer-Encoding");
  if (codings.has_empty) return refuse(400, "Transfer-Encoding has an empty element");
  if (codings.chunked_count > 1) return refuse(400, "Transfer-Encoding has chunked more than once");
  // RFC 9112 6.3: else nobody can tell where the body ends. An unknown coding before it only hides what the body is (6.1).
  if (!codings.is_last_chunked) return refuse(400, "chunked is not the last Transfer-Encoding");
  if (codings.count > 1) return refuse(501, "the only Transfer-Encoding known is chunked");
  head.is_chunked = true;
  return true;
}

bool HeadParser::fill_connection(RequestHead& head) {
  bool has_close = false;
  bool has_keep_alive = false;
  for (const Header& header : head.headers) {
    if (equals_ignoring_case(header.name, "connection")) {
      has_close |= list_has_token(header.value, "close");
      has_keep_alive |= list_has_token(header.value, "keep-alive");
    } else if (equals_ignoring_case(header.name, "expect")) {
      if (!equals_ignoring_case(header.value, "100-continue")) return refuse(417, "the only expectation known is 100-continue");
      // RFC 9110 10.1.1: in HTTP/1.0 it is ignored.
      head.expect_continue = version_minor_ == 1;
    }
  }
  head.keep_alive = !has_close && (version_minor_ == 1 || has_keep_alive);
  return true;
}

}  // namespace broadside
