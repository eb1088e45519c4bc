// What the end-to-end tests of TLS share: a server with a plain address to publish at and one that speaks TLS, and clients that
// believe its certificate.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/backend_test.h"
#include "tests/support/certificate.h"
#include "tests/support/oracle.h"
#include "tests/support/tls_client.h"

namespace broadside::test {

// Not made anew for each test: keys take their time.
inline CertificateAuthority& authority_of_tests() {
  static CertificateAuthority made;
  return made;
}

class TlsFixture : public BackendTest {
 protected:
  // A plain address to publish at, and one that speaks TLS.
  void start_tls(std::vector<std::string> flags = {}, std::vector<std::string> listen = {"http://127.0.0.1:0", "127.0.0.1:0"}) {
    files_ = authority_of_tests().issue({"localhost"});
    for (const std::string& flag : {std::string("--tls-cert"), files_.certificate, std::string("--tls-key"), files_.key}) {
      flags.push_back(flag);
    }
    start(std::move(flags), std::move(listen));
  }
  [[nodiscard]] std::uint16_t tls_port() { return server().ports().at(1); }
  static TlsClientOptions believing(int version = 0) {
    TlsClientOptions options;
    options.ca_file = authority_of_tests().file();
    options.version = version;
    return options;
  }
  SseStream subscribe_tls(const std::string& target, const TlsClientOptions& options, int receive_buffer_bytes = 0) {
    SseStream stream = SseStream::open_tls(tls_port(), target, options, receive_buffer_bytes);
    EXPECT_EQ(stream.head().status, 200);
    EXPECT_TRUE(stream.wait_for("broadside.open"));
    return stream;
  }
  HttpConnection connect(const TlsClientOptions& options = believing()) { return HttpConnection::open_tls(tls_port(), options); }
  [[nodiscard]] std::string url(const std::string& path) { return "https://127.0.0.1:" + std::to_string(tls_port()) + path; }
  // `count` events, numbered from `first`, of `bytes` bytes or more; what subscribers must see.
  std::vector<std::string> publish_numbered(const std::string& topic, int first, int count, std::size_t bytes) {
    std::vector<std::string> data;
    std::string lines;
    for (int number = first; number < first + count; ++number) {
      data.push_back(make_payload(std::to_string(number) + ' ' + std::string(bytes, 'x')));
      lines += "{\"data\":\"" + data.back() + "\"}\n";
    }
    const HttpResponse response = post("/events/" + topic, lines, {{"Content-Type", "application/x-ndjson"}});
    EXPECT_EQ(response.status(), 200) << response.body;
    return data;
  }
  bool wait_log(std::string_view text) {
    const Deadline deadline = soon();
    while (server().process().stderr_text().find(text) == std::string::npos) {
      if (deadline.remaining_ms() <= 0) return false;
      EXPECT_EQ(get("/healthz").status(), 200);
    }
    return true;
  }

  CertificateFiles files_;
};
}  // namespace broadside::test
