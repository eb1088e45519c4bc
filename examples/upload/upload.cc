// An upload with its progress. Each upload has a topic of its own, `upload.<id>`, that nobody else knows the name of: the page
// makes it up, listens, and then sends the file. The body is read as it arrives, in pieces, and never held; how far it is
// is published, and the topic is ended when the upload is over, which ends the page's stream for good.
#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>

#include "broadside/engine.h"
#include "examples/support/program.h"

namespace {

using broadside::Request;

constexpr std::string_view kPath = "/upload/";

// `<id>` of /upload/<id>: as long as a random UUID, so that nobody finds out another's by trying.
std::string_view upload_of(const Request& request) {
  if (request.method != "POST" || !request.path.starts_with(kPath)) return {};
  const std::string_view id = request.path.substr(kPath.size());
  const auto is_good = [](char c) { return (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9') || c == '-'; };
  return id.size() == 36 && std::all_of(id.begin(), id.end(), is_good) ? id : std::string_view{};
}

// One upload, on the thread of the connection that it comes by. Counts the bytes; yours keeps them.
class Upload final : public broadside::BodyReader {
 public:
  Upload(broadside::Engine& engine, std::string_view id, std::string_view length)
      : engine_(engine), topic_("upload." + std::string(id)) {
    std::from_chars(length.data(), length.data() + length.size(), bytes_total_);  // Stays 0 for a body that does not tell.
  }

  bool on_body(std::string_view bytes, std::string& /*out*/) noexcept override {
    bytes_ += bytes.size();
    if (bytes_ - bytes_told_ < std::max(bytes_total_ / 100, kStepBytesMin)) return true;
    bytes_told_ = bytes_;
    tell("progress");
    return true;
  }

  void on_end(std::string& out) noexcept override {
    is_complete_ = true;
    out = std::to_string(bytes_) + " bytes\n";
  }

  // Complete, or cut: in both cases there is nothing more to come.
  ~Upload() override {
    tell(is_complete_ ? "done" : "failed");
    examples::check(engine_.end(topic_, nullptr));
  }

 private:
  static constexpr std::uint64_t kStepBytesMin = 16 << 10;

  void tell(std::string_view type) {
    const std::string json = R"({"bytes":)" + std::to_string(bytes_) + R"(,"total":)" + std::to_string(bytes_total_) + "}";
    examples::check(engine_.publish(topic_, {.data = json, .type = type}));
  }

  broadside::Engine& engine_;
  const std::string topic_;
  std::uint64_t bytes_total_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t bytes_told_ = 0;
  bool is_complete_ = false;
};

class Uploads final : public examples::PageHandler {
 public:
  void open(broadside::Engine& engine) { engine_ = &engine; }

  broadside::StreamDecision on_stream(const Request& request) noexcept override {
    const std::string_view id = upload_of(request);
    if (id.empty()) return {};
    return {.reader = std::make_unique<Upload>(*engine_, id, request.header("Content-Length")),
            .headers = "Content-Type: text/plain\r\n"};
  }

 private:
  broadside::Engine* engine_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  const examples::Flags flags(argc, argv, {});
  const examples::StopSignal stop;

  broadside::Config config;
  config.listen = {flags.text("--listen")};
  config.defaults.history_events = 3;  // Who comes back needs the last of the progress, `done` and the end.
  config.ended_age_ms = 60'000;        // So long a page that was cut at the end may take to come back.
  Uploads uploads;
  auto engine = broadside::Engine::create(config, &uploads);
  if (!engine) return examples::fail(engine.error());
  uploads.open(*engine);
  examples::start(*engine);
  stop.wait(-1);
  engine->stop();  // Cuts uploads under way, which still need it.
}
