// The programs of examples/, each as its README says it is used: what their streams hold is compared with what they must hold,
// over cuts, restarts and ends.
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tests/support/http_client.h"
#include "tests/support/json.h"
#include "tests/support/server_process.h"

namespace broadside::test {
namespace {

using Strings = std::vector<std::string>;

// Beside the program under test.
std::string example_path(const std::string& name) {
  return (std::filesystem::path(program_path()).parent_path() / "examples" / ("examples_" + name)).string();
}

class Examples : public ::testing::Test {
 protected:
  void TearDown() override {
    if (server_ != nullptr) stop(SIGTERM);
  }

  void start(const std::string& name, const Strings& flags = {}) {
    if (access(example_path(name).c_str(), X_OK) != 0) GTEST_SKIP() << "not built: " << example_path(name);
    Strings command = {example_path(name), "--listen", "127.0.0.1:0"};
    command.insert(command.end(), flags.begin(), flags.end());
    std::string problem;
    server_ = ServerProcess::run(command, &problem);
    ASSERT_NE(server_, nullptr) << problem;
  }
  void stop(int signal_number) {
    server_->process().signal(signal_number);
    EXPECT_EQ(server_->process().wait_exit(soon()), 0);
    EXPECT_EQ(server_->process().stderr_text(), "");
    server_.reset();
  }

  [[nodiscard]] SseStream subscribe(std::string_view target, const Headers& headers = {}) const {
    SseStream stream = SseStream::open(server_->port(), target, headers);
    EXPECT_EQ(stream.head().status, 200) << target << ": " << stream.head().text;
    EXPECT_TRUE(stream.wait_for("broadside.open"));
    return stream;
  }
  // All of a stream that ends by itself.
  [[nodiscard]] SseStream read_all(std::string_view target) const {
    SseStream stream = subscribe(target);
    EXPECT_TRUE(stream.wait_closed()) << stream.body();
    return stream;
  }
  [[nodiscard]] HttpResponse get(std::string_view target, const Headers& headers = {}) const {
    return fetch(server_->port(), "GET", target, headers);
  }
  [[nodiscard]] HttpResponse post(std::string_view target, std::string_view body, const Headers& headers = {}) const {
    return fetch(server_->port(), "POST", target, headers, body);
  }
  // What who has had everything of an ended topic is told.
  void expect_over(std::string_view target, const std::string& last_event_id) const {
    EXPECT_EQ(get(target, {{"Last-Event-ID", last_event_id}}).status(), 204);
  }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

 private:
  std::unique_ptr<ServerProcess> server_;
};

#define START_OR_SKIP(...) \
  start(__VA_ARGS__);      \
  if (IsSkipped() || HasFatalFailure()) return

std::vector<ReceivedEvent> of_type(const SseStream& stream, const std::string& type) {
  std::vector<ReceivedEvent> found;
  for (const ReceivedEvent& event : stream.events()) {
    if (event.type == type) found.push_back(event);
  }
  return found;
}

bool wait_count(SseStream& stream, const std::string& type, std::size_t count) {
  const Deadline deadline = soon();
  while (of_type(stream, type).size() < count) {
    if (!stream.read_more(deadline)) return false;
  }
  return true;
}

std::string joined(const Strings& parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

class EachExample : public Examples, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(, EachExample, ::testing::Values("answer", "chat", "log_tail", "monitor", "scores", "ticker", "upload"),
                         [](const auto& name) { return std::string(name.param); });

TEST_P(EachExample, serves_its_page_and_ends_at_a_signal) {
  START_OR_SKIP(GetParam());
  const HttpResponse page = get("/");
  EXPECT_EQ(page.status(), 200);
  EXPECT_EQ(page.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.body.rfind("<!doctype html>", 0), 0U);
  EXPECT_EQ(get("/no-such-thing").status(), 404);
  stop(SIGINT);
}

TEST_P(EachExample, says_which_flags_it_has) {
  if (access(example_path(GetParam()).c_str(), X_OK) != 0) GTEST_SKIP() << "not built";
  const auto child = ChildProcess::spawn({example_path(GetParam()), "--no-such-flag", "1"});
  EXPECT_EQ(child->wait_exit(soon()), 2);
  EXPECT_NE(child->stderr_text().find("[--listen 127.0.0.1:8080]"), std::string::npos) << child->stderr_text();
}

TEST_F(Examples, the_ticker_begins_with_every_symbol_and_leaves_out_what_is_no_longer_true) {
  START_OR_SKIP("ticker", {"--trades", "5000"});
  const SseStream state = read_all("/events/prices?follow=0");
  std::set<std::string> symbols;
  for (const std::string& data : state.published_data()) symbols.insert(json_string(data, "/symbol"));
  EXPECT_EQ(symbols.size(), 20U);
  EXPECT_EQ(state.published().size(), 20U) << "each once";

  SseStream stream = subscribe("/events/prices?rate=20");
  std::vector<std::int64_t> trades;
  const Deadline deadline = soon();
  // Until more trades have been made behind the snapshot than were sent.
  while (trades.size() <= 20 || trades.back() - trades[20] < static_cast<std::int64_t>(trades.size()) - 20) {
    ASSERT_TRUE(stream.read_more(deadline)) << trades.size() << " prices";
    for (const Strings data = stream.published_data(); trades.size() < data.size();) {
      const std::int64_t trade = json_int(data[trades.size()], "/trade").value_or(-1);
      ASSERT_TRUE(trades.empty() || trade > trades.back()) << data[trades.size()];
      trades.push_back(trade);
    }
  }
  EXPECT_EQ(of_type(stream, "broadside.gap").size(), 0U);
}

TEST_F(Examples, the_chat_lets_in_who_has_a_name_and_tells_who_comes_and_goes) {
  START_OR_SKIP("chat");
  EXPECT_EQ(get("/events/room").status(), 401);
  EXPECT_EQ(post("/say", "hello").status(), 401);
  EXPECT_EQ(post("/enter", "no spaces").status(), 400);
  const auto enter = [this](const std::string& name) {
    const std::string cookie = post("/enter", name).header("Set-Cookie");
    return Headers{{"Cookie", "theme=dark; " + cookie.substr(0, cookie.find(';'))}};
  };
  const Headers as_ann = enter("ann");
  const Headers as_bob = enter("bob");

  SseStream ann = subscribe("/events/room", as_ann);
  ASSERT_TRUE(wait_count(ann, "joined", 1));
  constexpr std::size_t kVisits = 10;
  for (std::size_t visit = 1; visit <= kVisits; ++visit) {
    SseStream bob = subscribe("/events/anything", as_bob);
    ASSERT_TRUE(wait_count(bob, "joined", 2)) << "ann by the snapshot, and bob: " << bob.body();
    SseStream tab = subscribe("/events/room", as_bob);
    EXPECT_EQ(post("/say", "hello", as_bob).status(), 200);
    ASSERT_TRUE(tab.wait_for("message"));
    bob.connection().close();
    tab.connection().reset();
    ASSERT_TRUE(wait_count(ann, "left", visit)) << ann.body();
  }
  Strings seen;
  for (const ReceivedEvent& event : ann.published()) seen.push_back(event.type + " " + event.data);
  Strings expected = {"joined ann"};
  for (std::size_t visit = 1; visit <= kVisits; ++visit) {
    expected.insert(expected.end(), {"joined bob", "message bob: hello", "left bob"});
  }
  EXPECT_EQ(seen, expected);
}

class Uploads : public Examples {
 protected:
  static constexpr const char* kId = "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f";
  const std::string topic_ = std::string("/events/upload.") + kId;
  const std::string target_ = std::string("/upload/") + kId;
  const std::string body_ = std::string(3'000'000, 'x');

  // Progress grows up to `last`, which is of type `end`, and then there is nothing more.
  void expect_progress(SseStream& stream, const std::string& end, std::int64_t last_max) {
    ASSERT_TRUE(stream.wait_closed()) << stream.body();
    std::int64_t newest = 0;
    const std::vector<ReceivedEvent> events = stream.published();
    ASSERT_GT(events.size(), 2U);
    for (const ReceivedEvent& event : events) {
      EXPECT_EQ(event.type, &event == &events.back() ? end : "progress");
      const std::int64_t bytes = json_int(event.data, "/bytes").value_or(-1);
      EXPECT_TRUE(event.type == "progress" ? bytes > newest : bytes >= newest) << event.data << " after " << newest;
      newest = bytes;
    }
    EXPECT_TRUE(end == "done" ? newest == last_max : newest <= last_max) << newest;
    EXPECT_EQ(stream.events().back().type, "broadside.end");
    expect_over(topic_, stream.last_event_id());
  }
};

TEST_F(Uploads, are_told_of_as_they_arrive) {
  START_OR_SKIP("upload");
  SseStream stream = subscribe(topic_);
  const HttpResponse answer = post(target_, body_);
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "3000000 bytes\n");
  expect_progress(stream, "done", 3'000'000);
  EXPECT_EQ(json_int(stream.published_data().front(), "/total"), 3'000'000);
}

TEST_F(Uploads, of_unknown_length_are_told_of_too) {
  START_OR_SKIP("upload");
  SseStream stream = subscribe(topic_);
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("POST " + target_ + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
  for (std::size_t at = 0; at < body_.size(); at += 100'000) ASSERT_TRUE(connection.send(chunk_text(body_.substr(at, 100'000))));
  ASSERT_TRUE(connection.send("0\r\n\r\n"));
  EXPECT_EQ(connection.read_response().body, "3000000 bytes\n");
  expect_progress(stream, "done", 3'000'000);
}

TEST_F(Uploads, that_are_cut_have_failed) {
  START_OR_SKIP("upload");
  SseStream stream = subscribe(topic_);
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("POST " + target_ + " HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n"));
  ASSERT_TRUE(connection.send(body_.substr(0, 2'000'000)));
  ASSERT_TRUE(wait_count(stream, "progress", 2));
  connection.close();
  expect_progress(stream, "failed", 2'000'000);
}

TEST_F(Uploads, go_nowhere_but_to_a_name_that_cannot_be_guessed) {
  START_OR_SKIP("upload");
  EXPECT_EQ(post("/upload/1", "x").status(), 404);
  EXPECT_EQ(post("/other", "x").status(), 404);
}

TEST_F(Examples, an_answer_comes_token_by_token_and_goes_on_after_a_cut) {
  START_OR_SKIP("answer", {"--step-ms", "1"});
  const auto ask = [this] { return json_string(post("/ask", "What is a stream?").body, "/stream"); };
  const std::string target = ask();
  SseStream whole = read_all(target);
  EXPECT_EQ(whole.events().back().type, "broadside.end");
  expect_over(target, whole.last_event_id());
  const std::string text = joined(whole.published_data());
  EXPECT_EQ(text.back(), '.');
  EXPECT_GT(whole.published().size(), 10U);
  EXPECT_EQ(joined(read_all(target).published_data()), text) << "the same topic, read again";

  const std::string other = ask();
  EXPECT_NE(other, target);
  const SseStream cut = read_all(other + "&limit=3");
  SseStream rest = subscribe(other, {{"Last-Event-ID", cut.last_event_id()}});
  ASSERT_TRUE(rest.wait_closed());
  EXPECT_EQ(joined(cut.published_data()) + joined(rest.published_data()), text) << "the same question, in two pieces";
}

class LogTail : public Examples {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/broadside_log_tail_XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override {
    Examples::TearDown();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  [[nodiscard]] std::string path() const { return folder_ + "/app.log"; }
  // Appends numbered lines.
  void write(int count) {
    std::ofstream file(path(), std::ios::app);
    for (; count > 0; --count) {
      lines_.push_back("line " + std::to_string(lines_.size()));
      file << lines_.back() << '\n';
    }
  }
  // Those from a number on.
  [[nodiscard]] Strings lines(std::size_t from) const {
    return {lines_.begin() + static_cast<std::ptrdiff_t>(from), lines_.end()};
  }

  std::string folder_;
  Strings lines_;
};

TEST_F(LogTail, resumes_over_cuts_and_over_a_restart_of_the_program) {
  write(50);
  START_OR_SKIP("log_tail", {"--file", path()});
  SseStream stream = subscribe("/events/log?last=20");
  ASSERT_TRUE(stream.wait_published(20));
  write(30);
  ASSERT_TRUE(stream.wait_published(50));
  EXPECT_EQ(stream.published_data(), lines(30));
  stream.connection().reset();

  write(10);
  SseStream after_cut = subscribe("/events/log?last=20", {{"Last-Event-ID", stream.last_event_id()}});
  ASSERT_TRUE(after_cut.wait_published(10));
  EXPECT_EQ(after_cut.published_data(), lines(80));

  stop(SIGTERM);
  write(10);
  START_OR_SKIP("log_tail", {"--file", path()});
  SseStream after_restart = subscribe("/events/log?last=20", {{"Last-Event-ID", after_cut.last_event_id()}});
  ASSERT_TRUE(after_restart.wait_published(10));
  write(5);
  ASSERT_TRUE(after_restart.wait_published(15));
  EXPECT_EQ(after_restart.published_data(), lines(90));
  EXPECT_EQ(of_type(after_restart, "broadside.gap").size(), 0U);
}

TEST_F(LogTail, follows_a_file_that_is_begun_anew) {
  START_OR_SKIP("log_tail", {"--file", path()});
  SseStream stream = subscribe("/events/log");
  write(10);
  ASSERT_TRUE(stream.wait_published(10)) << "a file that was not there at first";
  write(10);
  std::filesystem::rename(path(), path() + ".1");
  write(10);
  ASSERT_TRUE(stream.wait_published(30));
  std::filesystem::resize_file(path(), 0);
  write(5);
  ASSERT_TRUE(stream.wait_published(35));
  EXPECT_EQ(stream.published_data(), lines(0));
}

TEST_F(LogTail, tells_of_a_line_that_is_no_text) {
  START_OR_SKIP("log_tail", {"--file", path()});
  SseStream stream = subscribe("/events/log");
  std::ofstream(path()) << "caf\xe9\n"
                        << "caf\xc3\xa9\n";
  ASSERT_TRUE(stream.wait_published(2));
  EXPECT_EQ(stream.published_data(), (Strings{"caf?", "caf\xc3\xa9"}));
}

TEST_F(Examples, the_monitor_samples_the_machine_on_its_own_loop) {
  START_OR_SKIP("monitor", {"--every-ms", "20"});
  SseStream stream = subscribe("/events/system");
  ASSERT_TRUE(stream.wait_published(5));
  for (const std::string& data : stream.published_data()) {
    double cpu = -1;
    double memory = -1;
    double load = -1;
    ASSERT_EQ(std::sscanf(data.c_str(), R"({"cpu":%lf,"memory":%lf,"load":%lf})", &cpu, &memory, &load), 3) << data;
    EXPECT_TRUE(cpu >= 0 && cpu <= 100) << data;
    EXPECT_TRUE(memory > 0 && memory <= 100) << data;
    EXPECT_GE(load, 0) << data;
  }
  EXPECT_GE(read_all("/events/system?since=60s&follow=0").published().size(), 5U);
}

class Scores : public Examples {
 protected:
  // All matches on one stream.
  [[nodiscard]] std::string target() const {
    std::string all;
    for (const std::string& topic : json_strings(get("/matches").body, ""))
      all += (all.empty() ? "/events?topic=" : "&topic=") + topic;
    return all;
  }
};

TEST_F(Scores, add_up_in_one_order_to_the_final_whistle) {
  START_OR_SKIP("scores", {"--minute-ms", "1"});
  SseStream stream = read_all(target() + "&last=100000");
  std::map<std::string, std::int64_t> goals;
  std::map<std::string, std::int64_t> minutes;
  for (const ReceivedEvent& event : stream.published()) {
    const std::string match = json_string(event.data, "/match");
    const std::int64_t minute = json_int(event.data, "/minute").value_or(-1);
    EXPECT_EQ(minute, minutes[match]) << event.data;
    if (event.type == "goal") {
      ++goals[match];
      continue;
    }
    EXPECT_EQ(json_int(event.data, "/home").value_or(0) + json_int(event.data, "/away").value_or(0), goals[match]) << event.data;
    ++minutes[match];
  }
  ASSERT_EQ(minutes.size(), 3U);
  for (const auto& [match, count] : minutes) EXPECT_EQ(count, 91) << match;
  EXPECT_EQ(of_type(stream, "broadside.end").size(), 3U);
  expect_over(target(), stream.last_event_id());

  // Who comes late has the board: each score once, each goal once.
  const SseStream late = read_all(target());
  EXPECT_EQ(of_type(late, "score").size(), 3U);
  EXPECT_EQ(of_type(late, "goal"), of_type(stream, "goal"));
}

}  // namespace
}  // namespace broadside::test
