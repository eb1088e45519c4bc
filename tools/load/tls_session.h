// The client's end of TLS for one stream of `broadside load`, between memory and memory. It believes every server: what is
// measured is its own. One thread.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

namespace broadside::tools::load {

class TlsSession {
 public:
  // `host` is named to the server; `request` is sent once hands are shaken.
  TlsSession(const std::string& host, std::string request);

  // Takes what has come; appends to `plain` what it says. False: it is not TLS, or the server has refused.
  [[nodiscard]] bool take(std::string_view bytes, std::string& plain);
  // What goes to the server now.
  [[nodiscard]] std::string take_output();

 private:
  struct Deleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, Deleter> ssl_;
  std::string request_;  // Empty: it is on its way.
};

}  // namespace broadside::tools::load
