#include "engine/c_host.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/c_values.h"
#include "proto/http_request.h"

using broadside::CArguments;

struct broadside_output {
  std::string& bytes;
};

// What a hook has answered so far.
struct broadside_reply {
  enum class Hook : std::uint8_t { on_request, on_stream, authorise };

  Hook hook;
  std::optional<broadside::Response> response{};
  broadside::StreamDecision stream{};
  std::optional<broadside::SubscribeDecision> decision{};
};

namespace broadside {
namespace {

static_assert(BROADSIDE_LAG_IS_SOFT == static_cast<int>(LagOutcome::soft));
static_assert(BROADSIDE_LAG_IS_SKIPPED == static_cast<int>(LagOutcome::skipped));
static_assert(BROADSIDE_LAG_IS_DISCONNECTED == static_cast<int>(LagOutcome::disconnected));

// A request as C sees it; valid as long as the one that it is made of.
class CRequest {
 public:
  explicit CRequest(const Request& request) {
    headers_.reserve(request.headers.size());
    for (const RequestHeader& header : request.headers) {
      headers_.push_back({.name = slice_of(header.name), .value = slice_of(header.value)});
    }
    request_ = {.size = sizeof request_,
                .method = slice_of(request.method),
                .path = slice_of(request.path),
                .query = slice_of(request.query),
                .host = slice_of(request.host),
                .headers = headers_.data(),
                .header_count = headers_.size(),
                .body = slice_of(request.body),
                .peer = slice_of(request.peer),
                .listener = request.listener,
                .is_chunked = request.is_chunked,
                .is_proxied = request.is_proxied,
                .token = token_of(request.token)};
  }
  CRequest(const CRequest&) = delete;
  CRequest& operator=(const CRequest&) = delete;
  [[nodiscard]] const broadside_request* get() const { return &request_; }

 private:
  std::vector<broadside_header> headers_;
  broadside_request request_;
};

class CBodyReader final : public BodyReader {
 public:
  explicit CBodyReader(const broadside_body_reader& reader) : reader_(reader) {}
  CBodyReader(const CBodyReader&) = delete;
  CBodyReader& operator=(const CBodyReader&) = delete;
  ~CBodyReader() override {
    if (reader_.on_close != nullptr) reader_.on_close(reader_.user);
  }

  bool on_body(std::string_view bytes, std::string& out) noexcept override {
    broadside_output output{out};
    return reader_.on_body(reader_.user, slice_of(bytes), &output);
  }
  void on_end(std::string& out) noexcept override {
    broadside_output output{out};
    if (reader_.on_end != nullptr) reader_.on_end(reader_.user, &output);
  }

 private:
  const broadside_body_reader reader_;
};

}  // namespace

Response CHost::on_request(const Request& request) noexcept {
  broadside_reply reply{.hook = broadside_reply::Hook::on_request};
  if (hooks_.on_request != nullptr) hooks_.on_request(hooks_.user, CRequest(request).get(), &reply);
  return reply.response ? std::move(*reply.response) : RequestHandler::on_request(request);
}

StreamDecision CHost::on_stream(const Request& request) noexcept {
  broadside_reply reply{.hook = broadside_reply::Hook::on_stream};
  if (hooks_.on_stream != nullptr) hooks_.on_stream(hooks_.user, CRequest(request).get(), &reply);
  return std::move(reply.stream);
}

SubscribeDecision CHost::authorise(const Request& request, const SubscribeRequest& wanted) noexcept {
  if (hooks_.authorise == nullptr) return RequestHandler::authorise(request, wanted);
  const std::vector<broadside_slice> topics = slices_of(wanted.topics);
  const broadside_subscribe_request subscription = subscription_of(wanted, topics);
  broadside_reply reply{.hook = broadside_reply::Hook::authorise};
  hooks_.authorise(hooks_.user, CRequest(request).get(), &subscription, &reply);
  if (reply.decision) return std::move(*reply.decision);
  return {.status = 403, .detail = "nobody has admitted this subscription"};
}

std::string CHost::common_headers(const Request& request) noexcept {
  std::string headers;
  broadside_output output{headers};
  if (hooks_.common_headers != nullptr) hooks_.common_headers(hooks_.user, CRequest(request).get(), &output);
  return are_header_lines(headers) ? headers : std::string();
}

void CHost::on_subscribe(const SubscriberView& subscriber) noexcept {
  if (hooks_.on_subscribe != nullptr) hooks_.on_subscribe(hooks_.user, CSubscriber(subscriber).get());
}

void CHost::on_disconnect(const SubscriberView& subscriber, CloseReason reason) noexcept {
  if (hooks_.on_disconnect == nullptr) return;
  hooks_.on_disconnect(hooks_.user, CSubscriber(subscriber).get(), static_cast<broadside_close_reason>(reason));
}

void CHost::on_lag(const SubscriberView& subscriber, std::string_view topic, const Lag& lag, LagOutcome outcome) noexcept {
  if (hooks_.on_lag == nullptr) return;
  const broadside_lag told = lag_of(lag);
  hooks_.on_lag(hooks_.user, CSubscriber(subscriber).get(), slice_of(topic), &told, static_cast<broadside_lag_outcome>(outcome));
}

}  // namespace broadside

namespace {

using Hook = broadside_reply::Hook;
constexpr const char* kOtherHook = "is of a hook that is not answered so";

}  // namespace

broadside_slice broadside_request_header(const broadside_request* request, broadside_slice name) {
  if (request == nullptr || name.data == nullptr) return {};
  for (const broadside_header& header : std::span(request->headers, request->header_count)) {
    if (broadside::equals_ignoring_case({header.name.data, header.name.size}, {name.data, name.size})) return header.value;
  }
  return {};
}

void broadside_output_append(broadside_output* output, broadside_slice bytes) {
  if (output != nullptr && bytes.data != nullptr) output->bytes.append(bytes.data, bytes.size);
}

broadside_status broadside_reply_respond(broadside_reply* reply, const broadside_response* response, broadside_error* error) {
  CArguments arguments(error);
  if (arguments.need(reply, "reply") && reply->hook == Hook::authorise) arguments.refuse("reply", kOtherHook);
  broadside::Response read = read_response(arguments, response);
  if (!arguments.are_good()) return arguments.status();
  if (reply->hook == Hook::on_request) {
    reply->response = std::move(read);
  } else {
    reply->stream = {.reader = nullptr, .headers = {}, .refusal = std::move(read)};
  }
  return BROADSIDE_OK;
}

broadside_status broadside_reply_read(broadside_reply* reply, const broadside_body_reader* reader, broadside_error* error) {
  CArguments arguments(error);
  if (arguments.need(reply, "reply") && reply->hook != Hook::on_stream) arguments.refuse("reply", kOtherHook);
  const broadside_body_reader known = arguments.sized(reader, broadside_body_reader_init, "reader");
  if (known.on_body == nullptr) arguments.refuse("on_body", "is null");
  const std::string_view headers = broadside::read_headers(arguments, known.headers);
  if (!arguments.are_good()) return arguments.status();
  reply->stream = {.reader = std::make_unique<broadside::CBodyReader>(known), .headers = std::string(headers), .refusal = {}};
  return BROADSIDE_OK;
}

broadside_status broadside_reply_decide(broadside_reply* reply, const broadside_decision* decision, broadside_error* error) {
  CArguments arguments(error);
  if (arguments.need(reply, "reply") && reply->hook != Hook::authorise) arguments.refuse("reply", kOtherHook);
  broadside::SubscribeDecision read = read_decision(arguments, decision);
  if (arguments.are_good()) reply->decision = std::move(read);
  return arguments.status();
}

broadside_status broadside_reply_later(broadside_reply* reply, broadside_error* error) {
  CArguments arguments(error);
  if (arguments.need(reply, "reply") && reply->hook == Hook::on_stream) arguments.refuse("reply", kOtherHook);
  if (!arguments.are_good()) return arguments.status();
  if (reply->hook == Hook::on_request) {
    reply->response.emplace().is_deferred = true;
  } else {
    reply->decision.emplace().is_deferred = true;
  }
  return BROADSIDE_OK;
}
