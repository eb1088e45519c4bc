// One shard over the simulated kernel, step by step and without chance: what the scripted tests share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/sim_note.h"
#include "tests/sim/sim_shard.h"

namespace broadside::sim {

constexpr std::size_t kRoomy = 1 << 20;

class ScriptedTest : public ::testing::Test, protected SimShard {
 protected:
  // The shard has no turn until something runs it.
  Position publish_unseen(std::string_view topic, std::string_view data) {
    const BatchEntry entry{.topic = topic, .event = Event{.data = data}};
    std::vector<Published> published;
    EXPECT_TRUE(store_->publish_batch({&entry, 1}, published, nullptr));
    return published.front().position;
  }
  Position publish(std::string_view topic, std::string_view data) {
    const Position position = publish_unseen(topic, data);
    run();
    return position;
  }
  void end(std::string_view topic) {
    bool existed = false;
    EXPECT_TRUE(store_->end(topic, &existed));
    run();
  }
  std::shared_ptr<SimSocket> subscribe(const std::string& query, std::size_t output_max) {
    std::shared_ptr<SimSocket> socket = io_->connect(output_max);
    socket->write("GET /events?" + query + " HTTP/1.1\r\nHost: sim\r\n\r\n");
    run();
    return socket;
  }
  // All that has come and that comes while it is read.
  std::string read(SimSocket& socket) {
    std::string bytes;
    while (const auto piece = socket.read(kRoomy)) {
      bytes += piece->bytes;
      run();
    }
    return bytes;
  }
  void send_note(const std::string& stream) {
    constexpr std::string_view kBefore = "{\"connection\":\"";
    post(make_note(std::string_view(stream).substr(stream.find(kBefore) + kBefore.size(), 32)));
    run();
  }
};

inline bool has(const std::string& bytes, std::string_view part) { return bytes.find(part) != std::string::npos; }

}  // namespace broadside::sim
