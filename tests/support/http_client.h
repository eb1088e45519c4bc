// A small blocking HTTP client with deadlines: raw bytes in and out for what a proper client would never send, whole requests and
// responses for the rest, and SseStream for one event stream. Binds 127.0.0.2 and up, never the server's own address of IPv4.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/deadline.h"
#include "tests/support/event_stream.h"
#include "tests/support/tls_client.h"

namespace broadside::test {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Names are compared without case; empty when it is not there.
std::string header_of(const Headers& headers, std::string_view name);
bool has_header(const Headers& headers, std::string_view name);
// Whether the comma list has the token, without case.
bool header_has_token(const Headers& headers, std::string_view name, std::string_view token);

struct HttpHead {
  int status = 0;
  std::string version;  // "HTTP/1.1".
  Headers headers;
  std::string text;  // As it came, with the empty line.

  [[nodiscard]] std::string header(std::string_view name) const { return header_of(headers, name); }
  [[nodiscard]] bool has(std::string_view name) const { return has_header(headers, name); }
};

struct HttpResponse {
  HttpHead head;
  std::string body;
  bool is_complete = false;  // False: timed out, or cut before what the head promised.

  [[nodiscard]] int status() const { return head.status; }
  [[nodiscard]] std::string header(std::string_view name) const { return head.header(name); }
};

// A request head and body with Host, and Content-Length when there is a body or the method has one.
std::string request_text(std::string_view method, std::string_view target, std::string_view host, const Headers& headers,
                         std::string_view body);

// One chunk of a chunked body.
std::string chunk_text(std::string_view bytes);

// One TCP or Unix connection. Every call waits at most until its deadline. Movable; closes on destruction.
class HttpConnection {
 public:
  HttpConnection() = default;
  ~HttpConnection() { close(); }
  HttpConnection(HttpConnection&& other) noexcept { *this = std::move(other); }
  HttpConnection& operator=(HttpConnection&& other) noexcept;

  // `receive_buffer_bytes` above 0 fixes the kernel's buffer (for clients that stall). From `source` to the loopback address of
  // its version.
  static HttpConnection open(std::uint16_t port, int receive_buffer_bytes = 0, const std::string& source = "127.0.0.2");
  static HttpConnection open_unix(const std::string& path);
  // Shakes hands as well; why that failed is tls()->error().
  static HttpConnection open_tls(std::uint16_t port, const TlsClientOptions& options, int receive_buffer_bytes = 0);

  // Shakes hands on a connection that is plain so far.
  void start_tls(const TlsClientOptions& options);

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  // Its own, not the server's.
  [[nodiscard]] std::uint16_t local_port() const;
  // Null if it is plain.
  [[nodiscard]] const TlsClient* tls() const { return tls_.get(); }
  // False when the peer is gone or does not read.
  bool send(std::string_view bytes, const Deadline& deadline = soon());
  // Each byte in a segment of its own.
  bool send_byte_by_byte(std::string_view bytes, const Deadline& deadline = soon());
  // The next head; status 0 when none came. 1xx are heads like others.
  HttpHead read_head(const Deadline& deadline = soon());
  // The next final response with its body (1xx are passed over); `is_head` when the request was HEAD.
  HttpResponse read_response(bool is_head = false, const Deadline& deadline = soon());
  // What follows a final head that read_head() gave.
  HttpResponse read_rest(HttpHead head, bool is_head, const Deadline& deadline = soon());
  // Up to `bytes_max` bytes; empty at the end of the stream, a reset or the deadline.
  std::string read_some(std::size_t bytes_max, const Deadline& deadline = soon());
  // One line of a chunked body without its LF, across chunks; empty at the end or the deadline.
  std::optional<std::string> read_chunked_line(const Deadline& deadline = soon());
  // Whether the peer closes (FIN or RST) before the deadline; what it sends until then is dropped.
  bool wait_closed(const Deadline& deadline = soon());
  [[nodiscard]] bool was_reset() const { return was_reset_; }
  [[nodiscard]] bool was_closed() const { return was_closed_; }

  void half_close();
  // Sends and says that nothing comes behind it, in one piece. Requires: tls().
  bool send_last(std::string_view bytes, const Deadline& deadline = soon());
  void close();
  // Closes with RST.
  void reset();

 private:
  explicit HttpConnection(int fd) : fd_(fd) {}
  bool send_raw(std::string_view bytes, const Deadline& deadline);
  bool fill(const Deadline& deadline);  // Reads more into pending_; false at the end or the deadline.
  bool read_chunked_body(std::string& body, const Deadline& deadline);
  std::optional<std::string> read_crlf_line(const Deadline& deadline);
  bool read_exactly(std::size_t count, std::string& out, const Deadline& deadline);

  int fd_ = -1;
  std::unique_ptr<TlsClient> tls_;
  bool was_closed_ = false;
  bool was_reset_ = false;
  std::string pending_;  // Received, not yet handed out.
  std::string chunked_;  // Decoded from chunks, not yet handed out as lines.
};

// Whether nobody listens there any more: the kernel refuses at once. A connection that is taken, or not answered, is not refused.
bool is_refused(std::uint16_t port);

// Connects, sends one request with `Connection: close`, reads the answer. Status 0 when that fails.
HttpResponse fetch(std::uint16_t port, std::string_view method, std::string_view target, const Headers& headers = {},
                   std::string_view body = {});

// One subscriber's connection, read on demand. All events received so far are kept, own ones too.
class SseStream {
 public:
  // Sends the GET and reads the head. Look at head().status.
  static SseStream open(std::uint16_t port, std::string_view target, const Headers& headers = {}, int receive_buffer_bytes = 0);
  static SseStream open_tls(std::uint16_t port, std::string_view target, const TlsClientOptions& options,
                            int receive_buffer_bytes = 0);
  // Takes over a connection on which the request has been sent.
  static SseStream from(HttpConnection connection);

  [[nodiscard]] const HttpHead& head() const { return head_; }
  [[nodiscard]] const std::vector<ReceivedEvent>& events() const { return events_; }
  // Without Broadside's own.
  [[nodiscard]] std::vector<ReceivedEvent> published() const;
  [[nodiscard]] std::vector<std::string> published_data() const;
  // The first event of this type.
  [[nodiscard]] std::optional<ReceivedEvent> find(std::string_view type) const;
  [[nodiscard]] const EventStream& stream() const { return stream_; }
  [[nodiscard]] const std::string& last_event_id() const { return stream_.last_event_id(); }
  [[nodiscard]] const std::string& body() const { return body_; }
  [[nodiscard]] HttpConnection& connection() { return connection_; }

  // Reads until there are `count` published events. False at the deadline or a close before.
  bool wait_published(std::size_t count, const Deadline& deadline = soon());
  // Reads until an event of this type is there.
  bool wait_for(std::string_view type, const Deadline& deadline = soon());
  // Reads until this much of the body is there.
  bool wait_bytes(std::size_t count, const Deadline& deadline = soon());
  // Reads until the server closes, cleanly and not inside a block.
  bool wait_closed(const Deadline& deadline = soon());
  // Reads whatever comes next. False at the end or the deadline.
  bool read_more(const Deadline& deadline);

 private:
  HttpConnection connection_;
  HttpHead head_;
  EventStream stream_;
  std::vector<ReceivedEvent> events_;
  std::string body_;
  bool is_chunked_ = false;
  std::string chunk_pending_;
  std::size_t chunk_left_ = 0;

  std::string unchunk(std::string_view bytes);
};

}  // namespace broadside::test
