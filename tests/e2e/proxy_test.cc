// Behind trusted proxies: whom a PROXY header or X-Forwarded-For names is who counts, is logged and listed, and is never this
// machine. From anybody else neither counts.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/e2e/tls_fixture.h"

namespace broadside::test {
namespace {

using Strings = std::vector<std::string>;

const std::string kProxy = "127.0.0.2";
const std::string kStranger = "127.0.0.9";
const std::string kClient = "PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\r\n";

// Version 2: a command and its addresses.
std::string binary_header(char command, const std::string& family_and_length, const std::string& addresses) {
  return std::string("\r\n\r\n\0\r\nQUIT\n", 12) + command + family_and_length + addresses;
}
const std::string kBinaryClient =
    binary_header('\x21', std::string("\x11\x00\x0c", 3), std::string("\xc0\x00\x02\x08\xc0\x00\x02\x01\xdc\x04\x01\xbb", 12));
const std::string kBinaryLocal = binary_header('\x20', std::string("\x00\x00\x00", 3), "");

class Proxy : public TlsFixture {
 protected:
  void start_behind(Strings flags = {}) {
    flags.insert(flags.end(), {"--trusted-proxy", kProxy, "--access-log"});
    start(std::move(flags));
  }
  [[nodiscard]] HttpConnection connect(const std::string& header, const std::string& source = kProxy) const {
    HttpConnection connection = HttpConnection::open(port(), 0, source);
    EXPECT_TRUE(connection.send(header));
    return connection;
  }
  HttpResponse ask(HttpConnection connection, std::string_view method, std::string_view target,
                   const Headers& headers = {}) const {
    EXPECT_TRUE(connection.send(request_text(method, target, authority(), headers, method == "POST" ? "x" : "")));
    return connection.read_response();
  }
  [[nodiscard]] SseStream stream_on(HttpConnection connection, const Headers& headers = {}) const {
    Headers all = headers;
    all.emplace_back("Accept", "text/event-stream");
    EXPECT_TRUE(connection.send(request_text("GET", "/events/a", authority(), all, "")));
    return SseStream::from(std::move(connection));
  }
  [[nodiscard]] static bool is_open(SseStream& stream) { return stream.wait_for("broadside.open"); }
  [[nodiscard]] std::string listed() const { return ask(connect(""), "GET", "/connections").body; }
};
BROADSIDE_ON_BOTH_BACKENDS(Proxy);

TEST_P(Proxy, whom_a_header_names_is_listed_and_logged) {
  start_behind();
  SseStream text = stream_on(connect(kClient));
  SseStream binary = stream_on(connect(kBinaryClient));
  SseStream v6 = stream_on(connect("PROXY TCP6 2001:db8::7 2001:db8::1 5 443\r\n"));
  ASSERT_TRUE(is_open(text) && is_open(binary) && is_open(v6));
  EXPECT_TRUE(wait_log("192.0.2.7:56324 GET /events/a"));
  const std::string connections = listed();
  for (const char* peer : {"\"192.0.2.7:56324\"", "\"192.0.2.8:56324\"", "\"[2001:db8::7]:5\""}) {
    EXPECT_NE(connections.find(peer), std::string::npos) << connections;
  }
}

TEST_P(Proxy, what_comes_by_one_is_never_of_this_machine) {
  start_behind();
  EXPECT_EQ(ask(connect(""), "POST", "/events/a").status(), 200) << "the proxy's own programs are";
  EXPECT_EQ(ask(connect(""), "GET", "/metrics").status(), 200);
  const Strings headers = {kClient,
                           kBinaryClient,
                           kBinaryLocal,
                           "PROXY UNKNOWN\r\n",
                           "PROXY TCP4 127.0.0.1 127.0.0.1 5 6\r\n",
                           "PROXY TCP4 127.0.0.2 127.0.0.1 5 6\r\n"};
  for (const std::string& header : headers) {
    EXPECT_EQ(ask(connect(header), "GET", "/healthz").status(), 200) << header;
    for (const char* target : {"/metrics", "/topics", "/connections"})
      EXPECT_EQ(ask(connect(header), "GET", target).status(), 403);
    EXPECT_EQ(ask(connect(header), "POST", "/events/a").status(), 403) << header;
    EXPECT_EQ(ask(connect(header), "DELETE", "/events/a").status(), 403) << header;
  }
  EXPECT_TRUE(wait_log(R"("peer":"192.0.2.7:56324")")) << "the audit log";
  EXPECT_EQ(ask(connect(""), "POST", "/events/a", {{"X-Forwarded-For", "127.0.0.1"}}).status(), 403);
}

TEST_P(Proxy, a_header_may_come_in_pieces_and_with_the_request) {
  start_behind();
  HttpConnection slow = connect("");
  ASSERT_TRUE(slow.send_byte_by_byte(kBinaryClient));
  EXPECT_EQ(ask(std::move(slow), "GET", "/healthz").status(), 200);
  EXPECT_TRUE(wait_log("192.0.2.8:56324 GET /healthz"));
  HttpConnection at_once = connect(kClient + request_text("GET", "/readyz", authority(), {}, ""));
  EXPECT_EQ(at_once.read_response().status(), 200);
  EXPECT_TRUE(wait_log("192.0.2.7:56324 GET /readyz"));
}

TEST_P(Proxy, from_others_a_header_is_a_malformed_request) {
  start_behind();
  for (const std::string& header : {kClient, kBinaryClient, kBinaryLocal}) {
    HttpConnection connection = connect(header, kStranger);
    ASSERT_TRUE(connection.send(request_text("GET", "/healthz", authority(), {}, "")));
    expect_problem(connection.read_response(), 400, header == kClient ? "--trusted-proxy" : "");
    EXPECT_TRUE(connection.wait_closed());
  }
}

TEST_P(Proxy, a_header_that_is_broken_is_refused) {
  start_behind();
  HttpConnection connection = connect("PROXY TCP4 192.0.2.7 192.0.2.1 56324\r\n");
  expect_problem(connection.read_response(), 400);
  EXPECT_TRUE(connection.wait_closed());
  HttpConnection second = connect(kClient);
  EXPECT_TRUE(second.send(kClient));
  EXPECT_EQ(second.read_response().status(), 400) << "there is one header, and its client is no proxy";
}

TEST_P(Proxy, limits_count_for_whom_it_speaks) {
  start_behind({"--address-connections", "1", "--address-connect-rate", "0.1"});
  for (int i = 0; i < 12; ++i) EXPECT_EQ(ask(connect(""), "GET", "/healthz").status(), 200) << "the proxy's own are not counted";
  SseStream first = stream_on(connect(kClient));
  ASSERT_TRUE(is_open(first));
  SseStream refused = stream_on(connect(kClient));
  EXPECT_TRUE(refused.wait_closed());
  EXPECT_EQ(refused.body().rfind("retry: ", 0), 0U);
  EXPECT_EQ(ask(connect(kClient), "GET", "/healthz").status(), 429);
  SseStream other = stream_on(connect(kBinaryClient));
  EXPECT_TRUE(is_open(other));
}

TEST_P(Proxy, limits_count_for_whom_it_forwards_a_stream) {
  start_behind({"--address-connections", "1"});
  SseStream first = stream_on(connect(""), {{"X-Forwarded-For", "192.0.2.7"}});
  ASSERT_TRUE(is_open(first));
  EXPECT_TRUE(wait_log("192.0.2.7 GET /events/a"));
  EXPECT_NE(listed().find("\"192.0.2.7\""), std::string::npos);
  // Also if it says that it comes by others, whom nobody trusts.
  SseStream refused = stream_on(connect(""), {{"X-Forwarded-For", "198.51.100.1, 192.0.2.7"}});
  EXPECT_TRUE(refused.wait_closed());
  EXPECT_EQ(refused.body().rfind("retry: ", 0), 0U);
  SseStream other = stream_on(connect(""), {{"X-Forwarded-For", "192.0.2.7, 192.0.2.8"}});
  EXPECT_TRUE(is_open(other));
  SseStream by_two = stream_on(connect(""), {{"X-Forwarded-For", "192.0.2.9, " + kProxy}});
  EXPECT_TRUE(is_open(by_two));
  EXPECT_NE(listed().find("\"192.0.2.9\""), std::string::npos);
  first.connection().close();
  const Deadline deadline = soon();
  bool is_in = false;
  while (!is_in && !deadline.has_passed()) {
    SseStream again = stream_on(connect(""), {{"X-Forwarded-For", "192.0.2.7"}});
    is_in = is_open(again);
  }
  EXPECT_TRUE(is_in);
}

TEST_P(Proxy, each_request_of_one_connection_has_its_own_client) {
  start_behind({"--publish-rate", "0.01", "--anonymous-publish", "*"});
  HttpConnection connection = connect("");
  const auto status = [&](const Headers& headers) {
    EXPECT_TRUE(connection.send(request_text("POST", "/events/a", authority(), headers, "x")));
    return connection.read_response().status();
  };
  EXPECT_EQ(status({{"X-Forwarded-For", "192.0.2.7"}}), 200);
  EXPECT_EQ(status({{"X-Forwarded-For", "192.0.2.8"}}), 200);
  EXPECT_EQ(status({{"X-Forwarded-For", "192.0.2.7"}}), 429);
  EXPECT_EQ(status({}), 200) << "the proxy itself";
  EXPECT_EQ(status({{"X-Forwarded-For", "192.0.2.8"}}), 429);
}

TEST_P(Proxy, what_others_say_of_forwarding_does_not_count) {
  start_behind({"--address-connections", "1"});
  SseStream first = stream_on(connect("", kStranger), {{"X-Forwarded-For", "192.0.2.7"}});
  ASSERT_TRUE(is_open(first));
  EXPECT_EQ(listed().find("192.0.2.7"), std::string::npos);
  SseStream second = stream_on(connect("", kStranger), {{"X-Forwarded-For", "192.0.2.8"}});
  EXPECT_TRUE(second.wait_closed());
  EXPECT_TRUE(second.events().empty());
  // Nor what a client says behind the header of its proxy.
  SseStream third = stream_on(connect(kClient), {{"X-Forwarded-For", "192.0.2.9"}});
  ASSERT_TRUE(is_open(third));
  EXPECT_NE(listed().find("192.0.2.7:56324"), std::string::npos);
}

TEST_P(Proxy, may_be_on_a_unix_socket) {
  const std::string path = (std::filesystem::temp_directory_path() / ("broadside_proxy_" + GetParam() + ".sock")).string();
  start({"--trusted-proxy", "unix", "--address-connections", "1"}, {"127.0.0.1:0", "unix:" + path});
  const auto connect_unix = [&](const std::string& header) {
    HttpConnection connection = HttpConnection::open_unix(path);
    EXPECT_TRUE(connection.send(header));
    return connection;
  };
  EXPECT_EQ(ask(HttpConnection::open_unix(path), "POST", "/events/a").status(), 200);
  EXPECT_EQ(ask(connect_unix(kBinaryClient), "POST", "/events/a").status(), 403);
  SseStream first = stream_on(connect_unix(kClient));
  ASSERT_TRUE(is_open(first));
  SseStream second = stream_on(connect_unix(kClient));
  EXPECT_TRUE(second.wait_closed());
  EXPECT_EQ(connect(kClient, kStranger).read_response().status(), 400) << "is trusted by path alone";
}

TEST_P(Proxy, speaks_before_the_handshake) {
  start_tls({"--trusted-proxy", kProxy, "--address-connections", "1", "--access-log"});
  const auto connect_sealed = [&](const std::string& header) {
    HttpConnection connection = HttpConnection::open(tls_port(), 0, kProxy);
    EXPECT_TRUE(connection.send(header));
    connection.start_tls(believing());
    return connection;
  };
  HttpConnection own = connect_sealed("");
  ASSERT_TRUE(own.tls()->is_established());
  SseStream stream = stream_on(connect_sealed(kClient));
  ASSERT_TRUE(is_open(stream));
  EXPECT_TRUE(wait_log("192.0.2.7:56324 GET /events/a"));
  EXPECT_EQ(ask(connect_sealed(kBinaryClient), "POST", "/events/a").status(), 403);
  // Beyond the limit there is no handshake.
  const HttpConnection beyond = connect_sealed(kClient);
  EXPECT_FALSE(beyond.tls()->is_established());
  // A header for the one who is not trusted is no handshake either.
  HttpConnection stranger = HttpConnection::open(tls_port(), 0, kStranger);
  ASSERT_TRUE(stranger.send(kClient));
  EXPECT_TRUE(stranger.wait_closed());
}

TEST_P(Proxy, is_not_needed_for_a_limit_to_spare_handshakes) {
  start_tls({"--address-connections", "1"});
  HttpConnection first = HttpConnection::open(tls_port(), 0, kStranger);
  first.start_tls(believing());
  ASSERT_TRUE(first.tls()->is_established());
  HttpConnection second = HttpConnection::open(tls_port(), 0, kStranger);
  EXPECT_TRUE(!second.is_open() || second.wait_closed()) << "reset, perhaps before connect() has returned";
}

}  // namespace
}  // namespace broadside::test
