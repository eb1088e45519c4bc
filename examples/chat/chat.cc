// A chat room's notifications, and who is there. `authorise` finds out who somebody is and says which topics that is good for;
// on_subscribe and on_disconnect publish who came and who left. The names are keys of the topic `who`, so that a snapshot of it
// tells newcomers who is there already.
#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "broadside/engine.h"
#include "examples/support/program.h"

namespace {

using broadside::Request;
using broadside::Response;
using broadside::SubscriberView;

constexpr std::size_t kNameBytesMax = 24;
constexpr std::size_t kMessageBytesMax = 1000;
constexpr std::string_view kCookie = "name=";

bool is_name(std::string_view text) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= kNameBytesMax && std::all_of(text.begin(), text.end(), is_good);
}

// Here everybody is who they say they are: the cookie is the name. Yours holds what your login gave out.
std::string_view name_of(const Request& request) {
  std::string_view cookies = request.header("Cookie");
  while (!cookies.empty()) {
    const std::size_t end = std::min(cookies.find("; "), cookies.size());
    const std::string_view cookie = cookies.substr(0, end);
    if (cookie.starts_with(kCookie) && is_name(cookie.substr(kCookie.size()))) return cookie.substr(kCookie.size());
    cookies.remove_prefix(std::min(end + 2, cookies.size()));
  }
  return {};
}

Response answer(int status, std::string_view text) {
  return {.status = status, .content_type = "text/plain", .body = std::string(text) + "\n"};
}

class Room final : public examples::PageHandler {
 public:
  void open(broadside::Engine& engine) { engine_ = &engine; }

  Response on_request(const Request& request) noexcept override {
    if (request.path == "/enter" && request.method == "POST") return enter(request.body);
    if (request.path == "/say" && request.method == "POST") return say(name_of(request), request.body);
    return PageHandler::on_request(request);
  }

  // Whatever they ask for: who has a name gets the room.
  broadside::SubscribeDecision authorise(const Request& request, const broadside::SubscribeRequest&) noexcept override {
    const std::string_view name = name_of(request);
    if (name.empty()) return {.status = 401, .detail = "nobody knows who you are; POST a name to /enter"};
    return {.topics = {"room", "who"}, .admission = {.subject = std::string(name)}};
  }

  void on_subscribe(const SubscriberView& subscriber) noexcept override { count(subscriber.subject, 1); }
  void on_disconnect(const SubscriberView& subscriber, broadside::CloseReason) noexcept override {
    count(subscriber.subject, -1);
  }

 private:
  static Response enter(std::string_view name) {
    if (!is_name(name)) return answer(400, "a name is 1 to 24 letters, digits and hyphens");
    return {.status = 204, .headers = "Set-Cookie: name=" + std::string(name) + "; HttpOnly; SameSite=Strict\r\n"};
  }

  Response say(std::string_view name, std::string_view text) {
    if (name.empty()) return answer(401, "nobody knows who you are; POST a name to /enter");
    if (text.size() > kMessageBytesMax) return answer(413, "too long");
    const std::string message = std::string(name) + ": " + std::string(text);
    const auto published = engine_->publish("room", {.data = message});
    return published ? answer(200, "said") : answer(400, published.error().message);
  }

  // Somebody is here as long as one of their streams is: a second tab, or the same one come back, is no news.
  void count(std::string_view name, int change) noexcept {
    // The hooks of several shards come at once. Held over the publish, so that joins and leaves are published as they happened.
    const std::lock_guard lock(mutex_);
    int& streams = streams_[std::string(name)];
    streams += change;
    if (streams != (change > 0 ? 1 : 0)) return;
    examples::check(engine_->publish("who", {.data = name, .type = change > 0 ? "joined" : "left", .key = name}));
    if (streams == 0) streams_.erase(std::string(name));
  }

  broadside::Engine* engine_ = nullptr;
  std::mutex mutex_;
  std::map<std::string, int> streams_;  // Of each that is here.
};

}  // namespace

int main(int argc, char** argv) {
  const examples::Flags flags(argc, argv, {});
  const examples::StopSignal stop;

  broadside::Config config;
  config.listen = {flags.text("--listen")};
  config.topics = {{.pattern = "who", .rules = {.keys = 10'000, .snapshot = true}}};
  Room room;
  auto engine = broadside::Engine::create(config, &room);
  if (!engine) return examples::fail(engine.error());
  room.open(*engine);
  examples::start(*engine);
  stop.wait(-1);
  engine->stop();  // Everybody leaves, which the room still hears of.
}
