// See tls_options.h.
#include "tools/tls_options.h"

#include <algorithm>

#include "engine/io/socket.h"
#include "hub/tls/tls_server.h"

namespace broadside::tools {
namespace {

constexpr const char* kGroup = "TLS";

void add_file_list(OptionTable& table, const char* key, Values& files, const std::string& help) {
  Option& option = table.list(key, files, "FILE", help, [](const std::string& text) {
    return text.empty() ? std::string("no file has an empty name") : std::string();
  });
  option.delimiter = ',';
}

}  // namespace

void add_tls_options(OptionTable& table, ServeOptions& options) {
  table.group(kGroup);
  add_file_list(table, "tls_cert", options.tls.certificates,
                "PEM: a certificate and those that vouch for it. With one, addresses of --listen that do not begin with http:// "
                "speak TLS alone. Repeatable: clients get the one they ask for by name, or the first. Read again by SIGHUP and "
                "when the file changes");
  add_file_list(table, "tls_key", options.tls.keys, "PEM: the key of each --tls-cert, in the same order");
  table.text("tls_client_ca", options.tls.client_ca, "FILE", "PEM: who may vouch for clients, which then show a certificate too");
  table.choice<hub::ClientCertificates>(
      "tls_client_cert", options.tls.client_certificates, "With --tls-client-ca: what becomes of clients that show none",
      {{"required", hub::ClientCertificates::required}, {"optional", hub::ClientCertificates::optional}});
  table.flag("tls_user_space", options.tls.is_in_user_space, "Seal streams in this process also where the kernel could (kTLS)");
  table
      .duration("tls_hsts", options.hsts_ms,
                "For so long browsers that were here by https use nothing else for this host (Strict-Transport-Security)",
                "nothing is said")
      .needs_restart = true;
}

std::string tls_problem(const ServeOptions& options) {
  const std::vector<std::string>& listen = options.config.listen;
  if (std::string problem = hub::TlsServer::problem(options.tls); !problem.empty()) return problem;
  const auto sealed = std::find_if(listen.begin(), listen.end(), io::is_sealed_address);
  if (sealed == listen.end() || !options.tls.certificates.empty()) return {};
  return "listen " + *sealed + ": needs a certificate; give --tls-cert and --tls-key";
}

void choose_schemes(const hub::TlsOptions& tls, std::vector<std::string>& addresses) {
  if (tls.certificates.empty()) return;
  for (std::string& address : addresses) {
    const bool says_nothing = io::without_scheme(address).size() == address.size();
    if (says_nothing && !address.starts_with("unix:")) address.insert(0, "https://");
  }
}

}  // namespace broadside::tools
