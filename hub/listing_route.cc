// The listings of topics and connections: in pages, or those that come first by lag, subscribers or rate. Those that look through
// everything are answered later, by whichever shard is the last to add its part.
#include <exception>
#include <string>
#include <utility>

#include "hub/answer.h"
#include "hub/hub.h"
#include "hub/status_route.h"

namespace broadside::hub {
namespace {

Response later() { return {.status = 200, .headers = {}, .content_type = {}, .body = {}, .close = false, .is_deferred = true}; }

// Answers `token` with what `make_json` gives; both run on a shard's thread, which nothing may be thrown through.
template <typename MakeJson>
void respond_with(Engine& engine, ResponseToken token, const std::string& headers, MakeJson&& make_json) noexcept {
  try {
    Response response = json_answer(make_json());
    response.headers = headers;
    engine.respond(token, std::move(response));
  } catch (const std::exception&) {
    engine.respond(token, {.status = 503, .headers = {}, .content_type = {}, .body = {}, .close = true});
  }
}

}  // namespace

Response Hub::list_topics(const Request& request) {
  ListingRange range;
  if (const std::string wrong = parse_listing_range(request.query, range); !wrong.empty()) return problem(400, wrong);
  if (range.top == 0) return json_answer(topics_json(engine_->topics(range.count, range.after), range.count));
  const bool has_lag = range.order == TopicOrder::lag;
  const Result<Done> started = engine_->start_list_topics(
      range.top, range.order,
      [engine = engine_, token = request.token, headers = common_headers(request), has_lag](std::vector<TopicInfo> topics) {
        respond_with(*engine, token, headers, [&] { return top_topics_json(topics, has_lag); });
      });
  return started ? later() : problem_of(started.error());
}

Response Hub::list_connections(const Request& request) {
  ListingRange range;
  if (const std::string wrong = parse_listing_range(request.query, range); !wrong.empty()) return problem(400, wrong);
  if (range.order != TopicOrder::lag) return problem(400, "connections are listed by=lag alone");
  ConnectionsSink done = [engine = engine_, token = request.token, headers = common_headers(request)](ConnectionPage page) {
    respond_with(*engine, token, headers, [&] { return connections_json(page); });
  };
  const Result<Done> started = range.top == 0 ? engine_->start_list_connections(range.count, range.after, std::move(done))
                                              : engine_->start_list_slowest(range.top, std::move(done));
  return started ? later() : problem_of(started.error());
}

}  // namespace broadside::hub
