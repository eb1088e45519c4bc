// TLS between memory and memory: a real client of OpenSSL against the server's transport and the sealer that follows it.
#include "hub/tls/tls_server.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "hub/tls/record_sealer.h"
#include "tests/support/certificate.h"
#include "tests/support/tls_client.h"

namespace broadside::hub {
namespace {

using test::CertificateAuthority;
using test::CertificateFiles;
using test::KeyKind;
using test::TlsClient;
using test::TlsClientOptions;

// Not made anew for each test: keys take their time.
CertificateAuthority& authority() {
  static CertificateAuthority made;
  return made;
}

TlsOptions options_of(const std::vector<CertificateFiles>& pairs) {
  TlsOptions options;
  for (const CertificateFiles& pair : pairs) {
    options.certificates.push_back(pair.certificate);
    options.keys.push_back(pair.key);
  }
  return options;
}

class LogLines final : public LogSink {
 public:
  void log(LogLevel /*level*/, std::string_view message) noexcept override { lines.emplace_back(message); }
  std::vector<std::string> lines;
};

// The server's end of a connection, and what has passed.
struct Server {
  std::unique_ptr<Transport> transport;
  Transport::Outcome outcome = Transport::Outcome::open;
  std::string plain;  // What the client has said.

  // What it answers to these bytes.
  std::string take(const std::string& bytes) {
    std::string out;
    if (!bytes.empty()) outcome = transport->on_received(bytes, plain, out);
    return out;
  }
};

class TlsServerTest : public ::testing::Test {
 protected:
  void load(const TlsOptions& options) {
    Result<std::unique_ptr<TlsServer>> loaded = TlsServer::load(options, log_);
    ASSERT_TRUE(loaded) << loaded.error().message;
    factory_ = std::move(*loaded);
  }
  void load() { load(options_of({authority().issue({"localhost"})})); }

  Server accept() { return {.transport = factory_->make_transport(), .outcome = {}, .plain = {}}; }

  // Everything that both have to say to each other; what the server said.
  static std::string exchange(TlsClient& client, Server& server) {
    std::string said;
    for (;;) {
      const std::string to_server = client.take_output();
      const std::string to_client = server.take(to_server);
      client.feed(to_client, said);
      if (to_server.empty() && to_client.empty()) return said;
    }
  }

  // A record of the sealer.
  static std::string sealed(StreamSealer& sealer, std::string_view plain) {
    std::string record(sealer.header_bytes() + plain.size() + sealer.trailer_bytes(), '\0');
    record.replace(sealer.header_bytes(), plain.size(), plain);
    sealer.seal(record.data(), plain.size());
    return record;
  }

  // A request, its answer, then a stream.
  void expect_stream(const TlsClientOptions& options) {
    Server server = accept();
    TlsClient client(options);
    exchange(client, server);
    ASSERT_TRUE(client.is_established()) << client.error();
    ASSERT_TRUE(server.transport->is_established());
    EXPECT_EQ(SSL_session_reused(client.ssl()) == 1, options.session != nullptr);
    client.write("GET / HTTP/1.1\r\n\r\n");
    exchange(client, server);
    EXPECT_EQ(server.plain, "GET / HTTP/1.1\r\n\r\n");
    std::string out;
    ASSERT_TRUE(server.transport->seal("HTTP/1.1 200 OK\r\n\r\n", out));
    const std::unique_ptr<StreamSealer> sealer = server.transport->begin_stream();
    server.transport.reset();
    ASSERT_NE(sealer, nullptr);
    out += sealed(*sealer, "data: 1\n\n");
    static_cast<void>(sealed(*sealer, "data: never sent\n\n"));
    sealer->take_back(1);
    out += sealed(*sealer, "data: 2\n\n");
    std::string said;
    client.feed(out, said);
    EXPECT_EQ(said, "HTTP/1.1 200 OK\r\n\r\ndata: 1\n\ndata: 2\n\n") << client.error();
    EXPECT_FALSE(client.is_ended());
    out.clear();
    sealer->seal_end(out);
    client.feed(out, said);
    EXPECT_TRUE(client.is_ended()) << client.error();
  }

  LogLines log_;
  std::unique_ptr<TlsServer> factory_;
};

struct Suite {
  int version;
  const char* cipher;
  KeyKind kind;
};

class TlsSuite : public TlsServerTest, public ::testing::WithParamInterface<Suite> {};

INSTANTIATE_TEST_SUITE_P(, TlsSuite,
                         ::testing::Values(Suite{TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", KeyKind::p256},
                                           Suite{TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", KeyKind::rsa2048},
                                           Suite{TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", KeyKind::ed25519},
                                           Suite{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", KeyKind::p256},
                                           Suite{TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", KeyKind::rsa2048},
                                           Suite{TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", KeyKind::p256}));

TEST_P(TlsSuite, carries_a_request_and_then_a_stream) {
  load(options_of({authority().issue({"localhost"}, GetParam().kind)}));
  TlsClientOptions options;
  options.ca_file = authority().file();
  options.version = GetParam().version;
  options.cipher = GetParam().cipher;
  expect_stream(options);
}

TEST_P(TlsSuite, carries_a_stream_on_a_resumed_session) {
  load(options_of({authority().issue({"localhost"}, GetParam().kind)}));
  TlsClientOptions options;
  options.ca_file = authority().file();
  options.version = GetParam().version;
  options.cipher = GetParam().cipher;
  TlsClient first(options);
  Server server = accept();
  exchange(first, server);
  ASSERT_NE(first.session(), nullptr);
  options.session = first.session();
  expect_stream(options);
}

// The client's last words of the handshake and its request often come together.
TEST_F(TlsServerTest, takes_a_request_that_comes_with_the_end_of_the_handshake) {
  load();
  Server server = accept();
  TlsClient client({});
  std::string said;
  client.feed(server.take(client.take_output()), said);
  ASSERT_TRUE(client.is_established());
  client.write("GET / HTTP/1.1\r\n\r\n");
  const std::string out = server.take(client.take_output());
  EXPECT_EQ(server.plain, "GET / HTTP/1.1\r\n\r\n");
  const std::unique_ptr<StreamSealer> sealer = server.transport->begin_stream();
  ASSERT_NE(sealer, nullptr);
  client.feed(out + sealed(*sealer, "data: 1\n\n"), said);
  EXPECT_EQ(said, "data: 1\n\n") << client.error();
}

TEST_F(TlsServerTest, understands_a_client_byte_by_byte) {
  load();
  Server server = accept();
  TlsClient client({});
  std::string said;
  for (int round = 0; round < 2; ++round) {
    std::string answer;
    for (const char byte : client.take_output()) answer += server.take(std::string(1, byte));
    client.feed(answer, said);
    if (round == 0) client.write("POST");
  }
  EXPECT_EQ(server.plain, "POST");
}

TEST_F(TlsServerTest, speaks_neither_older_versions_nor_weaker_ciphers) {
  load(options_of({authority().issue({"localhost"}, KeyKind::rsa2048)}));
  for (const char* cipher :
       {"ECDHE-RSA-AES128-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA"}) {
    TlsClientOptions options;
    options.version = TLS1_2_VERSION;
    options.cipher = cipher;
    Server server = accept();
    TlsClient client(options);
    exchange(client, server);
    EXPECT_FALSE(client.is_established()) << cipher;
    EXPECT_EQ(server.outcome, Transport::Outcome::failed) << cipher;
  }
  TlsClientOptions options;
  options.version = TLS1_1_VERSION;
  options.cipher = "ALL:@SECLEVEL=0";
  Server server = accept();
  TlsClient client(options);
  exchange(client, server);
  EXPECT_FALSE(client.is_established());
}

TEST_F(TlsServerTest, chooses_its_cipher_itself_but_for_clients_without_aes) {
  load();
  for (const auto& [offered, chosen] :
       {std::pair("TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
        std::pair("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256")}) {
    TlsClientOptions options;
    options.version = TLS1_3_VERSION;
    options.cipher = offered;
    Server server = accept();
    TlsClient client(options);
    exchange(client, server);
    EXPECT_STREQ(SSL_get_cipher_name(client.ssl()), chosen);
  }
}

TEST_F(TlsServerTest, speaks_http_1_1_alone_and_says_so_to_whoever_wants_something_else) {
  load();
  for (const auto& [offered, is_good] : {std::pair("h2,http/1.1", true), std::pair("", true), std::pair("h2", false)}) {
    TlsClientOptions options;
    options.protocols = offered;
    Server server = accept();
    TlsClient client(options);
    exchange(client, server);
    EXPECT_EQ(client.is_established(), is_good) << offered;
    if (!is_good) {
      EXPECT_NE(client.error().find("no application protocol"), std::string::npos) << client.error();
    }
    const unsigned char* chosen = nullptr;
    unsigned chosen_bytes = 0;
    SSL_get0_alpn_selected(client.ssl(), &chosen, &chosen_bytes);
    EXPECT_EQ(std::string(chosen, chosen + chosen_bytes), is_good && *offered != '\0' ? "http/1.1" : "");
  }
}

TEST_F(TlsServerTest, shows_the_certificate_that_the_client_asks_for_by_name) {
  load(options_of({authority().issue({"first.example", "www.first.example"}),
                   authority().issue({"*.second.example"}, KeyKind::rsa2048), authority().issue({"third.example"})}));
  const std::pair<const char*, const char*> rows[] = {
      {"first.example", "first.example"},      {"www.first.example", "first.example"}, {"a.second.example", "*.second.example"},
      {"third.example", "third.example"},      {"THIRD.example", "third.example"},     {"second.example", "first.example"},
      {"a.b.second.example", "first.example"}, {"unknown.example", "first.example"},   {"", "first.example"}};
  for (const auto& [name, shown] : rows) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      TlsClientOptions options;
      options.server_name = name;
      options.version = version;
      Server server = accept();
      TlsClient client(options);
      exchange(client, server);
      EXPECT_EQ(client.server_common_name(), shown) << name;
    }
  }
  TlsClientOptions options;
  options.ca_file = authority().file();
  options.server_name = "third.example";
  expect_stream(options);
}

TEST_F(TlsServerTest, answers_plain_http_in_plain_text) {
  load();
  Server server = accept();
  const std::string answer = server.take("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(server.outcome, Transport::Outcome::failed);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
  EXPECT_NE(answer.find("https://"), std::string::npos);
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
}

TEST_F(TlsServerTest, answers_what_is_no_tls_with_an_alert_or_nothing) {
  load();
  for (const std::string& bytes :
       {std::string(100, '\0'), std::string("\x16\x03\x01\x00\x05hello", 10), std::string(64, '\xff'),
        std::string("{\"data\":1}\n"), std::string("\x80\x2e\x01\x00\x02", 5) + std::string(60, 'x')}) {
    Server server = accept();
    const std::string answer = server.take(bytes);
    EXPECT_EQ(server.outcome, Transport::Outcome::failed);
    EXPECT_TRUE(answer.empty() || answer.front() == 21) << "not an alert: " << answer;
    EXPECT_EQ(server.plain, "");
  }
}

TEST_F(TlsServerTest, says_and_hears_when_a_peer_has_nothing_more_to_say) {
  load();
  Server server = accept();
  TlsClient client({});
  exchange(client, server);
  std::string out;
  server.transport->seal_end(out);
  std::string said;
  client.feed(out, said);
  EXPECT_TRUE(client.is_ended());
  SSL_shutdown(client.ssl());
  server.take(client.take_output());
  EXPECT_EQ(server.outcome, Transport::Outcome::ended);
}

TEST_F(TlsServerTest, begins_no_stream_for_a_client_that_has_changed_its_key) {
  load();
  Server server = accept();
  TlsClient client({});
  exchange(client, server);
  ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  client.write("GET / HTTP/1.1\r\n\r\n");
  exchange(client, server);
  EXPECT_EQ(server.plain, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(server.transport->begin_stream(), nullptr);
}

TEST_F(TlsServerTest, refuses_renegotiation) {
  load();
  TlsClientOptions options;
  options.version = TLS1_2_VERSION;
  Server server = accept();
  TlsClient client(options);
  exchange(client, server);
  SSL_renegotiate(client.ssl());
  SSL_do_handshake(client.ssl());
  exchange(client, server);
  EXPECT_NE(client.error(), "");
}

TEST_F(TlsServerTest, asks_clients_for_a_certificate_of_the_given_authority) {
  CertificateAuthority others("others");
  const CertificateFiles good = authority().issue({"client"});
  const CertificateFiles foreign = others.issue({"client"});
  TlsOptions options = options_of({authority().issue({"localhost"}), authority().issue({"second.example"})});
  options.client_ca = authority().file();
  for (const ClientCertificates wanted : {ClientCertificates::required, ClientCertificates::optional}) {
    options.client_certificates = wanted;
    load(options);
    const auto is_taken = [&](const CertificateFiles& shown, const char* name) {
      TlsClientOptions client_options;
      client_options.certificate_file = shown.certificate;
      client_options.key_file = shown.key;
      client_options.server_name = name;
      Server server = accept();
      TlsClient client(client_options);
      exchange(client, server);
      return server.transport->is_established() && server.outcome == Transport::Outcome::open && client.error().empty();
    };
    for (const char* name : {"localhost", "second.example"}) {
      EXPECT_TRUE(is_taken(good, name));
      EXPECT_FALSE(is_taken(foreign, name));
      EXPECT_EQ(is_taken({}, name), wanted == ClientCertificates::optional);
    }
  }
}

TEST_F(TlsServerTest, names_the_file_that_is_wrong) {
  const CertificateFiles one = authority().issue({"localhost"});
  const CertificateFiles other = authority().issue({"localhost"});
  const std::string missing = (authority().folder() / "missing").string();
  const auto problem_with = [&](const std::string& certificate, const std::string& key, const std::string& ca = "") {
    TlsOptions options = options_of({{.certificate = certificate, .key = key}});
    options.client_ca = ca;
    const Result<std::unique_ptr<TlsServer>> loaded = TlsServer::load(options, log_);
    return loaded ? "" : loaded.error().message;
  };
  EXPECT_EQ(problem_with(one.certificate, one.key, authority().file()), "");
  EXPECT_EQ(problem_with(missing, one.key), "certificate " + missing + ": No such file or directory");
  EXPECT_EQ(problem_with(one.certificate, missing), "key " + missing + ": No such file or directory");
  EXPECT_NE(problem_with(one.certificate, other.key).find("mismatch"), std::string::npos);
  EXPECT_EQ(problem_with(one.certificate, one.certificate).rfind("key " + one.certificate, 0), 0);
  EXPECT_EQ(problem_with(one.certificate, one.key, missing), "client CA " + missing + ": No such file or directory");
  EXPECT_NE(TlsServer::problem({.certificates = {"a", "b"}, .keys = {"c"}, .client_ca = {}}), "");
  EXPECT_NE(TlsServer::problem({.certificates = {}, .keys = {}, .client_ca = "ca"}), "");
  EXPECT_EQ(TlsServer::problem({}), "");
}

TEST_F(TlsServerTest, shows_a_new_certificate_once_its_files_have_changed) {
  const CertificateFiles used = authority().issue({"old.example"});
  load(options_of({used}));
  const auto shown = [this] {
    Server server = accept();
    TlsClient client({});
    exchange(client, server);
    return client.server_common_name();
  };
  Server before = accept();
  factory_->reload_if_changed();
  EXPECT_TRUE(log_.lines.empty());
  const CertificateFiles fresh = authority().issue({"new.example"});
  // Half of it: it does not fit the old key.
  std::filesystem::rename(fresh.certificate, used.certificate);
  factory_->reload_if_changed();
  EXPECT_EQ(shown(), "old.example");
  factory_->reload_if_changed();
  ASSERT_EQ(log_.lines.size(), 1U) << "once a change";
  EXPECT_NE(log_.lines[0].find("mismatch"), std::string::npos) << log_.lines[0];
  std::filesystem::rename(fresh.key, used.key);
  factory_->reload_if_changed();
  EXPECT_EQ(shown(), "new.example");
  EXPECT_EQ(log_.lines.size(), 2U);
  // What had begun before goes on.
  TlsClient client({});
  exchange(client, before);
  EXPECT_EQ(client.server_common_name(), "old.example");
}

TEST_F(TlsServerTest, stays_with_what_it_has_when_a_reload_names_bad_files) {
  load(options_of({authority().issue({"old.example"})}));
  EXPECT_FALSE(factory_->reload(options_of({{.certificate = "/dev/null", .key = "/dev/null"}})));
  Server server = accept();
  TlsClient client({});
  exchange(client, server);
  EXPECT_EQ(client.server_common_name(), "old.example");
}

}  // namespace
}  // namespace broadside::hub
