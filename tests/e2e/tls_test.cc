// TLS through the real server: streams over both versions, with clients that read as they like, certificates by name and after a
// reload, what is refused and how, and real clients of others.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "tests/e2e/tls_fixture.h"
#include "tests/support/ipv6.h"

namespace broadside::test {
namespace {

constexpr int kSmallBuffer = 4096;

class Tls : public TlsFixture {};
BROADSIDE_ON_BOTH_BACKENDS(Tls);

TEST_P(Tls, carries_streams_of_either_version_and_says_when_they_end) {
  start_tls();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const std::string topic = "t" + std::to_string(version);
    SseStream endless = subscribe_tls("/events/" + topic, believing(version));
    SseStream limited = subscribe_tls("/events/" + topic + "?limit=2", believing(version));
    const std::vector<std::string> data = publish_numbered(topic, 0, 2, 10);
    EXPECT_TRUE(limited.wait_closed());
    EXPECT_TRUE(limited.connection().tls()->is_ended()) << limited.connection().tls()->error();
    EXPECT_EQ(limited.published_data(), data);
    EXPECT_TRUE(endless.wait_published(2));
    EXPECT_EQ(endless.published_data(), data);
    EXPECT_TRUE(has_header(endless.head().headers, "Strict-Transport-Security"));
    fetch(port(), "DELETE", "/events/" + topic);
    EXPECT_TRUE(endless.wait_closed());
    EXPECT_TRUE(endless.connection().tls()->is_ended()) << endless.connection().tls()->error();
  }
}

TEST_P(Tls, delivers_everything_in_order_to_whoever_reads_at_whatever_pace) {
  start_tls({"--send-buffer", "16KiB", "--stall-timeout", "10m", "--history-events", "100000", "--history-bytes", "64MiB",
             "--body-bytes", "16MiB"});
  std::mt19937_64 random(test_seed());
  std::vector<SseStream> streams;
  for (int i = 0; i < 12; ++i) {
    const int version = i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
    streams.push_back(subscribe_tls("/events/t", believing(version), i % 3 == 0 ? 0 : kSmallBuffer));
  }
  std::vector<std::string> data;
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t bytes = round % 5 == 4 ? 30'000 : random() % 2'000;
    for (std::string& each : publish_numbered("t", round * 50, 50, bytes)) data.push_back(std::move(each));
    for (SseStream& stream : streams) {
      for (std::uint64_t reads = random() % 8; reads > 0; --reads) stream.read_more(Deadline::in(Millis(0)));
    }
  }
  for (SseStream& stream : streams) {
    EXPECT_TRUE(stream.wait_published(data.size(), Deadline::in(Millis(60'000)))) << stream.connection().tls()->error();
    EXPECT_EQ(stream.published_data(), data);
    EXPECT_EQ(stream.stream().violation(), "");
  }
}

TEST_P(Tls, is_spoken_on_ipv6) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no ::1";
  start_tls({}, {"http://[::1]:0", "[::1]:0"});
  HttpConnection connection = HttpConnection::open(tls_port(), 0, "::1");
  connection.start_tls(believing());
  ASSERT_TRUE(connection.tls()->is_established()) << connection.tls()->error();
  ASSERT_TRUE(connection.send("GET /events/t HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  SseStream stream = SseStream::from(std::move(connection));
  ASSERT_TRUE(stream.wait_for("broadside.open"));
  HttpConnection publisher = HttpConnection::open(port(), 0, "::1");
  ASSERT_TRUE(publisher.send(request_text("POST", "/events/t", "[::1]:" + std::to_string(port()), {}, "sealed")));
  EXPECT_EQ(publisher.read_response().status(), 200);
  ASSERT_TRUE(stream.wait_published(1));
  EXPECT_EQ(stream.published_data(), std::vector<std::string>{"sealed"});
}

TEST_P(Tls, resumes_a_stream_that_was_cut) {
  start_tls();
  SseStream first = subscribe_tls("/events/t", believing());
  std::vector<std::string> data = publish_numbered("t", 0, 3, 10);
  ASSERT_TRUE(first.wait_published(3));
  const std::string id = first.last_event_id();
  first.connection().reset();
  for (std::string& each : publish_numbered("t", 3, 3, 10)) data.push_back(std::move(each));
  SseStream second = subscribe_tls("/events/t?last_event_id=" + id, believing());
  EXPECT_TRUE(second.wait_published(3));
  EXPECT_EQ(second.published_data(), std::vector<std::string>(data.begin() + 3, data.end()));
}

TEST_P(Tls, answers_one_request_after_the_other_and_takes_endless_lines) {
  start_tls();
  HttpConnection connection = connect();
  ASSERT_TRUE(connection.tls()->is_established()) << connection.tls()->error();
  for (int i = 0; i < 3; ++i) {
    connection.send(request_text("POST", "/events/t", "localhost", {}, "hello"));
    EXPECT_EQ(connection.read_response().status(), 200);
  }
  connection.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /topics/t HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(connection.read_response().status(), 200);
  EXPECT_EQ(json_int(connection.read_response().body, "/events"), 3);
  connection.send(
      "POST /events/t HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(connection.read_head().status, 200);
  for (int i = 0; i < 100; ++i) {
    connection.send(chunk_text("{\"data\":\"line\"}\n"));
    const auto answer = connection.read_chunked_line();
    ASSERT_TRUE(answer && answer->find("\"id\"") != std::string::npos);
  }
  connection.send("0\r\n\r\n");
  EXPECT_EQ(json_int(get("/topics/t").body, "/events"), 103);
}

TEST_P(Tls, sends_a_large_answer_to_a_slow_reader) {
  start_tls({"--send-buffer", "16KiB", "--diagnostic-echo", "--body-bytes", "4MiB"});
  HttpConnection connection = HttpConnection::open_tls(tls_port(), believing(), kSmallBuffer);
  std::string body;
  for (int i = 0; body.size() < 500'000; ++i) body += std::to_string(i) + ' ';
  connection.send(request_text("POST", "/", "localhost", {}, body));
  const HttpResponse response = connection.read_response();
  EXPECT_EQ(response.status(), 200);
  EXPECT_TRUE(response.is_complete);
  EXPECT_TRUE(response.body == body);
}

TEST_P(Tls, answers_all_that_was_asked_before_the_client_had_nothing_more_to_say) {
  start_tls();
  HttpConnection connection = connect();
  std::string requests;
  for (int i = 0; i < 40; ++i) requests += request_text("GET", "/", "localhost", {}, "");
  ASSERT_TRUE(connection.send_last(requests));
  for (int i = 0; i < 40; ++i) ASSERT_EQ(connection.read_response().status(), 200) << i;
  EXPECT_TRUE(connection.wait_closed());
}

TEST_P(Tls, answers_plain_http_with_400_and_closes) {
  start_tls();
  HttpConnection connection = HttpConnection::open(tls_port());
  connection.send(request_text("GET", "/events/t", "localhost", {}, ""));
  const HttpResponse response = connection.read_response();
  expect_problem(response, 400, "https://");
  EXPECT_TRUE(connection.wait_closed());
  EXPECT_FALSE(connection.was_reset());
}

TEST_P(Tls, closes_who_speaks_neither_and_who_does_not_finish) {
  start_tls({"--head-timeout", "500ms"});
  HttpConnection garbage = HttpConnection::open(tls_port());
  garbage.send(std::string(100, '\0'));
  EXPECT_TRUE(garbage.wait_closed());
  HttpConnection silent = HttpConnection::open(tls_port());
  EXPECT_TRUE(silent.wait_closed());
  HttpConnection half = HttpConnection::open(tls_port());
  TlsClient client({});
  half.send(client.take_output().substr(0, 100));
  EXPECT_TRUE(half.wait_closed());
  HttpConnection idle = connect();
  ASSERT_TRUE(idle.tls()->is_established());
  EXPECT_TRUE(idle.wait_closed());
  EXPECT_NE(get("/metrics").body.find("broadside_handshakes_total 1"), std::string::npos);
  EXPECT_NE(get("/metrics").body.find("broadside_handshakes_failed_total 1"), std::string::npos);
}

TEST_P(Tls, shakes_no_hands_while_memory_is_short) {
  start_tls({"--memory-max", "1MiB"});
  EXPECT_TRUE(connect().tls()->is_established());
  std::vector<HttpConnection> idle;  // 4.5 KiB each.
  for (int i = 0; i < 250; ++i) idle.push_back(HttpConnection::open(port()));
  const Deadline deadline = soon();
  while (connect().tls()->is_established()) ASSERT_GT(deadline.remaining_ms(), 0);
  EXPECT_EQ(get("/healthz").status(), 200) << "who is plain is answered";
  idle.clear();
  while (!connect().tls()->is_established()) ASSERT_GT(deadline.remaining_ms(), 0);
}

TEST_P(Tls, refuses_a_protocol_that_is_not_http_1_1) {
  start_tls();
  TlsClientOptions options = believing();
  options.protocols = "h2";
  const HttpConnection connection = connect(options);
  EXPECT_FALSE(connection.tls()->is_established());
  EXPECT_NE(connection.tls()->error().find("no application protocol"), std::string::npos) << connection.tls()->error();
}

TEST_P(Tls, shows_the_certificate_asked_for_and_the_new_one_once_its_file_has_changed) {
  const CertificateFiles other = authority_of_tests().issue({"other.example"}, KeyKind::rsa2048);
  start_tls({"--tls-cert", other.certificate, "--tls-key", other.key});
  TlsClientOptions options;
  options.server_name = "localhost";
  EXPECT_EQ(connect(options).tls()->server_common_name(), "localhost");
  options.server_name = "nobody.example";
  EXPECT_EQ(connect(options).tls()->server_common_name(), "other.example") << "the first one";
  SseStream stream = subscribe_tls("/events/t", believing());
  const CertificateFiles fresh = authority_of_tests().issue({"fresh.example"});
  std::filesystem::rename(fresh.key, other.key);
  ASSERT_TRUE(wait_log("what was read before stays in use"));
  EXPECT_EQ(connect(options).tls()->server_common_name(), "other.example");
  std::filesystem::rename(fresh.certificate, other.certificate);
  ASSERT_TRUE(wait_log("have changed and are in use"));
  EXPECT_EQ(connect(options).tls()->server_common_name(), "fresh.example");
  // Streams go on.
  publish("t", "still there");
  EXPECT_TRUE(stream.wait_published(1));
}

TEST_P(Tls, wants_certificates_of_clients_when_told_to) {
  start_tls({"--tls-client-ca", authority_of_tests().file()});
  const CertificateFiles client = authority_of_tests().issue({"client"});
  TlsClientOptions options = believing();
  options.certificate_file = client.certificate;
  options.key_file = client.key;
  SseStream stream = subscribe_tls("/events/t", options);
  publish("t", "hello");
  EXPECT_TRUE(stream.wait_published(1));
  HttpConnection without = connect();
  EXPECT_TRUE(without.wait_closed());
  EXPECT_NE(without.tls()->error(), "");
}

TEST_P(Tls, drains_streams_with_a_notice_and_an_end) {
  start_tls({"--drain-timeout", "10s"});
  SseStream stream = subscribe_tls("/events/t", believing());
  const auto data = publish_numbered("t", 0, 5, 10);
  server().process().signal(SIGTERM);
  EXPECT_TRUE(stream.wait_closed());
  EXPECT_TRUE(stream.connection().tls()->is_ended()) << stream.connection().tls()->error();
  EXPECT_EQ(stream.published_data(), data);
  EXPECT_EQ(wait_exit(soon()), 0);
}

TEST_P(Tls, is_spoken_by_load) {
  start_tls();
  const std::string publish_url = "http://" + authority() + "/events/{topic}";
  const ProgramResult result = run_program({"load", "--subscribe-url", url("/events/{topic}"), "--publish-url", publish_url,
                                            "--streams", "20", "--publish-rate", "50", "--duration", "500ms", "--quiet"},
                                           Deadline::in(Millis(60'000)));
  EXPECT_EQ(result.exit_code, 0) << result.stdout_text << result.stderr_text;
  EXPECT_NE(result.stdout_text.find("lost 0, doubled 0"), std::string::npos) << result.stdout_text;
}

TEST_P(Tls, is_spoken_by_publish_and_subscribe) {
  start_tls();
  const std::string ca = authority_of_tests().file();
  const auto publisher = ChildProcess::spawn(
      {"/bin/sh", "-c", "echo before | " + program_path() + " publish --quiet --cacert " + ca + ' ' + url("/events/t")});
  EXPECT_EQ(publisher->wait_exit(soon()), 0) << publisher->stderr_text();
  ProgramResult result = run_program({"subscribe", url("/events/t?last=1"), "--cacert", ca, "--limit", "1", "--quiet"}, soon());
  EXPECT_EQ(result.exit_code, 0) << result.stderr_text;
  EXPECT_NE(result.stdout_text.find("before"), std::string::npos);
  result = run_program({"subscribe", url("/events/t?last=1"), "--insecure", "--limit", "1", "--quiet"}, soon());
  EXPECT_EQ(result.exit_code, 0) << result.stderr_text;
  result = run_program({"subscribe", url("/events/t?last=1"), "--no-reconnect"}, soon());
  EXPECT_EQ(result.exit_code, 1) << "nobody it believes vouches for the server";
  EXPECT_EQ(result.stdout_text, "");
}

TEST_P(Tls, is_understood_by_curl) {
  constexpr const char* kCurl = "/usr/bin/curl";
  if (!std::filesystem::exists(kCurl)) GTEST_SKIP() << kCurl << " is not there";
  start_tls();
  const auto published = publish_numbered("t", 0, 3, 10'000);
  for (const char* version : {"--tlsv1.3", "--tls-max=1.2"}) {
    std::vector<std::string> command = {kCurl,         "--silent", "--show-error",
                                        "--no-buffer", "--cacert", authority_of_tests().file()};
    if (std::string(version) == "--tlsv1.3") {
      command.emplace_back("--tlsv1.3");
    } else {
      command.insert(command.end(), {"--tls-max", "1.2"});
    }
    command.push_back(url("/events/t?last=3&follow=0"));
    const auto curl = ChildProcess::spawn(command);
    std::string text;
    while (const auto line = curl->read_line(soon())) text += *line + "\n";
    EXPECT_EQ(curl->wait_exit(soon()), 0) << curl->stderr_text();
    for (const std::string& data : published) EXPECT_NE(text.find("data: " + data + "\n"), std::string::npos);
  }
}

TEST_P(Tls, is_understood_by_s_client) {
  constexpr const char* kOpenssl = "/usr/bin/openssl";
  if (!std::filesystem::exists(kOpenssl)) GTEST_SKIP() << kOpenssl << " is not there";
  start_tls();
  publish("t", "for s_client");
  const std::string request = "GET /events/t?last=1&follow=0 HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n";
  for (const char* version : {"-tls1_3", "-tls1_2"}) {
    const std::string command = "printf '" + request + "' | " + kOpenssl + " s_client -quiet -ign_eof -verify_return_error " +
                                version + " -CAfile " + authority_of_tests().file() +
                                " -connect 127.0.0.1:" + std::to_string(tls_port());
    const auto shell = ChildProcess::spawn({"/bin/sh", "-c", command});
    std::string text;
    while (const auto line = shell->read_line(soon())) text += *line + "\n";
    EXPECT_EQ(shell->wait_exit(soon()), 0) << shell->stderr_text();
    EXPECT_NE(text.find("data: for s_client\n"), std::string::npos) << text;
  }
}

TEST(TlsConfig, is_found_wrong_before_anything_is_served) {
  const CertificateFiles good = authority_of_tests().issue({"localhost"});
  const auto refusal = [](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"serve", "--listen", "127.0.0.1:0", "--check-config"});
    const ProgramResult result = run_program(flags, soon());
    EXPECT_EQ(result.exit_code, 1);
    return result.stderr_text;
  };
  EXPECT_NE(refusal({"--tls-cert", good.certificate}).find("needs its --tls-key"), std::string::npos);
  EXPECT_NE(refusal({"--tls-cert", good.certificate, "--tls-key", good.certificate}).find("key " + good.certificate),
            std::string::npos);
  EXPECT_NE(refusal({"--listen", "https://127.0.0.1:0"}).find("needs a certificate"), std::string::npos);
  EXPECT_NE(refusal({"--tls-client-ca", good.certificate}).find("--tls-client-ca needs"), std::string::npos);
}

}  // namespace
}  // namespace broadside::test
