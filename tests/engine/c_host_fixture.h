// An engine whose host speaks C, with hooks that are functions of the test.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/c_fixture.h"

namespace broadside {

// Its hooks do what the test says. Notes are written by shards' threads.
class CHostFixture : public CFixture {
 protected:
  CHostFixture() { hooks_.user = this; }
  ~CHostFixture() override {
    broadside_engine_destroy(engine_);  // It calls the hooks until its end.
    engine_ = nullptr;
  }
  using OnRequest = std::function<void(const broadside_request*, broadside_reply*)>;
  using Authorise = std::function<void(const broadside_request*, const broadside_subscribe_request*, broadside_reply*)>;

  void answer_requests(OnRequest answer) {
    on_request_ = std::move(answer);
    hooks_.on_request = [](void* user, const broadside_request* request, broadside_reply* reply) noexcept {
      static_cast<CHostFixture*>(user)->on_request_(request, reply);
    };
  }
  void answer_streams(OnRequest answer) {
    on_stream_ = std::move(answer);
    hooks_.on_stream = [](void* user, const broadside_request* request, broadside_reply* reply) noexcept {
      static_cast<CHostFixture*>(user)->on_stream_(request, reply);
    };
  }
  void answer_subscriptions(Authorise answer) {
    authorise_ = std::move(answer);
    hooks_.authorise = [](void* user, const broadside_request* request, const broadside_subscribe_request* wanted,
                          broadside_reply* reply) noexcept {
      static_cast<CHostFixture*>(user)->authorise_(request, wanted, reply);
    };
  }
  void note_subscribers() {
    hooks_.on_subscribe = [](void* user, const broadside_subscriber* subscriber) noexcept {
      static_cast<CHostFixture*>(user)->note("subscribe", subscriber);
    };
    hooks_.on_disconnect = [](void* user, const broadside_subscriber* subscriber, broadside_close_reason reason) noexcept {
      static_cast<CHostFixture*>(user)->note("disconnect " + std::to_string(reason), subscriber);
    };
    hooks_.on_lag = [](void* user, const broadside_subscriber* subscriber, broadside_slice topic, const broadside_lag* lag,
                       broadside_lag_outcome outcome) noexcept {
      EXPECT_GT(lag->events, 1U);
      static_cast<CHostFixture*>(user)->note("lag " + std::to_string(outcome) + " " + text_of(topic), subscriber);
    };
  }
  void note(const std::string& what, const broadside_subscriber* subscriber) {
    std::string text = what;
    for (std::size_t i = 0; i < subscriber->topic_count; ++i) text += " " + text_of(subscriber->topics[i]);
    EXPECT_EQ(subscriber->connection.size, 32U);
    EXPECT_EQ(subscriber->size, sizeof *subscriber);
    const std::lock_guard lock(mutex_);
    notes_.push_back(text + " as " + text_of(subscriber->subject) + " " + std::to_string(subscriber->user_data));
  }
  bool wait_notes(std::size_t count) {
    return wait_until([&] {
      const std::lock_guard lock(mutex_);
      return notes_.size() >= count;
    });
  }
  static broadside_status respond(broadside_reply* reply, const char* body) {
    broadside_response response;
    broadside_response_init(&response);
    response.body = broadside_text(body);
    return broadside_reply_respond(reply, &response, nullptr);
  }

  std::mutex mutex_;
  std::vector<std::string> notes_;

 private:
  OnRequest on_request_;
  OnRequest on_stream_;
  Authorise authorise_;
};

}  // namespace broadside
