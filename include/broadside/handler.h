// What the engine asks its host: requests that are no subscription, and what to say of those that are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace broadside {

struct RequestHeader {
  std::string_view name;
  std::string_view value;
};

// Names the connection that a deferred answer goes to.
struct ResponseToken {
  std::uint32_t shard = 0;
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
};

// A request. All views are valid during the call alone.
struct Request {
  std::string_view method;  // As sent: "GET", "POST", ...
  std::string_view path;    // Still percent-encoded.
  std::string_view query;   // Still percent-encoded, without `?`.
  std::string_view host;
  std::span<const RequestHeader> headers;
  std::string_view body;       // Whole; empty in on_stream and on_subscribe.
  std::string_view peer;       // "127.0.0.1:50000".
  std::uint32_t listener = 0;  // Index into Config::listen.
  bool is_chunked = false;
  ResponseToken token;  // For Response::deferred.

  // The value of the first field named `name` (any case), or an empty view with null data.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

// An answer. The engine adds Date, Content-Length, Connection and Cache-Control: no-store, and leaves the body out for HEAD.
struct Response {
  int status = 200;
  std::string headers;  // Complete lines with CRLF, or empty.
  std::string content_type = "application/json";
  std::string body;
  bool close = false;        // Close the connection after it.
  bool is_deferred = false;  // The answer comes later by Engine::respond(request.token, ...).
};

// Reads a chunked body as it arrives. Its output goes to the client at once, as a chunked response.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // Appends to `out` what the client shall get now. False ends the exchange: what is in `out` is sent, then the close.
  virtual bool on_body(std::string_view bytes, std::string& out) noexcept = 0;
  virtual void on_end(std::string& out) noexcept = 0;  // The body was complete.
};

// What on_stream decides about a request with a chunked body.
struct StreamDecision {
  std::unique_ptr<BodyReader> reader;  // Set: `headers` are answered with 200 at once, and the body goes to the reader.
  std::string headers;                 // Complete lines with CRLF; with Content-Type.
  std::optional<Response> refusal;     // Set: it is answered at once, the body is not read, and the connection is closed.
};

// What on_subscribe decides. status 200 goes on; any other is the answer (no stream).
struct SubscribeDecision {
  int status = 200;
  std::string headers;  // Complete lines with CRLF, added to the stream's head (or to the refusal's).
  std::string detail;   // Refusal: the problem's `detail`.
};

// Implemented by the host. Every call comes on a shard's thread, must be quick, and may come from several shards at once.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // A request that is no subscription, with its whole body.
  virtual Response on_request(const Request& request) noexcept = 0;
  // The head of a request with a chunked body, before the body: take it as a stream, or leave it (null reader) to on_request.
  virtual StreamDecision on_stream(const Request& request) noexcept = 0;
  // GET or HEAD of /events... ; the topics are not yet checked.
  virtual SubscribeDecision on_subscribe(const Request& request) noexcept = 0;
  // Headers (complete lines with CRLF) for answers that the engine gives by itself, e.g. refusals of malformed subscriptions.
  virtual std::string common_headers(const Request& request) noexcept = 0;
};

}  // namespace broadside
