// See hub.h.
#include "hub/hub.h"

#include <exception>
#include <utility>

#include "base/assert.h"
#include "engine/io/socket.h"
#include "hub/answer.h"
#include "hub/metrics.h"
#include "hub/page.h"
#include "hub/request_body.h"
#include "hub/status_route.h"
#include "proto/json_text.h"
#include "proto/topic_name.h"

namespace broadside::hub {
namespace {

// The page is one file with its own script and style, and speaks to this server alone.
constexpr const char* kPageHeaders =
    "Content-Security-Policy: default-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; frame-ancestors "
    "'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n";

Response not_found(std::string_view what) { return problem(404, what); }

Response topic_invalid() { return problem(400, "a topic is 1 to 255 bytes of UTF-8 without control characters"); }

}  // namespace

Hub::Hub(const HubOptions& options)
    : cors_(options.cors_origins),
      authority_(options.authority, cors_),
      publish_limit_(options.publish_rates, options.address_prefix6, *options.clock),
      event_bytes_max_(options.event_bytes_max),
      is_diagnostic_echo_(options.is_diagnostic_echo),
      access_log_(options.access_log),
      audit_log_(options.audit_log, options.audit_level),
      clock_(options.clock) {
  std::size_t listener = 0;
  for (const auto* addresses : {&options.authority.listen, &options.authority.admin_listen}) {
    for (const std::string& address : *addresses) {
      if (io::is_sealed_address(address)) sealed_listeners_ |= std::uint64_t{1} << listener;
      ++listener;
    }
  }
  if (options.hsts_s > 0) hsts_ = "Strict-Transport-Security: max-age=" + std::to_string(options.hsts_s) + "\r\n";
}

void Hub::attach(Engine& engine) {
  BROADSIDE_ASSERT(engine_ == nullptr);
  engine_ = &engine;
  started_ms_ = engine.stats().monotonic_ms;
}

Response Hub::health() const { return health_response(engine_->stats(), started_ms_); }

Result<Done> Hub::publish_batch(std::span<const BatchEntry> batch, std::vector<Published>& out, std::size_t* bad_index) {
  return engine_->publish_batch(batch, out, bad_index);
}

Response Hub::on_request(const Request& request) noexcept {
  BROADSIDE_ASSERT(engine_ != nullptr);
  // What can be thrown is std::bad_alloc.
  try {
    Response response = answer(request);
    response.headers += common_headers(request);
    if (access_log_ != nullptr) log_access(request, response.status);
    return response;
  } catch (const std::exception&) {
    return {.status = 503, .headers = {}, .content_type = {}, .body = {}, .close = true};
  }
}

SubscribeDecision Hub::authorise(const Request& request, const SubscribeRequest& wanted) noexcept {
  try {
    Caller caller = caller_of(request);
    Verdict verdict = subscribe_verdict(request, wanted.topics, caller);
    SubscribeDecision decision{.status = verdict.status, .detail = std::move(verdict.detail)};
    decision.admission.headers = common_headers(request) + verdict.headers;
    decision.admission.subject = std::move(caller.subject);
    if (caller.expires_ms != kNeverMs) decision.admission.expires_ms = static_cast<std::uint64_t>(caller.expires_ms);
    return decision;
  } catch (const std::exception&) {
    return {.status = 503};
  }
}

Caller Hub::caller_of(const Request& request) const {
  return authority_.caller_of(request, static_cast<std::int64_t>(clock_->wall_ms()));
}

void Hub::audit(const Request& request, std::string_view action, std::string_view target, const Caller& caller,
                const Verdict& verdict) {
  audit_log_.write({.action = action, .target = target, .peer = request.peer}, caller, verdict,
                   static_cast<std::int64_t>(clock_->wall_ms()));
}

Verdict Hub::subscribe_verdict(const Request& request, std::span<const std::string> topics, const Caller& caller) {
  Verdict verdict = authority_.subscribe(caller, topics);
  // Streams that are allowed are no news: there is one for each of very many pages.
  if (!verdict.is_allowed()) audit(request, "subscribe", topics.empty() ? "" : topics.front(), caller, verdict);
  return verdict;
}

Verdict Hub::admin_verdict(const Request& request) {
  const Caller caller = caller_of(request);
  Verdict verdict = authority_.administer(caller, request);
  audit(request, "admin", request.path, caller, verdict);
  return verdict;
}

std::string Hub::common_headers(const Request& request) noexcept {
  try {
    std::string headers = cors_.headers_for(request.header("Origin"));
    if ((sealed_listeners_ >> request.listener & 1) != 0) headers += hsts_;
    return headers;
  } catch (const std::exception&) {
    return {};
  }
}

Response Hub::answer(const Request& request) {
  const Route route = route_of(request.path);
  if (route.resource == Resource::bad_escape) return problem(400, "bad percent escape in the path");
  if (route.resource == Resource::unknown) return not_found("there is nothing at this path");
  if (request.method == "OPTIONS") return answer_options(request, route);
  // `*` has no method but OPTIONS; the wire refuses it with others.
  if (route.resource == Resource::server) return problem(400, "`*` is for OPTIONS alone");
  const bool has_topic = route.resource == Resource::topic_log || route.resource == Resource::topic;
  const std::string_view allowed = allowed_methods(route.resource, is_diagnostic_echo_);
  // No name in the list is a part of another one.
  if (allowed.find(request.method) == std::string_view::npos) {
    return problem(405, std::string(request.method) + " is not for this path; allowed: " + std::string(allowed),
                   "Allow: " + std::string(allowed) + "\r\n");
  }
  if (has_topic && !is_valid_topic(route.name)) return topic_invalid();
  if (request.method == "POST") return answer_post(request, route);
  if (request.method == "DELETE") return end_topic(request, route.name);
  return answer_get(request, route);
}

Response Hub::answer_get(const Request& request, const Route& route) {
  if (is_administration(route.resource)) {
    if (const Verdict verdict = admin_verdict(request); !verdict.is_allowed()) return refusal_of(verdict);
  }
  switch (route.resource) {
    case Resource::page:
      return {
          .status = 200, .headers = kPageHeaders, .content_type = "text/html; charset=utf-8", .body = std::string(page_html())};
    case Resource::topics:
      return list_topics(request);
    case Resource::connections:
      return list_connections(request);
    case Resource::topic: {
      TopicInfo topic;
      if (!engine_->topic_info(route.name, topic)) return not_found("there is no such topic");
      return json_answer(topic_json(topic));
    }
    case Resource::healthz:
      return health();
    case Resource::readyz:
      return readiness_response(engine_->stats());
    case Resource::metrics: {
      const MetricsFormat format = metrics_format_of(request.header("Accept"));
      return {.status = 200,
              .headers = "Vary: Accept\r\n",
              .content_type = content_type_of(format),
              .body = metrics_text(engine_->stats(), format)};
    }
    case Resource::events:
    case Resource::topic_log:
    case Resource::connection:
    case Resource::connection_token:
    case Resource::server:
    case Resource::unknown:
    case Resource::bad_escape:
      break;
  }
  // Subscriptions are answered by the engine, and allowed_methods() has kept out the others.
  return not_found("there is nothing to GET at this path");
}

Response Hub::answer_post(const Request& request, const Route& route) {
  // Before the type: whether the bytes are what they seem cannot be told.
  if (route.resource != Resource::page && is_body_encoded(request)) {
    return problem(415, "a body with Content-Encoding is not read; send it as it is", "Accept-Encoding: identity\r\n");
  }
  switch (route.resource) {
    case Resource::page:
      return {.status = 200, .headers = {}, .content_type = "application/octet-stream", .body = std::string(request.body)};
    case Resource::events:
      if (is_body_ndjson(request)) return publish_lines(request, {});
      return problem(415, "POST /events takes application/x-ndjson, a line an event; any other type goes to /events/{topic}",
                     "Accept-Post: application/x-ndjson\r\n");
    case Resource::topic_log:
      return is_body_ndjson(request) ? publish_lines(request, route.name) : publish_raw(request, route.name);
    case Resource::connection:
      return send_to_connection(request, route.name);
    case Resource::connection_token:
      return renew_connection(request, route.name);
    case Resource::topics:
    case Resource::connections:
    case Resource::topic:
    case Resource::healthz:
    case Resource::readyz:
    case Resource::metrics:
    case Resource::server:
    case Resource::unknown:
    case Resource::bad_escape:
      break;
  }
  return not_found("there is nothing to POST to at this path");
}

Response Hub::answer_options(const Request& request, const Route& route) const {
  Response response{.status = 204, .headers = {}, .content_type = {}, .body = {}};
  response.headers = "Allow: " + std::string(allowed_methods(route.resource, is_diagnostic_echo_)) + "\r\n";
  const std::string_view origin = request.header("Origin");
  const bool is_preflight = origin.data() != nullptr && request.header("Access-Control-Request-Method").data() != nullptr;
  if (is_preflight) response.headers += cors_.preflight_headers_for(origin);
  return response;
}

void Hub::on_answered(const Request& request, int status, std::string_view reason) noexcept {
  if (access_log_ == nullptr) return;
  try {
    log_access(request, status, reason);
  } catch (const std::exception&) {  // There is no memory for a line.
  }
}

// `PEER METHOD TARGET STATUS`, and why it was refused; `-` stands for what was not understood.
void Hub::log_access(const Request& request, int status, std::string_view refusal) const {
  std::string line(request.peer);
  line += ' ';
  line += request.method.empty() ? "-" : request.method;
  line += ' ';
  line += request.path.empty() ? "-" : request.path;
  if (!request.query.empty()) {
    line += '?';
    line += without_token(request.query);
  }
  line += ' ' + std::to_string(status);
  if (!refusal.empty()) line.append(" refused: ").append(refusal);
  access_log_->log(LogLevel::info, line);
}

}  // namespace broadside::hub
