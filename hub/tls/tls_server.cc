// See tls_server.h.
#include "hub/tls/tls_server.h"

#include <algorithm>
#include <new>
#include <tuple>
#include <utility>

#include "hub/tls/tls_transport.h"

namespace broadside::hub {
namespace {

// A replaced file has another inode, one that was written anew another time or size. One that is not there has none of these.
auto identity_of(const struct stat& status) {
  return std::tuple(status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

}  // namespace

std::string TlsServer::problem(const TlsOptions& options) {
  if (options.certificates.size() != options.keys.size()) return "each --tls-cert needs its --tls-key, in the same order";
  if (options.certificates.empty() && !options.client_ca.empty()) return "--tls-client-ca needs --tls-cert and --tls-key";
  return {};
}

TlsServer::Stamps TlsServer::stamps_of(const TlsOptions& options) {
  Stamps stamps;
  const auto look_at = [&stamps](const std::string& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) status = {};
    stamps.push_back(status);
  };
  for (const std::string& file : options.certificates) look_at(file);
  for (const std::string& file : options.keys) look_at(file);
  if (!options.client_ca.empty()) look_at(options.client_ca);
  return stamps;
}

TlsServer::TlsServer(TlsOptions options, std::shared_ptr<const TlsContext> context, Stamps stamps, LogSink& log)
    : options_(std::move(options)), stamps_(std::move(stamps)), log_(log), context_(std::move(context)) {}

Result<std::unique_ptr<TlsServer>> TlsServer::load(const TlsOptions& options, LogSink& log) {
  Stamps stamps = stamps_of(options);  // Before they are read: what changes in between is read again.
  Result<std::shared_ptr<const TlsContext>> context = TlsContext::load(options);
  if (!context) return context.error();
  return std::unique_ptr<TlsServer>(new TlsServer(options, std::move(*context), std::move(stamps), log));
}

std::unique_ptr<Transport> TlsServer::make_transport() noexcept {
  std::shared_ptr<const TlsContext> context;
  {
    const std::lock_guard lock(mutex_);
    context = context_;
  }
  return std::unique_ptr<Transport>(new (std::nothrow) TlsTransport(std::move(context)));
}

Result<Done> TlsServer::reload(const TlsOptions& options) {
  Stamps stamps = stamps_of(options);
  Result<std::shared_ptr<const TlsContext>> context = TlsContext::load(options);
  if (!context) return context.error();
  options_ = options;
  stamps_ = std::move(stamps);
  const std::lock_guard lock(mutex_);
  context_ = std::move(*context);
  return Done{};
}

void TlsServer::reload_if_changed() {
  Stamps stamps = stamps_of(options_);
  const bool is_same = std::equal(stamps.begin(), stamps.end(), stamps_.begin(), stamps_.end(),
                                  [](const auto& one, const auto& other) { return identity_of(one) == identity_of(other); });
  if (is_same) return;
  stamps_ = std::move(stamps);
  if (const Result<Done> done = reload(options_); done) {
    log_.log(LogLevel::info, "TLS: the files of certificates and keys have changed and are in use");
  } else {
    log_.log(LogLevel::error,
             "TLS: the files of certificates and keys have changed; what was read before stays in use: " + done.error().message);
  }
}

}  // namespace broadside::hub
