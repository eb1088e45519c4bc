// Addresses, listeners and their errors.
#include "engine/io/socket.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include "tests/engine/io/io_fixture.h"

namespace broadside::io {
namespace {

TEST(ListenAddress, is_read_and_written) {
  const struct {
    const char* text;
    const char* canonical;
    const char* url;
    bool is_loopback;
  } cases[] = {
      {"127.0.0.1:8080", "127.0.0.1:8080", "http://127.0.0.1:8080", true},
      {"127.9.8.7:0", "127.9.8.7:0", "http://127.9.8.7:0", true},
      {"localhost:65535", "127.0.0.1:65535", "http://127.0.0.1:65535", true},
      {"0.0.0.0:80", "0.0.0.0:80", "http://0.0.0.0:80", false},
      {"192.0.2.1:80", "192.0.2.1:80", "http://192.0.2.1:80", false},
      {"[::1]:8080", "[::1]:8080", "http://[::1]:8080", true},
      {"[::]:8080", "[::]:8080", "http://[::]:8080", false},
      {"[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", "http://[::ffff:127.0.0.1]:1", true},
      {"unix:/run/broadside.sock", "unix:/run/broadside.sock", "unix:/run/broadside.sock", true},
  };
  for (const auto& one : cases) {
    const Result<ListenAddress> address = parse_listen_address(one.text);
    ASSERT_TRUE(address.has_value()) << one.text << ": " << address.error().message;
    EXPECT_EQ(address.value().text(), one.canonical);
    EXPECT_EQ(format_url(address.value()), one.url);
    EXPECT_EQ(is_loopback(address.value()), one.is_loopback) << one.text;
  }
}

TEST(ListenAddress, refuses_what_it_does_not_understand) {
  const std::string long_path = "unix:/" + std::string(107, 'p');
  const std::string nul_path("unix:/a\0b", 9);
  const std::string_view cases[] = {
      "",
      "8080",
      "127.0.0.1",
      "127.0.0.1:",
      "127.0.0.1:65536",
      "127.0.0.1:-1",
      ":8080",
      "[]:80",
      "127.0.0.1:80x",
      "127.0.0.1: 80",
      "example.com:80",
      "::1:8080",
      "[::1]",
      "[::1:80",
      "[127.0.0.1]:80",
      "[localhost]:80",
      "unix:",
      long_path,
      nul_path,
      "256.0.0.1:1",
      "127.0.0.1:+80",
      "127.0.0.1:0x50",
      "[:80",
      "]:80",
  };
  for (const std::string_view text : cases) {
    const Result<ListenAddress> address = parse_listen_address(text);
    ASSERT_FALSE(address.has_value()) << text;
    EXPECT_EQ(address.error().code, Error::Code::invalid_argument);
    EXPECT_EQ(address.error().message.find("listen " + std::string(text) + ": "), 0U) << address.error().message;
  }
  EXPECT_TRUE(parse_listen_address(std::string_view(long_path).substr(0, long_path.size() - 1)).has_value());
}

TEST(OpenListener, tells_the_port_the_kernel_chose) {
  const Result<int> fd = open_listener(parse_listen_address("127.0.0.1:0").value(), {});
  ASSERT_TRUE(fd.has_value());
  TestSocket owner(fd.value());
  const Result<ListenAddress> address = bound_address(owner.fd());
  ASSERT_TRUE(address.has_value());
  EXPECT_NE(address.value().port(), 0);
  EXPECT_FALSE(bound_address(-1).has_value());
}

TEST(OpenListener, refuses_an_address_in_use_and_says_what_to_do) {
  const Result<int> fd = open_listener(parse_listen_address("127.0.0.1:0").value(), {});
  TestSocket owner(fd.value());
  const ListenAddress address = bound_address(owner.fd()).value();
  const Result<int> second = open_listener(address, {});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Error::Code::address_in_use);
  EXPECT_EQ(second.error().message, "listen " + address.text() + ": address in use; stop the other server or pass --listen");
}

TEST(OpenListener, shares_a_port_among_shards_but_not_with_a_second_server) {
  ListenerOptions options;
  options.reuse_port = true;
  const ListenAddress any = parse_listen_address("127.0.0.1:0").value();
  ASSERT_TRUE(test_bind(any).has_value());
  TestSocket first(open_listener(any, options).value());
  const ListenAddress address = bound_address(first.fd()).value();
  const Result<int> shard = open_listener(address, options);
  ASSERT_TRUE(shard.has_value());
  TestSocket second(shard.value());
  const Result<Done> tested = test_bind(address);
  ASSERT_FALSE(tested.has_value());
  EXPECT_EQ(tested.error().code, Error::Code::address_in_use);
  first.shut();
  second.shut();
  EXPECT_TRUE(test_bind(address).has_value());
}

TEST(OpenListener, binds_again_where_connections_of_the_last_server_linger) {
  TestSocket listener(open_listener(parse_listen_address("127.0.0.1:0").value(), {}).value());
  const ListenAddress address = bound_address(listener.fd()).value();
  TestSocket client = connect_client(address);
  while (::fcntl(listener.fd(), F_SETFL, 0) != 0) {
  }
  TestSocket served(::accept(listener.fd(), nullptr, nullptr));
  served.shut();  // Ends first: TIME_WAIT stays on the server's port.
  EXPECT_EQ(client.end(), 0);
  client.shut();
  listener.shut();
  EXPECT_TRUE(test_bind(address).has_value());
  const Result<int> again = open_listener(address, {});
  ASSERT_TRUE(again.has_value()) << again.error().message;
  TestSocket owner(again.value());
}

TEST(OpenListener, gives_accepted_sockets_its_options) {
  ListenerOptions options;
  options.user_timeout = 35 * kSecond;
  options.receive_buffer_bytes = 8192;
  options.send_buffer_bytes = 65536;
  TestSocket listener(open_listener(parse_listen_address("127.0.0.1:0").value(), options).value());
  EXPECT_NE(::fcntl(listener.fd(), F_GETFL) & O_NONBLOCK, 0);
  TestSocket client = connect_client(bound_address(listener.fd()).value());
  ASSERT_EQ(::fcntl(listener.fd(), F_SETFL, 0), 0);
  TestSocket served(::accept(listener.fd(), nullptr, nullptr));
  const auto option = [&](int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    EXPECT_EQ(::getsockopt(served.fd(), level, name, &value, &length), 0);
    return value;
  };
  EXPECT_EQ(option(IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_NOTSENT_LOWAT), 16384);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 35000);
  EXPECT_EQ(option(SOL_SOCKET, SO_RCVBUF), 16384);  // The kernel doubles it for its own books.
  EXPECT_EQ(option(SOL_SOCKET, SO_SNDBUF), 131072);
}

TEST(OpenListener, keeps_ipv6_and_ipv4_apart) {
  const Result<int> v6 = open_listener(parse_listen_address("[::]:0").value(), {});
  if (!v6) GTEST_SKIP() << v6.error().message;
  TestSocket six(v6.value());
  ListenAddress address = parse_listen_address("0.0.0.0:0").value();
  address.set_port(bound_address(six.fd()).value().port());
  const Result<int> v4 = open_listener(address, {});
  ASSERT_TRUE(v4.has_value()) << v4.error().message;
  TestSocket four(v4.value());
}

TEST(OpenListener, replaces_a_stale_unix_socket_and_respects_a_living_one) {
  const std::string path = "/tmp/broadside-socket-test-" + std::to_string(::getpid());
  const ListenAddress address = parse_listen_address("unix:" + path).value();
  TestSocket first(open_listener(address, {}).value());
  const Result<int> second = open_listener(address, {});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Error::Code::address_in_use);
  EXPECT_EQ(test_bind(address).error().code, Error::Code::address_in_use);
  first.shut();
  EXPECT_TRUE(test_bind(address).has_value());
  const Result<int> third = open_listener(address, {});
  ASSERT_TRUE(third.has_value()) << third.error().message;
  TestSocket owner(third.value());
  EXPECT_EQ(bound_address(owner.fd()).value().text(), "unix:" + path);
  EXPECT_EQ(peer_address(connect_client(address).fd()), "unix:" + path);
  ::unlink(path.c_str());
}

TEST(OpenListener, leaves_a_file_that_is_no_socket_alone) {
  const std::string path = "/tmp/broadside-socket-test-file-" + std::to_string(::getpid());
  TestSocket file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_GE(file.fd(), 0);
  const Result<int> listener = open_listener(parse_listen_address("unix:" + path).value(), {});
  ASSERT_FALSE(listener.has_value());
  EXPECT_NE(listener.error().message.find("no socket"), std::string::npos);
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  ::unlink(path.c_str());
}

TEST(PeerAddress, is_empty_when_it_cannot_be_told) { EXPECT_EQ(peer_address(-1), ""); }

}  // namespace
}  // namespace broadside::io
