// A language model's answer, token by token, to the one who asked. Each answer is a topic with a name that cannot be guessed:
// its log keeps the tokens, so a page that comes late or is cut in the middle of a word begins where it must, and `end` says when
// the answer is complete. (start_send_to() reaches one connection too, but keeps nothing: a cut would lose what was said.)
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "broadside/engine.h"
#include "examples/support/program.h"

namespace {

// The model: knows which words follow which in what it has read, and draws. The same question has the same answer. A real one is
// a call into an inference runtime; that too takes one step for all answers under way, and has a token for each.
class Model {
 public:
  Model() {
    std::istringstream text(
        "The server sends each event once . The page reads each event as it arrives . The log keeps each token of the answer . "
        "A page that was cut comes back with the last id it has read . The server begins behind that id and sends the rest . "
        "A stream of tokens is a topic of its own . The topic ends with the answer . A page that reads the end asks no more .");
    std::string last = ".";
    for (std::string word; text >> word; last = word) followers_[last].push_back(word);
    followers_[last].push_back("The");
  }
  const std::string& draw(const std::string& last, std::mt19937& random) const {
    const std::vector<std::string>& words = followers_.at(last);
    return words[random() % words.size()];
  }

 private:
  std::map<std::string, std::vector<std::string>> followers_;
};

struct Answer {
  std::string topic;
  std::mt19937 random;
  std::string last = ".";
  int sentences_left = 4;
};

std::string random_name() {
  std::random_device random;
  char name[33];
  std::snprintf(name, sizeof name, "%08x%08x%08x%08x", random(), random(), random(), random());
  return name;
}

class Questions final : public examples::PageHandler {
 public:
  // POST /ask: says where the answer will be, at once. Who comes there finds what has been said so far (last=).
  broadside::Response on_request(const broadside::Request& request) noexcept override {
    if (request.path != "/ask" || request.method != "POST") return PageHandler::on_request(request);
    Answer answer{.topic = "answer." + random_name(),
                  .random = std::mt19937(static_cast<std::uint32_t>(std::hash<std::string_view>()(request.body)))};
    std::string json = R"({"stream":"/events/)" + answer.topic + R"(?last=1000"})";
    const std::lock_guard lock(mutex_);
    asked_.push_back(std::move(answer));
    return {.status = 201, .body = std::move(json)};
  }

  std::vector<Answer> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(asked_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<Answer> asked_;
};

// One step of the model: the next token of each answer under way.
void step(broadside::Engine& engine, const Model& model, std::vector<Answer>& answers) {
  for (Answer& answer : answers) {
    const std::string& word = model.draw(answer.last, answer.random);
    examples::check(engine.publish(answer.topic, {.data = word == "." ? word : " " + word}));
    answer.last = word;
    if (word == "." && --answer.sentences_left == 0) examples::check(engine.end(answer.topic, nullptr));
  }
  std::erase_if(answers, [](const Answer& each) { return each.sentences_left == 0; });
}

}  // namespace

int main(int argc, char** argv) {
  const examples::Flags flags(argc, argv, {{"--step-ms", "60"}});
  const examples::StopSignal stop;

  broadside::Config config;
  config.listen = {flags.text("--listen")};
  config.defaults.history_age_ms = config.ended_age_ms = 600'000;  // An answer can be read again for ten minutes.
  Questions questions;
  auto engine = broadside::Engine::create(config, &questions);
  if (!engine) return examples::fail(engine.error());
  examples::start(*engine);

  const Model model;
  std::vector<Answer> answers;
  while (!stop.wait(flags.number("--step-ms"))) {
    for (Answer& asked : questions.take()) answers.push_back(std::move(asked));
    step(*engine, model, answers);
  }
}
