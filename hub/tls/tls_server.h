// The TLS side of the server's listeners: makes their transports, and reads certificates and keys again when it is told to or
// when their files have changed. make_transport() is for any thread, everything else for one.
#pragma once

#include <sys/stat.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "broadside/config.h"
#include "broadside/error.h"
#include "broadside/transport.h"
#include "hub/tls/context.h"

namespace broadside::hub {

class TlsServer final : public TransportFactory {
 public:
  // What is wrong with the options before any file is read; empty if nothing is.
  [[nodiscard]] static std::string problem(const TlsOptions& options);

  // Reads all files. `log` outlives it and hears of reloads. Requires: no problem().
  static Result<std::unique_ptr<TlsServer>> load(const TlsOptions& options, LogSink& log);

  std::unique_ptr<Transport> make_transport() noexcept override;

  // Reads `options` from here on, if all of their files are good; else everything stays as it is. Connections keep what they
  // began with.
  Result<Done> reload(const TlsOptions& options);
  // Reads the files again if any has changed since they were read last, and logs what comes of it.
  void reload_if_changed();

 private:
  using Stamps = std::vector<struct stat>;

  TlsServer(TlsOptions options, std::shared_ptr<const TlsContext> context, Stamps stamps, LogSink& log);
  static Stamps stamps_of(const TlsOptions& options);

  TlsOptions options_;
  Stamps stamps_;  // Of the files when they were read last, good or bad.
  LogSink& log_;
  std::mutex mutex_;  // Guards context_.
  std::shared_ptr<const TlsContext> context_;
};

}  // namespace broadside::hub
