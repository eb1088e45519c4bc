// A live score board. Each match is a topic; the page has all of them on one stream, in one order. A topic's keys are the score
// and each goal, so the snapshot that a newcomer begins with is the whole board. A minute of all matches is published as one
// batch, so nobody sees a goal without its score. The final whistle ends the topic.
#include <array>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "broadside/engine.h"
#include "examples/support/program.h"

namespace {

constexpr int kMinutes = 90;

struct Match {
  std::string home;
  std::string away;
  std::array<int, 2> goals{};
  std::string topic() const { return "match." + home + "-" + away; }
};

// What is published of one minute. An event is views; the batch keeps what they look at.
class Batch {
 public:
  void add(const Match& match, std::string type, std::string key, std::string data) {
    const Texts& texts = texts_.emplace_back(Texts{match.topic(), std::move(type), std::move(key), std::move(data)});
    entries_.push_back({.topic = texts.topic, .event = {.data = texts.data, .type = texts.type, .key = texts.key}});
  }
  broadside::Result<broadside::Done> publish(broadside::Engine& engine) const {
    std::vector<broadside::Published> published;
    return engine.publish_batch(entries_, published, nullptr);
  }

 private:
  struct Texts {
    std::string topic, type, key, data;
  };
  std::deque<Texts> texts_;  // Does not move what it holds.
  std::vector<broadside::BatchEntry> entries_;
};

// An event does not tell which topic it is of; where a stream has several, its data does.
std::string json_of(const Match& match, int minute, const std::string& rest) {
  return R"({"match":")" + match.home + "-" + match.away + R"(","minute":)" + std::to_string(minute) + "," + rest + "}";
}

void add_minute(Batch& batch, Match& match, int minute, std::mt19937& random) {
  for (std::size_t side = 0; side < 2; ++side) {
    if (minute == 0 || random() % 60 != 0) continue;
    ++match.goals[side];
    const std::string number = std::to_string(match.goals[0] + match.goals[1]);
    const std::string& scorer = side == 0 ? match.home : match.away;
    batch.add(match, "goal", "goal " + number, json_of(match, minute, R"("by":")" + scorer + "\""));
  }
  const std::string home = std::to_string(match.goals[0]);
  const std::string away = std::to_string(match.goals[1]);
  batch.add(match, "score", "score", json_of(match, minute, R"("home":)" + home + R"(,"away":)" + away));
}

// GET /matches: what there is to subscribe to.
class Board final : public examples::PageHandler {
 public:
  explicit Board(const std::vector<Match>& matches) {
    for (const Match& match : matches) json_ += (json_.empty() ? "[\"" : ",\"") + match.topic() + "\"";
    json_ += "]";
  }
  broadside::Response on_request(const broadside::Request& request) noexcept override {
    if (request.path == "/matches") return {.body = json_};
    return PageHandler::on_request(request);
  }

 private:
  std::string json_;
};

}  // namespace

int main(int argc, char** argv) {
  const examples::Flags flags(argc, argv, {{"--minute-ms", "1000"}});
  const examples::StopSignal stop;

  std::vector<Match> matches = {{"Arden", "Boreal"}, {"Calder", "Dunmore"}, {"Elstow", "Fenwick"}};
  broadside::Config config;
  config.listen = {flags.text("--listen")};
  config.defaults.keys = 100;
  config.defaults.snapshot = true;
  Board board(matches);
  auto engine = broadside::Engine::create(config, &board);
  if (!engine) return examples::fail(engine.error());
  examples::start(*engine);

  std::mt19937 random(std::random_device{}());
  for (int minute = 0; minute <= kMinutes; ++minute) {
    Batch batch;
    for (Match& match : matches) add_minute(batch, match, minute, random);
    examples::check(batch.publish(*engine));
    if (stop.wait(flags.number("--minute-ms"))) return 0;
  }
  for (const Match& match : matches) examples::check(engine->end(match.topic(), nullptr));
  stop.wait(-1);  // Who comes now gets the final scores, and is told that there is no more.
}
