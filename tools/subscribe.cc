#include "tools/subscribe.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broadside/sse.h"
#include "proto/json_text.h"
#include "tools/client_support.h"

namespace broadside::tools {
namespace {

// What browsers wait unless a stream says otherwise; attempts that fail in a row wait longer, up to the second value.
constexpr Milliseconds kRetryDefault{3'000};
constexpr Milliseconds kRetryMost{30'000};
// A `retry:` beyond this is taken as this; a day.
constexpr std::uint64_t kRetryMsMax = 86'400'000;
constexpr std::string_view kOwnPrefix = "broadside.";

struct SubscribeOptions {
  Target target;
  std::vector<std::string> topics;
  std::string last_event_id;
  std::uint64_t limit = 0;  // 0 = none.
  bool is_json = false;
  bool is_reconnecting = true;
  bool is_quiet = false;
};

// One run of the command.
class Subscriber final : public SseDecoder::Sink {
 public:
  explicit Subscriber(SubscribeOptions options) : options_(std::move(options)) {
    for (const std::string& topic : options_.topics) options_.target.url = url_with_query(options_.target.url, "topic", topic);
    decoder_.restart(options_.last_event_id);
  }

  int run();

  void on_event(const DecodedEvent& event) noexcept override;
  void on_retry(std::uint64_t retry_ms) noexcept override;

 private:
  void connect();
  void wait();
  [[nodiscard]] bool on_body(std::string_view bytes);
  // The exit status, once there is one.
  [[nodiscard]] std::optional<int> on_end(const HttpEnd& end);
  [[nodiscard]] std::optional<int> reconnect_later(const std::string& reason);
  void print_json(const DecodedEvent& event);
  void print_text(const DecodedEvent& event);
  void print(std::string_view text);
  void say(const std::string& text) const;

  SubscribeOptions options_;
  const bool is_terminal_ = isatty(STDOUT_FILENO) == 1;
  StopSignals signals_;
  SseDecoder decoder_;
  std::unique_ptr<HttpRequest> request_;  // Null between two attempts.
  Backoff backoff_{kRetryDefault, kRetryMost};
  SteadyClock::time_point attempt_at_{};
  std::string line_;               // What is printed for an event; kept for its memory.
  std::uint64_t event_count_ = 0;  // Published ones.
  std::string body_end_;           // The last two bytes of a body that has given no event.
  bool has_opened_ = false;        // This connection has given an event: a stream that was refused never does.
  bool is_finished_ = false;       // The limit is reached, or nobody reads any more.
  bool has_output_failed_ = false;
};

int Subscriber::run() {
  connect();
  for (;;) {
    wait();
    if (const int signal = signals_.take(); signal != 0) return 128 + signal;
    if (request_ == nullptr) {
      if (SteadyClock::now() < attempt_at_) continue;
      connect();
    }
    const std::optional<HttpEnd> end = request_->step();
    if (!end) continue;
    request_.reset();
    if (const std::optional<int> status = on_end(*end)) return *status;
  }
}

void Subscriber::connect() {
  std::vector<std::string> headers{"Accept: text/event-stream", "Cache-Control: no-store"};
  // As a browser has it: sent whenever there is one.
  if (!decoder_.last_event_id().empty()) headers.push_back("Last-Event-ID: " + decoder_.last_event_id());
  decoder_.restart();
  body_end_.clear();
  has_opened_ = false;
  request_ = std::make_unique<HttpRequest>(
      options_.target, headers,
      HttpRequest::Handlers{.on_body = [this](std::string_view bytes) { return on_body(bytes); }, .body_source = nullptr});
}

void Subscriber::wait() {
  std::array<curl_waitfd, 1> others{{{.fd = signals_.fd(), .events = CURL_WAIT_POLLIN, .revents = 0}}};
  if (request_ != nullptr) {
    request_->wait(others, Milliseconds(60'000));
    return;
  }
  const auto left = std::chrono::ceil<Milliseconds>(attempt_at_ - SteadyClock::now());
  wait_for(others, std::clamp(left, Milliseconds(0), Milliseconds(60'000)));
}

bool Subscriber::on_body(std::string_view bytes) {
  if (request_->content_type() != "text/event-stream") return false;
  const bool is_decoded = decoder_.feed(bytes, *this);
  if (!has_opened_) body_end_ += bytes.substr(bytes.size() - std::min<std::size_t>(2, bytes.size()));
  if (body_end_.size() > 2) body_end_.erase(0, body_end_.size() - 2);
  if (std::fflush(stdout) != 0) {
    has_output_failed_ = errno != EPIPE;
    is_finished_ = true;
  }
  return is_decoded && !is_finished_;
}

void Subscriber::on_retry(std::uint64_t retry_ms) noexcept {
  backoff_.reset(Milliseconds(static_cast<Milliseconds::rep>(std::min(retry_ms, kRetryMsMax))));
}

void Subscriber::on_event(const DecodedEvent& event) noexcept {
  if (is_finished_) return;
  if (!has_opened_) backoff_.reset();
  has_opened_ = true;
  const bool is_own = event.type.starts_with(kOwnPrefix);
  if (options_.is_json) {
    print_json(event);
  } else if (!is_own) {
    print_text(event);
  } else if (!options_.is_quiet) {
    say(printable(event.type) + ' ' + printable(event.data));
  }
  if (!is_own && ++event_count_ == options_.limit) is_finished_ = true;
}

void Subscriber::print_json(const DecodedEvent& event) {
  line_ = "{\"type\":";
  append_json_string(line_, event.type);
  line_ += ",\"data\":";
  append_json_string(line_, event.data);
  line_ += ",\"id\":";
  append_json_string(line_, event.last_event_id);
  line_ += "}\n";
  print(line_);
}

// `ID  TYPE  DATA`; further lines of data stand under the first, so that each event begins where its line does.
void Subscriber::print_text(const DecodedEvent& event) {
  constexpr std::string_view kIndent = "    ";
  line_ = is_terminal_ ? "\x1b[2m" : "";
  line_ += printable(event.last_event_id.empty() ? std::string_view("-") : event.last_event_id);
  line_ += is_terminal_ ? "\x1b[0m  \x1b[36m" : "  ";
  line_ += printable(event.type);
  line_ += is_terminal_ ? "\x1b[0m  " : "  ";
  std::string_view data = event.data;
  for (bool is_first = true;; is_first = false) {
    const std::size_t end = data.find('\n');
    if (!is_first) line_ += kIndent;
    const std::string_view part = data.substr(0, end);
    line_ += is_terminal_ ? printable(part) : std::string(part);
    line_ += '\n';
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + 1);
  }
  print(line_);
}

void Subscriber::print(std::string_view text) {
  const bool is_written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (is_written) return;
  // A reader that has gone (`| head`) has had what it wanted.
  has_output_failed_ = errno != EPIPE;
  is_finished_ = true;
  if (has_output_failed_) say(std::string("standard output: ") + std::strerror(errno));
}

std::optional<int> Subscriber::on_end(const HttpEnd& end) {
  if (is_finished_) return has_output_failed_ ? kExitFailed : kExitDone;
  const std::string& url = options_.target.url;
  if (end.status == 204) {
    if (!options_.is_quiet) say("the topics have ended");
    return kExitDone;
  }
  if (end.status == 0) {
    const std::string reason = "connect to " + url + ": " + end.message;
    if (end.is_our_fault()) {
      say(reason);
      return kExitFailed;
    }
    return reconnect_later(reason);
  }
  if (end.status != 200) {
    say(url + ": refused with " + std::to_string(end.status) + ": " + problem_text(end.body));
    return kExitFailed;
  }
  if (end.code == CURLE_WRITE_ERROR) {
    say(url + ": not an event stream (a Content-Type other than text/event-stream, or an event above 16 MiB)");
    return kExitFailed;
  }
  // A refusal is `retry:` in a block of its own, or nothing; a connection lost inside the first block is just lost.
  if (!has_opened_ && end.code == CURLE_OK && (body_end_.empty() || body_end_ == "\n\n")) {
    say(url + ": refused: the stream was closed before its first event; the server is overloaded or stopping");
    return kExitFailed;
  }
  return reconnect_later(end.code == CURLE_OK ? "the stream has ended" : end.message);
}

std::optional<int> Subscriber::reconnect_later(const std::string& reason) {
  if (!options_.is_reconnecting) {
    const bool is_lost = reason != "the stream has ended";
    if (is_lost || !options_.is_quiet) say(reason);
    return kExitFailed;
  }
  const Milliseconds pause = backoff_.take();
  attempt_at_ = SteadyClock::now() + pause;
  if (!options_.is_quiet) say(reason + "; connecting again in " + std::to_string(pause.count()) + " ms");
  return std::nullopt;
}

void Subscriber::say(const std::string& text) const { std::fprintf(stderr, "broadside subscribe: %s\n", text.c_str()); }

constexpr const char* kFooter =
    "Prints each event as `ID  TYPE  DATA`, further lines of data indented; with --json one line of {\"type\",\"data\",\"id\"} "
    "each.\n"
    "The server's own events (broadside.open, .gap, .end) go to stderr, with --json they are lines like any other.\n"
    "A lost connection is made again after the time the server asked for, and goes on behind the last event.\n"
    "Ends with 0 when the topics have ended or --limit is reached, 1 when the server refuses, 130 after Ctrl-C.\n\n"
    "Examples:\n"
    "  broadside subscribe http://127.0.0.1:8080/events/news\n"
    "  broadside subscribe --topic news --topic system http://127.0.0.1:8080/events\n"
    "  broadside subscribe --json 'http://127.0.0.1:8080/events/news?since=15m' | jq .data";

}  // namespace

CLI::App* add_subscribe_command(CLI::App& program, int& exit_status) {
  CLI::App* command = program.add_subcommand("subscribe", "Print the events of one or several topics");
  const auto options = std::make_shared<SubscribeOptions>();
  const auto is_final = std::make_shared<bool>(false);
  add_target_options(*command, options->target,
                     "What to subscribe to: http://HOST:PORT/events/TOPIC, or .../events with --topic");
  command->add_option("--topic", options->topics, "A topic, put into the URL's query; repeatable")
      ->type_name("TOPIC")
      ->allow_extra_args(false);
  command->add_flag("--json", options->is_json, "A line of JSON for each event, see below");
  command->add_option("--last-event-id", options->last_event_id, "Go on behind this event")->type_name("ID");
  command->add_option("--limit", options->limit, "End after so many published events")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command->add_flag("--no-reconnect", *is_final, "End, with 1, when the connection is lost");
  command->add_flag("-q,--quiet", options->is_quiet, "Only print events and failures");
  command->footer(kFooter);
  command->callback([options, is_final, &exit_status] {
    options->is_reconnecting = !*is_final;
    add_token_header(options->target);
    exit_status = Subscriber(*options).run();
  });
  return command;
}

}  // namespace broadside::tools
