// Streams that the kernel seals. Skipped where it has no TLS; tests/vm/ktls runs them in a virtual machine with a kernel that
// has.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "tests/e2e/tls_fixture.h"

namespace broadside::test {
namespace {

// Why there is none; empty if there is.
std::string missing_reason() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool is_there = ::setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4) == 0 || errno == ENOTCONN;
  const int error = errno;
  ::close(fd);
  return is_there ? "" : std::string("TCP_ULP \"tls\": ") + std::strerror(error) + " (CONFIG_TLS, module tls)";
}

// Sockets that the kernel seals in user memory or by a device.
long sealed_now() {
  std::ifstream file("/proc/net/tls_stat");
  long sum = 0;
  std::string name;
  for (long value = 0; file >> name >> value;) {
    if (name == "TlsCurrTxSw" || name == "TlsCurrTxDevice") sum += value;
  }
  return sum;
}

class KernelTls : public TlsFixture {
 protected:
  void SetUp() override {
    const std::string reason = missing_reason();
    if (!reason.empty()) GTEST_SKIP() << "this kernel seals nothing: " << reason;
    TlsFixture::SetUp();
  }
};
BROADSIDE_ON_BOTH_BACKENDS(KernelTls);

TEST_P(KernelTls, seals_streams_of_every_cipher) {
  start_tls({"--send-buffer", "16KiB", "--history-bytes", "64MiB", "--body-bytes", "16MiB"});
  for (const auto& [version, cipher] :
       {std::pair(TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"), std::pair(TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"),
        std::pair(TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"), std::pair(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"),
        std::pair(TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"), std::pair(TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305")}) {
    TlsClientOptions options = believing(version);
    options.cipher = cipher;
    const long before = sealed_now();
    SseStream stream = subscribe_tls(std::string("/events/t?limit=60"), options, 4096);
    EXPECT_EQ(sealed_now(), before + 1) << cipher;
    std::vector<std::string> data = publish_numbered("t", 0, 20, 10);
    for (std::string& each : publish_numbered("t", 20, 40, 20'000)) data.push_back(std::move(each));
    EXPECT_TRUE(stream.wait_closed()) << cipher << ": " << stream.connection().tls()->error();
    EXPECT_TRUE(stream.connection().tls()->is_ended()) << cipher << ": " << stream.connection().tls()->error();
    EXPECT_EQ(stream.published_data(), data) << cipher;
  }
}

TEST_P(KernelTls, leaves_streams_alone_when_told_to) {
  start_tls({"--tls-user-space"});
  const long before = sealed_now();
  SseStream stream = subscribe_tls("/events/t", believing());
  EXPECT_EQ(sealed_now(), before);
  publish("t", "hello");
  EXPECT_TRUE(stream.wait_published(1));
}

TEST_P(KernelTls, seals_sockets_that_only_the_ring_holds) {
  if (GetParam() != "uring") GTEST_SKIP() << "epoll has no tables";
  start_tls({"--max-connections", "50000"});
  const long before = sealed_now();
  SseStream stream = subscribe_tls("/events/t", believing());
  EXPECT_EQ(sealed_now(), before + 1);
  const std::vector<std::string> data = publish_numbered("t", 0, 20, 1'000);
  EXPECT_TRUE(stream.wait_published(20));
  fetch(port(), "DELETE", "/events/t");
  EXPECT_TRUE(stream.wait_closed());
  EXPECT_TRUE(stream.connection().tls()->is_ended()) << stream.connection().tls()->error();
  EXPECT_EQ(stream.published_data(), data);
}

}  // namespace
}  // namespace broadside::test
