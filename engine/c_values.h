// What a host that speaks C has filled in, checked and turned into ours; and ours as C sees it, valid as long as what it is made
// of.
#pragma once

#include <string_view>
#include <vector>

#include "broadside/c_host.h"
#include "broadside/handler.h"
#include "proto/c_arguments.h"

namespace broadside {

// Whether `text` is complete lines of `name: value`, so that it can go into the head of a response.
[[nodiscard]] bool are_header_lines(std::string_view text);
[[nodiscard]] std::string_view read_headers(CArguments& arguments, broadside_slice headers);

[[nodiscard]] Admission read_admission(CArguments& arguments, const broadside_admission* admission);  // Null: nothing.
[[nodiscard]] SubscribeDecision read_decision(CArguments& arguments, const broadside_decision* decision);
[[nodiscard]] Response read_response(CArguments& arguments, const broadside_response* response);
[[nodiscard]] SubscribeRequest read_subscription(CArguments& arguments, const broadside_subscribe_request* request);

// `topics` are those of `request`.
[[nodiscard]] broadside_subscribe_request subscription_of(const SubscribeRequest& request,
                                                          const std::vector<broadside_slice>& topics);
template <typename Texts>
[[nodiscard]] std::vector<broadside_slice> slices_of(const Texts& texts) {
  std::vector<broadside_slice> slices;
  slices.reserve(texts.size());
  for (const std::string_view text : texts) slices.push_back(slice_of(text));
  return slices;
}
class CSubscriber {
 public:
  explicit CSubscriber(const SubscriberView& subscriber);
  CSubscriber(const CSubscriber&) = delete;
  CSubscriber& operator=(const CSubscriber&) = delete;
  [[nodiscard]] const broadside_subscriber* get() const { return &subscriber_; }

 private:
  std::vector<broadside_slice> topics_;
  broadside_subscriber subscriber_;
};
[[nodiscard]] constexpr broadside_lag lag_of(const Lag& lag) {
  return {.events = lag.events, .bytes = lag.bytes, .age_ms = lag.age_ms};
}
[[nodiscard]] constexpr broadside_token token_of(const ResponseToken& token) {
  return {.shard = token.shard, .index = token.index, .generation = token.generation, .request = token.request};
}
[[nodiscard]] constexpr ResponseToken token_of(const broadside_token& token) {
  return {.shard = token.shard, .index = token.index, .generation = token.generation, .request = token.request};
}

}  // namespace broadside
