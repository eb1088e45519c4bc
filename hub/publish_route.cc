// The routes that change something: publish, end a topic, send to one connection; and the endless NDJSON body.
#include <exception>
#include <memory>
#include <utility>

#include "hub/answer.h"
#include "hub/hub.h"
#include "hub/publish_parameters.h"
#include "hub/request_body.h"
#include "proto/event_check.h"
#include "proto/limits.h"
#include "proto/topic_name.h"

namespace broadside::hub {

PublishAccess Hub::access_of(const Request& request) {
  Caller caller = caller_of(request);
  PublishRight right = authority_.publish_right(caller, request);
  PublishShare share = share_of(request, caller);
  PublishAccess access(std::move(right), std::move(caller), request.peer, audit_log_, *clock_);
  access.set_share(std::move(share));
  return access;
}

PublishShare Hub::share_of(const Request& request, const Caller& caller) {
  return {publish_limit_, publish_limit_.publisher_of(request, caller)};
}

Response Hub::publish_raw(const Request& request, const std::string& topic) {
  const PublishAccess access = access_of(request);
  if (const Verdict verdict = access.check("publish", topic); !verdict.is_allowed()) return refusal_of(verdict);
  PublishParameters parameters;
  if (const std::string wrong = parse_publish_parameters(request.query, parameters); !wrong.empty()) return problem(400, wrong);
  if (const Nanos wait = access.take_or_refuse("publish", topic, 1, request.body.size()); wait > 0)
    return too_much_published(wait);
  const Result<Published> published = engine_->publish(topic, parameters.event(request.body));
  if (!published) return problem_of(published.error());
  return json_answer(published_json(published.value(), parameters.id));
}

NdjsonTarget Hub::ndjson_target(const Request& request, const std::string& path_topic) {
  return {.publisher = this,
          .access = access_of(request),
          .path_topic = path_topic,
          .line_bytes_max = ndjson_line_bytes_max(event_bytes_max_)};
}

Response Hub::publish_lines(const Request& request, const std::string& path_topic) {
  const NdjsonTarget target = ndjson_target(request, path_topic);
  // Also for a body without lines: who may publish nothing learns nothing about its form.
  if (target.access.is_none()) return refusal_of(target.access.check("publish", path_topic));
  return publish_ndjson(target, request.body);
}

StreamDecision Hub::on_stream(const Request& request) noexcept {
  // Whatever is left to on_request gets its refusal there.
  try {
    if (!request.is_chunked || request.method != "POST" || !is_body_ndjson(request) || is_body_encoded(request)) return {};
    const Route route = route_of(request.path);
    if (route.resource != Resource::events && route.resource != Resource::topic_log) return {};
    if (route.resource == Resource::topic_log && !is_valid_topic(route.name)) return {};
    NdjsonTarget target = ndjson_target(request, route.name);
    if (target.access.is_none()) {
      Response refusal = refusal_of(target.access.check("publish", route.name));
      refusal.headers += common_headers(request);
      return {.reader = nullptr, .headers = {}, .refusal = std::move(refusal)};
    }
    if (access_log_ != nullptr) log_access(request, 200);
    return {.reader = std::make_unique<NdjsonReader>(std::move(target)),
            .headers = "Content-Type: application/x-ndjson\r\n" + common_headers(request),
            .refusal = {}};
  } catch (const std::exception&) {
    return {};
  }
}

Response Hub::end_topic(const Request& request, const std::string& topic) {
  const PublishAccess access = access_of(request);
  if (const Verdict verdict = access.check("end", topic); !verdict.is_allowed()) return refusal_of(verdict);
  if (const Nanos wait = access.take_or_refuse("end", topic, 1, 0); wait > 0) return too_much_published(wait);
  bool existed = false;
  const Result<Published> published = engine_->end(topic, &existed);
  if (!published) return problem_of(published.error());
  if (existed) return json_answer(published_json(published.value(), {}));
  TopicInfo info;
  if (engine_->topic_info(topic, info) && info.is_ended) return json_answer("{\"ended\":true}");
  return problem(404, "there is no such topic");
}

Response Hub::send_to_connection(const Request& request, const std::string& connection) {
  const Caller caller = caller_of(request);
  const Verdict verdict = authority_.send(caller, request);
  audit(request, "send", connection, caller, verdict);
  if (!verdict.is_allowed()) return refusal_of(verdict);
  PublishParameters parameters;
  if (const std::string wrong = parse_publish_parameters(request.query, parameters); !wrong.empty()) return problem(400, wrong);
  if (!parameters.id.empty()) return problem(400, "id= is not for one connection: what is sent to it is not kept and has no id");
  if (const Nanos wait = share_of(request, caller).try_take(1, request.body.size()); wait > 0) return too_much_published(wait);
  const Event event = parameters.event(request.body);
  const Result<Done> started = engine_->start_send_to(
      connection, event, [this, token = request.token, headers = common_headers(request)](SendOutcome outcome) {
        Response response = answer_of(outcome);
        response.headers += headers;
        engine_->respond(token, std::move(response));
      });
  if (!started) return problem_of(started.error());
  return {.status = 202, .headers = {}, .body = {}, .is_deferred = true};
}

Response Hub::renew_connection(const Request& request, const std::string& connection) {
  Caller caller = caller_of(request);
  const Verdict verdict = authority_.renew(caller, request);
  audit(request, "renew", connection, caller, verdict);
  if (!verdict.is_allowed()) return refusal_of(verdict);
  const std::uint64_t expires_ms = caller.expires_ms == kNeverMs ? 0 : static_cast<std::uint64_t>(caller.expires_ms);
  engine_->start_renew(
      connection, expires_ms,
      [this, caller = std::move(caller)](const SubscriberView& subscriber) {
        const std::vector<std::string> topics(subscriber.topics.begin(), subscriber.topics.end());
        return subscriber.subject == caller.subject && authority_.subscribe(caller, topics).is_allowed();
      },
      [this, token = request.token, headers = common_headers(request)](RenewOutcome outcome) {
        Response response = answer_of(outcome);
        response.headers += headers;
        engine_->respond(token, std::move(response));
      });
  return {.status = 200, .headers = {}, .body = {}, .is_deferred = true};
}

}  // namespace broadside::hub
