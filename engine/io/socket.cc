// See socket.h.
#include "engine/io/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>

#include "base/assert.h"
#include "engine/io/host.h"

namespace broadside::io {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::string_view kSealedScheme = "https://";

// sockaddr_storage is made to be seen as any of these.
const sockaddr* generic(const sockaddr_storage& storage) { return reinterpret_cast<const sockaddr*>(&storage); }
sockaddr* generic(sockaddr_storage& storage) { return reinterpret_cast<sockaddr*>(&storage); }
const sockaddr_in& as_v4(const sockaddr_storage& storage) { return reinterpret_cast<const sockaddr_in&>(storage); }
const sockaddr_in6& as_v6(const sockaddr_storage& storage) { return reinterpret_cast<const sockaddr_in6&>(storage); }
const sockaddr_un& as_unix(const sockaddr_storage& storage) { return reinterpret_cast<const sockaddr_un&>(storage); }

Error invalid(std::string_view text, const char* reason) {
  return Error{Error::Code::invalid_argument, "listen " + std::string(text) + ": " + reason};
}

Result<ListenAddress> parse_unix(std::string_view text, std::string_view path) {
  ListenAddress address;
  auto& target = reinterpret_cast<sockaddr_un&>(address.storage);
  if (path.empty()) return invalid(text, "no path; use unix:/run/broadside.sock");
  if (path.size() >= sizeof target.sun_path) return invalid(text, "the path is too long; at most 107 bytes");
  if (path.find('\0') != std::string_view::npos) return invalid(text, "the path contains a NUL byte");
  target.sun_family = AF_UNIX;
  std::memcpy(target.sun_path, path.data(), path.size());
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

Error listen_error(const ListenAddress& address, int error) {
  const std::string what = "listen " + address.text() + ": ";
  switch (error) {
    case EADDRINUSE:
      return {Error::Code::address_in_use, what + "address in use; stop the other server or pass --listen"};
    case EACCES:
    case EPERM:
      return {Error::Code::unavailable,
              what + (address.is_unix() ? "permission denied; choose a directory that this user may write"
                                        : "permission denied; choose a port above 1023 or grant CAP_NET_BIND_SERVICE")};
    case EADDRNOTAVAIL:
      return {Error::Code::unavailable, what + "this machine has no such address; pass one of its own, or 0.0.0.0 for all"};
    case EAFNOSUPPORT:
      return {Error::Code::unavailable, what + "the kernel has this address family switched off; use the other one"};
    case EMFILE:
    case ENFILE:
      return {Error::Code::unavailable, what + "no descriptor left; raise the limit of open files (ulimit -n)"};
    case ENOENT:
      return {Error::Code::unavailable, what + "no such directory; create it first"};
    default:
      return {Error::Code::unavailable, what + errno_text(error)};
  }
}

bool set_option(int fd, int level, int name, std::uint32_t value) {
  const int number = static_cast<int>(value);
  return ::setsockopt(fd, level, name, &number, sizeof number) == 0;
}

// What a stream's socket has.
bool set_stream_options(int fd, int family, const ListenerOptions& options) {
  bool is_set = true;
  if (options.send_buffer_bytes > 0) is_set = is_set && set_option(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes);
  if (options.receive_buffer_bytes > 0) is_set = is_set && set_option(fd, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes);
  if (family == AF_UNIX) return is_set;
  is_set = is_set && set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.unsent_bytes_max > 0) is_set = is_set && set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, options.unsent_bytes_max);
  if (options.user_timeout > 0) {
    const auto timeout_ms = static_cast<std::uint32_t>(options.user_timeout / kMillisecond);
    is_set = is_set && set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, timeout_ms);
  }
  return is_set;
}

bool set_listener_options(int fd, const ListenAddress& address, const ListenerOptions& options) {
  // Accepted sockets inherit these (tried on 6.18), which saves a handful of calls for each connection.
  bool is_set = set_stream_options(fd, address.storage.ss_family, options);
  if (address.is_unix()) return is_set;
  is_set = is_set && set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port) is_set = is_set && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (address.storage.ss_family == AF_INET6) is_set = is_set && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  return is_set;
}

int open_stream_socket(const ListenAddress& address) {
  return ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

enum class PathState : std::uint8_t { absent, stale, alive, not_a_socket };

PathState look_at_path(const ListenAddress& address) {
  struct stat status {};
  if (::lstat(as_unix(address.storage).sun_path, &status) != 0) return PathState::absent;
  if (!S_ISSOCK(status.st_mode)) return PathState::not_a_socket;
  const int fd = open_stream_socket(address);
  if (fd < 0) return PathState::alive;
  const bool is_refused = ::connect(fd, generic(address.storage), address.length) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return is_refused ? PathState::stale : PathState::alive;
}

Result<Done> check_path(const ListenAddress& address, bool removes_stale) {
  switch (look_at_path(address)) {
    case PathState::absent:
      break;
    case PathState::stale:
      if (removes_stale) ::unlink(as_unix(address.storage).sun_path);
      break;
    case PathState::alive:
      return listen_error(address, EADDRINUSE);
    case PathState::not_a_socket:
      return Error{Error::Code::address_in_use,
                   "listen " + address.text() + ": a file that is no socket is there; remove it or choose another path"};
  }
  return Done{};
}

}  // namespace

std::uint16_t ListenAddress::port() const {
  if (storage.ss_family == AF_INET) return ntohs(as_v4(storage).sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(as_v6(storage).sin6_port);
  return 0;
}

void ListenAddress::set_port(std::uint16_t port) {
  BROADSIDE_ASSERT(!is_unix());
  // sin_port and sin6_port lie at the same place.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  reinterpret_cast<sockaddr_in&>(storage).sin_port = htons(port);
}

std::string ListenAddress::text() const {
  if (is_unix()) {
    const bool is_named = length > offsetof(sockaddr_un, sun_path);
    return std::string("unix:") + (is_named ? as_unix(storage).sun_path : "");
  }
  char host[NI_MAXHOST];
  if (::getnameinfo(generic(storage), length, host, sizeof host, nullptr, 0, NI_NUMERICHOST) != 0) return "";
  const std::string port_text = ":" + std::to_string(port());
  return storage.ss_family == AF_INET6 ? "[" + std::string(host) + "]" + port_text : host + port_text;
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text, text.substr(5));
  const bool is_sealed = is_sealed_address(text);
  text = without_scheme(text);
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid(text, "no port; use HOST:PORT, [::1]:PORT or unix:PATH");
  std::string host(text.substr(0, colon));
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size()) {
    return invalid(text, "the port is not a number from 0 to 65535");
  }
  if (host.empty()) return invalid(text, "no host; use 127.0.0.1, or 0.0.0.0 for all of this machine's addresses");
  const bool is_bracketed = host.front() == '[' && host.back() == ']';
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  if (!is_bracketed && host.find(':') != std::string::npos) {
    return invalid(text, "an IPv6 address needs brackets: [::1]:8080");
  }
  if (host == "localhost") host = "127.0.0.1";
  addrinfo hints{};
  hints.ai_family = is_bracketed ? AF_INET6 : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (host.find('\0') != std::string::npos || ::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) {
    return invalid(text, "the host is neither an address of numbers nor localhost");
  }
  ListenAddress address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.length = found->ai_addrlen;
  ::freeaddrinfo(found);
  address.set_port(port);
  address.is_sealed = is_sealed;
  return address;
}

bool is_loopback(const ListenAddress& address) {
  if (address.is_unix()) return true;
  if (address.storage.ss_family == AF_INET) return (ntohl(as_v4(address.storage).sin_addr.s_addr) >> 24) == 127;
  const in6_addr& host = as_v6(address.storage).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&host) || (IN6_IS_ADDR_V4MAPPED(&host) && host.s6_addr[12] == 127);
}

Result<int> open_listener(const ListenAddress& address, const ListenerOptions& options) {
  BROADSIDE_ASSERT(address.length > 0);
  BROADSIDE_ASSERT(options.backlog > 0);
  if (address.is_unix()) {
    const Result<Done> checked = check_path(address, true);
    if (!checked) return checked.error();
  }
  const int fd = open_stream_socket(address);
  if (fd < 0) return listen_error(address, errno);
  if (!set_listener_options(fd, address, options) || ::bind(fd, generic(address.storage), address.length) != 0 ||
      ::listen(fd, options.backlog) != 0) {
    const int error = errno;
    ::close(fd);
    return listen_error(address, error);
  }
  return fd;
}

// An errno, 0 if it is free.
static int try_bind(const ListenAddress& address) {
  const int fd = open_stream_socket(address);
  if (fd < 0) return errno;
  // SO_REUSEADDR lets connections of a server that has just ended be; a living listener is in the way all the same.
  const bool is_bound = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
                        (address.storage.ss_family != AF_INET6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
                        ::bind(fd, generic(address.storage), address.length) == 0;
  const int error = is_bound ? 0 : errno;
  ::close(fd);
  return error;
}

Result<Done> prepare_adopted(int fd, const ListenerOptions& options) {
  int type = 0;
  socklen_t type_length = sizeof type;
  sockaddr_storage peer{};
  socklen_t peer_length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) != 0 || type != SOCK_STREAM ||
      ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_length) != 0) {
    return Error{Error::Code::invalid_argument, "adopt: descriptor " + std::to_string(fd) + " is no connected stream socket"};
  }
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || !set_stream_options(fd, peer.ss_family, options)) {
    return Error{Error::Code::unavailable, std::string("adopt: the socket's options cannot be set: ") + std::strerror(errno)};
  }
  return Done{};
}

Result<Done> test_bind(const ListenAddress& address) {
  if (address.is_unix()) return check_path(address, false);
  // The ring of a server that was killed is taken down after its process is gone, and its listeners live until then (seen: 70
  // ms).
  constexpr int kTries = 75;
  int error = try_bind(address);
  for (int i = 0; error == EADDRINUSE && i < kTries; ++i) {
    const timespec pause{.tv_sec = 0, .tv_nsec = 20'000'000};
    ::nanosleep(&pause, nullptr);
    error = try_bind(address);
  }
  if (error != 0) return listen_error(address, error);
  return Done{};
}

void stop_listening(int fd) { ::shutdown(fd, SHUT_RDWR); }

Result<ListenAddress> bound_address(int fd) {
  ListenAddress address;
  address.length = sizeof address.storage;
  if (::getsockname(fd, generic(address.storage), &address.length) != 0) {
    return Error{Error::Code::invalid_argument, "address of descriptor " + std::to_string(fd) + ": " + errno_text(errno)};
  }
  return address;
}

bool is_sealed_address(std::string_view text) { return text.starts_with(kSealedScheme); }

std::string_view without_scheme(std::string_view text) {
  for (const std::string_view scheme : {kScheme, kSealedScheme}) {
    if (text.starts_with(scheme)) return text.substr(scheme.size());
  }
  return text;
}

std::string format_url(const ListenAddress& address) {
  if (address.is_unix()) return address.text();
  return std::string(address.is_sealed ? kSealedScheme : kScheme) + address.text();
}

std::string peer_address(int fd) {
  ListenAddress address;
  address.length = sizeof address.storage;
  if (::getpeername(fd, generic(address.storage), &address.length) != 0) return "";
  return address.text();
}

bool peer_ip(int fd, std::optional<std::array<std::uint8_t, 16>>& ip) {
  ip.reset();
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getpeername(fd, generic(storage), &length) != 0) return false;
  if (storage.ss_family == AF_UNIX) return true;
  std::array<std::uint8_t, 16>& bytes = ip.emplace();
  if (storage.ss_family == AF_INET6) {
    std::memcpy(bytes.data(), &as_v6(storage).sin6_addr, bytes.size());
  } else {
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(&bytes[12], &as_v4(storage).sin_addr, 4);
  }
  return true;
}

bool start_kernel_tls(int fd, std::span<const char> keys) {
  static constexpr char kName[] = "tls";
  if (::setsockopt(fd, IPPROTO_TCP, TCP_ULP, kName, sizeof kName) != 0) return false;
  // Without keys the protocol that is now there passes everything on as it is.
  return ::setsockopt(fd, SOL_TLS, TLS_TX, keys.data(), static_cast<socklen_t>(keys.size())) == 0;
}

std::span<char> tls_alert_control() {
  struct Control {
    Control() {
      auto& header = *reinterpret_cast<cmsghdr*>(bytes);
      header.cmsg_level = SOL_TLS;
      header.cmsg_type = TLS_SET_RECORD_TYPE;
      header.cmsg_len = CMSG_LEN(1);
      *CMSG_DATA(&header) = 21;
    }
    alignas(cmsghdr) char bytes[CMSG_SPACE(1)] = {};
  };
  static Control control;
  return control.bytes;
}

void stop_keeping_input(int fd) { set_option(fd, SOL_SOCKET, SO_RCVBUF, 0); }

void set_reset_on_close(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void close_plain(int fd, CloseMode mode) {
  BROADSIDE_ASSERT(fd >= 0);
  switch (mode) {
    case CloseMode::orderly:
      // TCP drops the bytes without touching the buffer; a Unix socket wants one.
      if (::recv(fd, nullptr, kDroppedInputBytesMax, MSG_DONTWAIT | MSG_TRUNC) < 0 && errno == EFAULT) {
        char scratch[4 * kKiB];
        for (std::uint32_t dropped = 0; dropped < kDroppedInputBytesMax; dropped += sizeof scratch) {
          if (::recv(fd, scratch, sizeof scratch, MSG_DONTWAIT) <= 0) break;
        }
      }
      break;
    case CloseMode::reset:
      set_reset_on_close(fd);
      break;
  }
  ::close(fd);
}

}  // namespace broadside::io
