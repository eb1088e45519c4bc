#include "engine/c_values.h"

#include <algorithm>
#include <new>
#include <utility>

#include "engine/subscribe_request.h"
#include "proto/http_tokens.h"

namespace broadside {
namespace {

static_assert(BROADSIDE_START_LIVE == static_cast<int>(StartRequest::Kind::live));
static_assert(BROADSIDE_START_AFTER_ID == static_cast<int>(StartRequest::Kind::after_id));
static_assert(BROADSIDE_START_SINCE == static_cast<int>(StartRequest::Kind::since));
static_assert(BROADSIDE_START_LAST == static_cast<int>(StartRequest::Kind::last));
static_assert(BROADSIDE_START_SNAPSHOT == static_cast<int>(StartRequest::Kind::snapshot));

constexpr std::size_t kSubjectBytesMax = 255;

int read_status(CArguments& arguments, std::int32_t status) {
  if (status < 200 || status > 599) arguments.refuse("status", "is not 200 to 599");
  return status;
}

// What broadside_subscribe_request_read() hands out: the structure, and behind it what it points to.
struct OwnedSubscription : broadside_subscribe_request {
  explicit OwnedSubscription(SubscribeRequest from) : request(std::move(from)), topic_slices(slices_of(request.topics)) {
    static_cast<broadside_subscribe_request&>(*this) = subscription_of(request, topic_slices);
  }
  SubscribeRequest request;
  std::vector<broadside_slice> topic_slices;
};

}  // namespace

bool are_header_lines(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n");
    if (end == std::string_view::npos) return false;
    const std::string_view line = text.substr(0, end);
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos) return false;
    if (!std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(colon), is_token_byte)) return false;
    if (!std::all_of(line.begin(), line.end(), is_field_byte)) return false;
    text.remove_prefix(end + 2);
  }
  return true;
}

std::string_view read_headers(CArguments& arguments, broadside_slice headers) {
  const std::string_view lines = arguments.text(headers, "headers");
  if (!are_header_lines(lines)) arguments.refuse("headers", "are not complete lines, each `name: value` with CRLF");
  return lines;
}

CSubscriber::CSubscriber(const SubscriberView& subscriber) : topics_(slices_of(subscriber.topics)) {
  subscriber_ = {.size = sizeof subscriber_,
                 .connection = slice_of(subscriber.connection),
                 .topics = topics_.data(),
                 .topic_count = topics_.size(),
                 .subject = slice_of(subscriber.subject),
                 .user_data = subscriber.user_data,
                 .sent = subscriber.sent.packed};
}

broadside_subscribe_request subscription_of(const SubscribeRequest& request, const std::vector<broadside_slice>& topics) {
  return {.size = sizeof(broadside_subscribe_request),
          .topics = topics.data(),
          .topic_count = topics.size(),
          .start = static_cast<broadside_start>(request.start.kind),
          .is_default_start = request.start.is_default,
          .follows = request.follows,
          .start_id = slice_of(request.start.id),
          .since_ms = request.start.since_ms,
          .last = request.start.last,
          .rate = request.rate,
          .limit = request.limit};
}

Admission read_admission(CArguments& arguments, const broadside_admission* admission) {
  const broadside_admission known = arguments.sized_if_any(admission, broadside_admission_init, "admission");
  const std::string_view subject = arguments.text(known.subject, "subject");
  if (subject.size() > kSubjectBytesMax) arguments.refuse("subject", "is longer than 255 bytes");
  if (known.rate_max != 0 && !is_valid_rate(known.rate_max)) arguments.refuse("rate_max", "is neither 0 nor 0.01 to 100");
  return {.headers = std::string(read_headers(arguments, known.headers)),
          .subject = std::string(subject),
          .user_data = known.user_data,
          .rate_max = known.rate_max,
          .age_max_ms = known.age_max_ms,
          .expires_ms = known.expires_ms};
}

SubscribeDecision read_decision(CArguments& arguments, const broadside_decision* decision) {
  const broadside_decision known = arguments.sized(decision, broadside_decision_init, "decision");
  SubscribeDecision read{.status = read_status(arguments, known.status),
                         .detail = std::string(arguments.text(known.detail, "detail")),
                         .topics = arguments.texts(known.topics, known.topic_count, "topics"),
                         .admission = read_admission(arguments, known.admission)};
  return read;
}

Response read_response(CArguments& arguments, const broadside_response* response) {
  const broadside_response known = arguments.sized(response, broadside_response_init, "response");
  const std::string_view content_type = arguments.text(known.content_type, "content_type");
  if (!std::all_of(content_type.begin(), content_type.end(), is_field_byte)) {
    arguments.refuse("content_type", "has a control character");
  }
  return {.status = read_status(arguments, known.status),
          .headers = std::string(read_headers(arguments, known.headers)),
          .content_type = std::string(content_type),
          .body = std::string(arguments.text(known.body, "body")),
          .close = known.close};
}

SubscribeRequest read_subscription(CArguments& arguments, const broadside_subscribe_request* request) {
  const broadside_subscribe_request known = arguments.sized(request, broadside_subscribe_request_init, "request");
  SubscribeRequest read{.topics = arguments.texts(known.topics, known.topic_count, "topics"),
                        .start = {.kind = arguments.value(known.start, StartRequest::Kind::snapshot, "start"),
                                  .id = std::string(arguments.text(known.start_id, "start_id")),
                                  .since_ms = known.since_ms,
                                  .last = known.last,
                                  .is_default = known.is_default_start},
                        .limit = known.limit,
                        .rate = known.rate,
                        .follows = known.follows};
  return read;
}

}  // namespace broadside

broadside_status broadside_subscribe_request_read(broadside_slice path, broadside_slice query, broadside_slice last_event_id,
                                                  const broadside_subscribe_request** request, broadside_error* error) {
  broadside::CArguments arguments(error);
  if (arguments.need(request, "request")) *request = nullptr;
  const std::string_view path_text = arguments.text(path, "path");
  const std::string_view query_text = arguments.text(query, "query");
  const std::string_view id = arguments.text(last_event_id, "last_event_id");
  if (!arguments.are_good()) return arguments.status();
  broadside::Result<broadside::SubscribeRequest> read = broadside::read_subscribe_request(path_text, query_text, id);
  if (!read) return arguments.refuse(read.error());
  *request = new (std::nothrow) broadside::OwnedSubscription(std::move(*read));
  return *request != nullptr ? BROADSIDE_OK : arguments.refuse(BROADSIDE_OUT_OF_MEMORY, "no memory for a request");
}

void broadside_subscribe_request_destroy(const broadside_subscribe_request* request) {
  delete static_cast<const broadside::OwnedSubscription*>(request);
}
