#include "tools/publish.h"

#include <simdjson.h>
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
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/limits.h"
#include "tools/client_support.h"
#include "tools/publish_window.h"

namespace broadside::tools {
namespace {

constexpr std::size_t kReadBytes = 64 * kKiB;
// A line of input beyond this is refused here; a server's limit is usually far below.
constexpr std::size_t kInputLineBytesMax = 16 * kMiB;
// An answer holds an id or a sentence.
constexpr std::size_t kAnswerBytesMax = 64 * kKiB;
constexpr Milliseconds kBackoffFirst{100};
constexpr Milliseconds kBackoffMost{5'000};
constexpr Milliseconds kProgressInterval{200};
// After a stop signal: how long answers to what was sent are waited for.
constexpr Milliseconds kStopGrace{2'000};
// After the last answer: how long the server may take to end its answer.
constexpr Milliseconds kEndGrace{1'000};

struct PublishOptions {
  Target target;
  LineOptions line;
  double give_up_seconds = 60;
  bool is_quiet = false;
};

std::string random_id_prefix() {
  std::random_device device;
  char text[32];
  // The letter in front keeps it apart from positions, which are digits, a hyphen and digits.
  const int length = std::snprintf(text, sizeof text, "p%08x%08x-", device(), device());
  return {text, static_cast<std::size_t>(length)};
}

// One run of the command. Invariant: every line that was read is in `window_`, was answered, or was counted as refused.
class Publisher {
 public:
  explicit Publisher(PublishOptions options)
      : options_(std::move(options)),
        id_prefix_(random_id_prefix()),
        started_at_(SteadyClock::now()),
        answered_at_(started_at_) {}

  int run();

 private:
  enum class Step : std::uint8_t { go_on, finished };

  [[nodiscard]] bool wants_input() const { return !is_input_done_ && window_.has_room(); }
  [[nodiscard]] bool is_all_answered() const { return is_input_done_ && window_.is_empty(); }
  [[nodiscard]] bool is_on_terminal() const { return is_terminal_ && !options_.is_quiet; }

  void wait();
  void on_signal();
  void read_input();
  void take_lines();
  void take_line(std::string_view line);
  void connect();
  [[nodiscard]] std::optional<std::size_t> give_body(char* out, std::size_t size);
  [[nodiscard]] bool on_answer_bytes(std::string_view bytes);
  [[nodiscard]] bool on_answer(std::string_view line);
  [[nodiscard]] Step on_end(const HttpEnd& end);
  [[nodiscard]] Step try_again_later(const std::string& reason, long retry_after_s);
  void refuse_line(std::uint64_t number, std::string_view reason);
  void say(const std::string& text);
  void show_progress();
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] int exit_status() const;

  const PublishOptions options_;
  const std::string id_prefix_;
  const bool is_terminal_ = isatty(STDERR_FILENO) == 1;
  const SteadyClock::time_point started_at_;
  StopSignals signals_;
  PublishWindow window_;
  std::unique_ptr<HttpRequest> request_;  // Null between two attempts.
  Backoff backoff_{kBackoffFirst, kBackoffMost};
  SteadyClock::time_point attempt_at_{};             // When there is no request: the next attempt.
  SteadyClock::time_point answered_at_;              // The last answer, or the start.
  SteadyClock::time_point progress_at_{};            // The next line of progress.
  std::optional<SteadyClock::time_point> leave_at_;  // Set once nothing is worth waiting for any longer than until then.

  std::string input_;  // Read and not yet cut into lines.
  std::size_t input_begin_ = 0;
  std::size_t input_scanned_ = 0;  // Up to here there is no line feed.
  std::string answer_;             // The begin of an answer line.
  bool is_input_done_ = false;
  bool is_input_cut_ = false;   // Inside a line that was too long.
  bool has_connected_ = false;  // A server has answered 200 at least once.
  bool has_failed_ = false;
  bool is_progress_shown_ = false;
  int stop_signal_ = 0;
  std::uint64_t line_count_ = 0;
  std::uint64_t published_count_ = 0;
  std::uint64_t duplicate_count_ = 0;
  std::uint64_t refused_count_ = 0;
};

int Publisher::run() {
  connect();
  for (;;) {
    wait();
    on_signal();
    const auto now = SteadyClock::now();
    if (is_all_answered() && !leave_at_) leave_at_ = now + kEndGrace;
    if (leave_at_ && now >= *leave_at_) break;
    if (request_ == nullptr) {
      if (now < attempt_at_) continue;
      connect();
    }
    const std::optional<HttpEnd> end = request_->step();
    if (end && on_end(*end) == Step::finished) break;
    take_lines();
    // After answers and input both: each may have made room for sending, and neither will come again by itself.
    if (request_ != nullptr && (window_.has_unsent() || (is_input_done_ && window_.is_all_sent()))) request_->resume_sending();
    show_progress();
  }
  request_.reset();
  if (is_progress_shown_ || stop_signal_ != 0 || exit_status() != kExitDone) say(summary());
  return exit_status();
}

void Publisher::wait() {
  std::array<curl_waitfd, 2> others{{{.fd = signals_.fd(), .events = CURL_WAIT_POLLIN, .revents = 0},
                                     {.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN, .revents = 0}}};
  const std::size_t count = wants_input() ? 2 : 1;
  const auto now = SteadyClock::now();
  auto until = now + Milliseconds(60'000);
  if (request_ == nullptr) until = std::min(until, attempt_at_);
  if (leave_at_) until = std::min(until, *leave_at_);
  if (is_on_terminal()) until = std::min(until, std::max(progress_at_, now));
  const auto wait = std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(until - now));
  if (request_ != nullptr) {
    request_->wait({others.data(), count}, wait);
  } else {
    wait_for({others.data(), count}, wait);
  }
  if (count == 2 && others[1].revents != 0) read_input();
}

void Publisher::on_signal() {
  const int signal = signals_.take();
  if (signal == 0) return;
  const auto now = SteadyClock::now();
  leave_at_ = stop_signal_ == 0 && request_ != nullptr && has_connected_ ? now + kStopGrace : now;
  stop_signal_ = signal;
  is_input_done_ = true;
}

void Publisher::read_input() {
  const std::size_t size = input_.size();
  input_.resize(size + kReadBytes);
  const ssize_t length = read(STDIN_FILENO, input_.data() + size, kReadBytes);
  input_.resize(size + static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  if (length > 0) {
    take_lines();
    return;
  }
  if (length < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (length < 0) {
    say(std::string("standard input: ") + std::strerror(errno));
    has_failed_ = true;
  }
  // A last line need not end with a line feed.
  if (input_begin_ < input_.size() && !is_input_cut_) take_line(std::string_view(input_).substr(input_begin_));
  input_.clear();
  input_begin_ = input_scanned_ = 0;
  is_input_done_ = true;
}

void Publisher::take_lines() {
  if (is_input_done_) return;
  while (window_.has_room()) {
    const std::size_t end = input_.find('\n', std::max(input_scanned_, input_begin_));
    if (end == std::string::npos) {
      input_scanned_ = input_.size();
      break;
    }
    if (!is_input_cut_) take_line(std::string_view(input_).substr(input_begin_, end - input_begin_));
    is_input_cut_ = false;
    input_begin_ = end + 1;
  }
  input_.erase(0, input_begin_);
  input_scanned_ -= std::min(input_scanned_, input_begin_);
  input_begin_ = 0;
  if (input_scanned_ == input_.size() && input_.size() > kInputLineBytesMax) {
    if (!is_input_cut_) refuse_line(++line_count_, "longer than 16 MiB");
    is_input_cut_ = true;
    input_.clear();
    input_scanned_ = 0;
  }
}

void Publisher::take_line(std::string_view line) {
  ++line_count_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (options_.line.is_json && line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  window_.push(line_count_, encode_line(line, line_count_, options_.line, id_prefix_));
}

void Publisher::connect() {
  window_.restart();
  answer_.clear();
  // `Connection: close`: a server that ends its answer early ends the request with it, instead of waiting for our side.
  request_ = std::make_unique<HttpRequest>(
      options_.target, std::vector<std::string>{"Content-Type: application/x-ndjson", "Connection: close"},
      HttpRequest::Handlers{.on_body = [this](std::string_view bytes) { return on_answer_bytes(bytes); },
                            .body_source = [this](char* out, std::size_t size) { return give_body(out, size); }});
}

std::optional<std::size_t> Publisher::give_body(char* out, std::size_t size) {
  const std::size_t length = window_.take_unsent(out, size);
  if (length > 0 || (is_input_done_ && window_.is_all_sent())) return length;
  return std::nullopt;
}

bool Publisher::on_answer_bytes(std::string_view bytes) {
  has_connected_ = true;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    answer_ += bytes.substr(0, end);
    if (answer_.size() > kAnswerBytesMax) return false;
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    if (answer_.find_first_not_of(" \t\r") != std::string::npos && !on_answer(answer_)) return false;
    answer_.clear();
  }
  return true;
}

bool Publisher::on_answer(std::string_view line) {
  static thread_local simdjson::dom::parser parser;
  const simdjson::padded_string padded(line);
  simdjson::dom::object answer;
  if (parser.parse(padded).get(answer) != simdjson::SUCCESS) return false;
  std::string_view error;
  const bool is_refused = answer["error"].get(error) == simdjson::SUCCESS;
  bool is_duplicate = false;
  if (answer["duplicate"].get(is_duplicate) != simdjson::SUCCESS) is_duplicate = false;
  const std::optional<std::uint64_t> number = window_.on_answer();
  if (!number) return false;
  if (is_refused) {
    refuse_line(*number, error);
  } else {
    ++published_count_;
    if (is_duplicate) ++duplicate_count_;
  }
  answered_at_ = SteadyClock::now();
  backoff_.reset();
  return true;
}

Publisher::Step Publisher::on_end(const HttpEnd& end) {
  const std::string& url = options_.target.url;
  request_.reset();
  // With no line at all, an address where nobody answers is still an error.
  if (is_all_answered() && (line_count_ > 0 || end.status == 200)) return Step::finished;
  if (end.status == 200 && end.code == CURLE_WRITE_ERROR) {
    say(url + ": answered in a form that is not Broadside's: is the URL that of its /events/{topic}?");
    has_failed_ = true;
    return Step::finished;
  }
  if (stop_signal_ != 0) return Step::finished;
  if (end.status != 0 && end.status != 200) {
    const std::string reason = url + ": refused with " + std::to_string(end.status) + ": " + problem_text(end.body);
    if (end.is_passing()) return try_again_later(reason, end.retry_after_s);
    say(reason);
    has_failed_ = true;
    return Step::finished;
  }
  if (end.is_our_fault() || (end.is_unreachable() && !has_connected_)) {
    say("connect to " + url + ": " + end.message +
        "; is the server running? Start one with `broadside serve`, or give another URL");
    has_failed_ = true;
    return Step::finished;
  }
  return try_again_later(end.code == CURLE_OK ? "the server ended the connection" : end.message, 0);
}

Publisher::Step Publisher::try_again_later(const std::string& reason, long retry_after_s) {
  const auto now = SteadyClock::now();
  const std::chrono::duration<double> silence = now - answered_at_;
  if (options_.give_up_seconds > 0 && silence.count() > options_.give_up_seconds && !window_.is_empty()) {
    say(reason + "; no answer for " + std::to_string(static_cast<long>(silence.count())) + " s: giving up (--give-up)");
    has_failed_ = true;
    return Step::finished;
  }
  const Milliseconds pause = std::max(backoff_.take(), Milliseconds(std::min(retry_after_s, 60L) * 1000));
  attempt_at_ = now + pause;
  if (!options_.is_quiet) {
    say(reason + "; trying again in " + std::to_string(pause.count()) + " ms, " + std::to_string(window_.unanswered_count()) +
        " lines without an answer are kept");
  }
  return Step::go_on;
}

void Publisher::refuse_line(std::uint64_t number, std::string_view reason) {
  ++refused_count_;
  say("line " + std::to_string(number) + ": " + printable(reason));
}

void Publisher::say(const std::string& text) {
  if (is_progress_shown_) std::fputs("\r\x1b[K", stderr);
  std::fprintf(stderr, "broadside publish: %s\n", text.c_str());
  progress_at_ = {};
}

void Publisher::show_progress() {
  const auto now = SteadyClock::now();
  if (!is_on_terminal() || now < progress_at_) return;
  progress_at_ = now + kProgressInterval;
  is_progress_shown_ = true;
  std::fprintf(stderr, "\r%s, %zu waiting%s\x1b[K", summary().c_str(), window_.unanswered_count(),
               request_ == nullptr ? ", not connected" : "");
  std::fflush(stderr);
}

std::string Publisher::summary() const {
  const std::chrono::duration<double> elapsed = SteadyClock::now() - started_at_;
  const double rate = static_cast<double>(published_count_) / std::max(elapsed.count(), 0.001);
  std::string text = std::to_string(line_count_) + " lines read, " + std::to_string(published_count_) + " events published, " +
                     std::to_string(static_cast<std::uint64_t>(rate)) + "/s";
  if (duplicate_count_ > 0) text += ", " + std::to_string(duplicate_count_) + " were there already";
  if (refused_count_ > 0) text += ", " + std::to_string(refused_count_) + " refused";
  if (request_ == nullptr && !window_.is_empty())
    text += ", " + std::to_string(window_.unanswered_count()) + " without an answer";
  return text;
}

int Publisher::exit_status() const {
  if (has_failed_ || refused_count_ > 0) return kExitFailed;
  if (stop_signal_ != 0) return 128 + stop_signal_;
  return window_.is_empty() ? kExitDone : kExitFailed;
}

constexpr const char* kFooter =
    "Each line of standard input becomes an event, all over one endless request. Lines get ids of their own, so that after a\n"
    "lost connection what had no answer is sent again and nothing is published twice. Ends with 0 when every line was\n"
    "published, 1 when some were not (each is named on stderr), 130 after Ctrl-C.\n\n"
    "Examples:\n"
    "  echo hello | broadside publish http://127.0.0.1:8080/events/news\n"
    "  vmstat -n 1 | broadside publish --event tick http://127.0.0.1:8080/events/vmstat\n"
    "  broadside publish --json http://127.0.0.1:8080/events < events.ndjson\n\n"
    "With --json a line is {\"topic\",\"data\",\"event\",\"id\",\"retry\",\"key\"}: data is a string or any JSON, everything but "
    "data may\n"
    "be missing, and topic if the URL names one.";

}  // namespace

CLI::App* add_publish_command(CLI::App& program, int& exit_status) {
  CLI::App* command = program.add_subcommand("publish", "Publish lines of standard input as events");
  const auto options = std::make_shared<PublishOptions>();
  add_target_options(*command, options->target, "Where to publish: http://HOST:PORT/events/TOPIC, or .../events with --json");
  command->add_flag("--json", options->line.is_json, "Lines are NDJSON, see below");
  command->add_option("--event", options->line.type, "The events' type (default: none, which is `message`)")->type_name("TYPE");
  command->add_option("--key", options->line.key, "What the events are the newest value of")->type_name("KEY");
  command->add_option("--retry", options->line.retry_ms, "Tell subscribers to reconnect after so many milliseconds")
      ->type_name("MS");
  command
      ->add_option("--give-up", options->give_up_seconds,
                   "Stop after so long without an answer while the server is away; 0 = never")
      ->type_name("SECONDS")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("-q,--quiet", options->is_quiet, "Only say what failed");
  command->footer(kFooter);
  command->callback([options, &exit_status] {
    add_token_header(options->target);
    exit_status = Publisher(*options).run();
  });
  return command;
}

}  // namespace broadside::tools
