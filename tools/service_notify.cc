// See service_notify.h.
#include "tools/service_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace broadside::tools {
namespace {

// A connected datagram socket to `path` (abstract if it begins with @), or -1.
int connect_to(std::string_view path) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) return -1;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

ServiceNotifier::ServiceNotifier() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  fd_ = connect_to(path);
  const char* watchdog = std::getenv("WATCHDOG_USEC");
  if (fd_ < 0 || watchdog == nullptr) return;
  // Set for this process alone, if it says for which.
  const char* pid = std::getenv("WATCHDOG_PID");
  if (pid != nullptr && std::to_string(getpid()) != pid) return;
  Nanos microseconds = 0;
  const char* const end = watchdog + std::strlen(watchdog);
  if (std::from_chars(watchdog, end, microseconds).ec != std::errc() || microseconds <= 0) return;
  if (microseconds < 3600 * kSecond) watchdog_interval_ = microseconds * kMicrosecond / 2;
}

ServiceNotifier::~ServiceNotifier() {
  if (fd_ >= 0) close(fd_);
}

void ServiceNotifier::tell(std::string_view state) const {
  if (fd_ < 0) return;
  [[maybe_unused]] const ssize_t sent = send(fd_, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ServiceNotifier::tell_reloading() const {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const Nanos moment = now.tv_sec * kSecond + now.tv_nsec;
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(moment / kMicrosecond));
}

}  // namespace broadside::tools
