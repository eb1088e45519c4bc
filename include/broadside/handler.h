/// @file
/// What the engine asks and tells its host: requests that are no subscription, who may subscribe, and who came, lagged and left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "broadside/export.h"
#include "broadside/position.h"
#include "broadside/stats.h"
#include "broadside/subscribe.h"

namespace broadside {

/// A field of a request's head.
struct RequestHeader {
  std::string_view name;   ///< As sent; names are compared without regard to case.
  std::string_view value;  ///< Without white space around it.
};

/// Names the request that a deferred answer is for. An answer that comes twice, or too late, does nothing.
struct ResponseToken {
  std::uint32_t shard = 0;       ///< The engine's own.
  std::uint32_t index = 0;       ///< The engine's own.
  std::uint32_t generation = 0;  ///< The engine's own.
  std::uint32_t request = 0;     ///< The engine's own.
};

/// A request. All views are valid during the call alone.
struct BROADSIDE_API Request {
  std::string_view method;                 ///< As sent: "GET", "POST", ...
  std::string_view path;                   ///< Still percent-encoded.
  std::string_view query;                  ///< Still percent-encoded, without `?`.
  std::string_view host;                   ///< Of the Host field, or of the target.
  std::span<const RequestHeader> headers;  ///< In the order in which they came.
  std::string_view body;                   ///< Whole; empty in on_stream and authorise.
  std::string_view peer;                   ///< "127.0.0.1:50000". By a trusted proxy: its client, perhaps without a port.
  std::uint32_t listener = 0;              ///< Index into Config::listen.
  bool is_chunked = false;                 ///< Its body comes in chunks.
  bool is_proxied = false;                 ///< A proxy of Config::trusted_proxies has said who the peer is.
  ResponseToken token;                     ///< For an answer that comes later.

  /// The value of the first field named `name` (any case), or an empty view with null data.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

/// An answer. The engine adds Date, Content-Length, Connection and Cache-Control: no-store, and leaves the body out for HEAD.
struct Response {
  int status = 200;                               ///< 200 to 599.
  std::string headers;                            ///< Complete lines with CRLF, or empty.
  std::string content_type = "application/json";  ///< Empty: no such field.
  std::string body;                               ///< Any bytes.
  bool close = false;                             ///< Close the connection after it.
  bool is_deferred = false;                       ///< The answer comes later by Engine::respond(request.token, ...).
};

/// Reads a body as it arrives, on the thread that asked on_stream. Its output goes to the client at once, as a chunked response.
class BodyReader {
 public:
  virtual ~BodyReader() = default;  ///< Without on_end before it: the body was cut.
  /// Appends to `out` what the client shall get now. False ends the exchange: what is in `out` is sent, then the close.
  virtual bool on_body(std::string_view bytes, std::string& out) noexcept = 0;
  virtual void on_end(std::string& out) noexcept = 0;  ///< The body was complete.
  /// Whether something has begun that the client has to end: Config::body_timeout_ms counts. Else it may be silent for as long
  /// as it likes, as it may if nobody says otherwise.
  [[nodiscard]] virtual bool awaits_more() const noexcept { return false; }
  /// What it holds of the body, for the bound on the memory of requests. Nothing.
  [[nodiscard]] virtual std::size_t held_bytes() const noexcept { return 0; }
  /// Above 0: it is still busy with what it has. Nothing is read meanwhile, and the next call is on_body with no bytes, after so
  /// many milliseconds.
  [[nodiscard]] virtual std::uint32_t pause_ms() const noexcept { return 0; }
};

/// What on_stream decides about a request with a body.
struct StreamDecision {
  std::unique_ptr<BodyReader> reader;  ///< Set: `headers` are answered with 200 at once, and the body goes to the reader.
  std::string headers;                 ///< Complete lines with CRLF; with Content-Type.
  std::optional<Response> refusal;     ///< Set: it is answered at once, the body is not read, and the connection is closed.
};

/// What the host gives a stream on its way.
struct Admission {
  std::string headers;  ///< Complete lines with CRLF, added to the response's head.
  std::string subject;  ///< Who it is, as far as the host cares: shown in listings and told to the hooks. At most 255 bytes.
  std::uint64_t user_data = 0;   ///< The host's own, told to the hooks; never looked at.
  double rate_max = 0;           ///< Visits a second at most, 0.01 to 100, whatever was asked for; 0 = no such bound.
  std::uint32_t age_max_ms = 0;  ///< It is closed after that time at the latest, with `retry:`; 0 = Config::stream_age_max_ms.
  /// When its right ends, in milliseconds since 1970; 0 = never. It is told Config::expiry_notice_ms before, by
  /// `broadside.auth-expiring`, and closed then, unless Engine::start_renew() has come.
  std::uint64_t expires_ms = 0;
};

/// What authorise decides.
struct SubscribeDecision {
  int status = 200;                 ///< 200 admits; any other is the answer (no stream), as application/problem+json.
  std::string detail;               ///< Of a refusal: what is wrong and what to do about it.
  std::vector<std::string> topics;  ///< Not empty: these, whatever was asked for.
  Admission admission;              ///< Its headers go with a refusal as well.
  bool is_deferred = false;         ///< The decision comes later by Engine::decide(request.token, ...).
};

/// One stream, as hooks see it. All views are valid during the call alone.
struct SubscriberView {
  std::string_view connection;               ///< 32 hexadecimal digits: for Engine::start_send_to().
  std::span<const std::string_view> topics;  ///< Those it is on.
  std::string_view subject;                  ///< As in its Admission.
  std::uint64_t user_data = 0;               ///< As in its Admission.
  Position sent;  ///< It has been sent everything up to here, perhaps more: a resume from here loses nothing.
};

/// Why on_lag is called.
enum class LagOutcome : std::uint8_t {
  soft,          ///< Beyond a soft limit, and was not before.
  skipped,       ///< Moved on to newer events; it has been told by broadside.gap.
  disconnected,  ///< Is closed; on_disconnect follows.
};

/// Implemented by the host; what is not overridden does what its comment says. Every call comes on a shard's thread (of a
/// host-driven engine: the host's), from several shards at once; it must be quick, since that shard delivers nothing meanwhile.
/// It may call everything of the engine but stop(), wait_drained() and run_once(); nothing is called from inside publish(). What
/// is told of one stream comes in order: on_subscribe first, on_disconnect last. All is defined here, for hosts with and without
/// RTTI.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  /// A request that is no subscription, with its whole body. 404.
  virtual Response on_request(const Request& /*request*/) noexcept {
    return {.status = 404,
            .headers = {},
            .content_type = "application/problem+json",
            .body = R"({"type":"about:blank","title":"Not Found","status":404,"detail":"no such path"})"};
  }
  /// The head of a request with a body, before the body: take it as a stream, of any length and at any pace, or leave it (null
  /// reader) to on_request, which then gets the body whole if it is not larger than Config::body_bytes_max. Requests of HTTP/1.0
  /// go to on_request unasked. Leaves it.
  virtual StreamDecision on_stream(const Request& /*request*/) noexcept { return {}; }
  /// GET or HEAD of /events and below: whether `wanted`, which is well-formed, becomes a stream. It does.
  virtual SubscribeDecision authorise(const Request& /*request*/, const SubscribeRequest& /*wanted*/) noexcept { return {}; }
  /// Headers (complete lines with CRLF) for answers that the engine gives by itself, e.g. refusals of malformed requests. None.
  virtual std::string common_headers(const Request& /*request*/) noexcept { return {}; }

  /// The engine has answered by itself: with a stream (200), or without one, or a request that does not get to on_request.
  /// `reason` says why it was refused, and is empty otherwise: an EventSource is refused with a 200, because it then comes back.
  /// Of what was not understood the method and the path are empty. Nothing.
  virtual void on_answered(const Request& /*request*/, int /*status*/, std::string_view /*reason*/) noexcept {}

  /// A stream has begun; nothing has been sent yet. Nothing.
  virtual void on_subscribe(const SubscriberView& /*subscriber*/) noexcept {}
  /// It has ended, for whatever reason; also those that are open when the engine is stopped. Nothing.
  virtual void on_disconnect(const SubscriberView& /*subscriber*/, CloseReason /*reason*/) noexcept {}
  /// It is behind in `topic` by `lag`, and this is what comes of it. Nothing.
  virtual void on_lag(const SubscriberView& /*subscriber*/, std::string_view /*topic*/, const Lag& /*lag*/,
                      LagOutcome /*outcome*/) noexcept {}
};

}  // namespace broadside
