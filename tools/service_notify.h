// Tells a service manager how we are (sd_notify(3)'s protocol: datagrams to the Unix socket in NOTIFY_SOCKET). Used by one
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"

namespace broadside::tools {

class ServiceNotifier {
 public:
  // Reads NOTIFY_SOCKET and WATCHDOG_USEC. Without the first every call does nothing.
  ServiceNotifier();
  ~ServiceNotifier();
  ServiceNotifier(const ServiceNotifier&) = delete;
  ServiceNotifier& operator=(const ServiceNotifier&) = delete;

  // "READY=1", "STOPPING=1", "WATCHDOG=1". What cannot be told is lost.
  void tell(std::string_view state) const;
  // That the configuration is read again; "READY=1" says when that is over.
  void tell_reloading() const;
  // How often to tell "WATCHDOG=1": half of what the manager allows; nothing if it does not watch.
  [[nodiscard]] std::optional<Nanos> watchdog_interval() const { return watchdog_interval_; }

 private:
  int fd_ = -1;
  std::optional<Nanos> watchdog_interval_;
};

}  // namespace broadside::tools
