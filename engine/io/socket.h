// Listening sockets and what is asked of single ones. Sole caller of socket, bind, listen and setsockopt; translates their
// errno into errors that say what was tried and what to do about it.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/units.h"
#include "broadside/error.h"
#include "engine/io/io.h"

namespace broadside::io {

// Where to listen. Invariant: storage holds an IPv4, IPv6 or Unix address of `length` bytes.
struct ListenAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  bool is_sealed = false;  // https://

  [[nodiscard]] bool is_unix() const { return storage.ss_family == AF_UNIX; }
  [[nodiscard]] std::uint16_t port() const;  // 0 for a Unix address.
  void set_port(std::uint16_t port);         // Requires: not a Unix address.
  [[nodiscard]] std::string text() const;    // "127.0.0.1:8080", "[::1]:8080", "unix:/run/broadside.sock".
};

// `HOST:PORT`, `[V6]:PORT` or `unix:PATH`, the first two perhaps behind `http://` or `https://`; HOST is a number or `localhost`
// (127.0.0.1), port 0 lets the kernel choose.
Result<ListenAddress> parse_listen_address(std::string_view text);

// Whether only this machine can reach it. A Unix address is.
[[nodiscard]] bool is_loopback(const ListenAddress& address);

// All but reuse_port and backlog are inherited by the accepted sockets; 0 leaves the kernel's value.
struct ListenerOptions {
  bool reuse_port = false;  // Several listeners share the address and the kernel spreads connections over them. Not for Unix.
  int backlog = 65535;      // The kernel takes the smaller of this and net.core.somaxconn.
  std::uint32_t unsent_bytes_max = 16 * kKiB;  // TCP_NOTSENT_LOWAT: a stalled peer holds 14 KB of the kernel instead of 55.
  Nanos user_timeout = 0;                      // TCP_USER_TIMEOUT: unacknowledged for so long = gone.
  std::uint32_t send_buffer_bytes = 0;         // SO_SNDBUF; ends the kernel's own tuning.
  std::uint32_t receive_buffer_bytes = 0;      // SO_RCVBUF.
};

// Opens a listening, non-blocking socket; the caller owns it. A Unix socket left by a dead server is replaced; the path of
// a closed one is the caller's to unlink. For several shards on one Unix path, open once and share the descriptor.
Result<int> open_listener(const ListenAddress& address, const ListenerOptions& options);

// Whether the address is free, by a bind without SO_REUSEPORT: with it a second server would silently take half.
Result<Done> test_bind(const ListenAddress& address);

// Connecting is refused from here on, and what waits to be accepted is reset. The descriptor stays the caller's to close.
void stop_listening(int fd);

// Makes a connected stream socket that somebody else accepted like those of a listener with these options. An error leaves it
// usable for its owner.
Result<Done> prepare_adopted(int fd, const ListenerOptions& options);

// The address a listener got, with the port the kernel chose.
Result<ListenAddress> bound_address(int fd);
// Whether `text` begins with https://, and what is behind http:// or https://.
[[nodiscard]] bool is_sealed_address(std::string_view text);
[[nodiscard]] std::string_view without_scheme(std::string_view text);
// "http://127.0.0.1:8080", "https://..."; a Unix address as it is, "unix:/run/broadside.sock".
[[nodiscard]] std::string format_url(const ListenAddress& address);
// "127.0.0.1:50000", "[::1]:50000", "unix:", or "" when it cannot be told. Requires: plain descriptor.
[[nodiscard]] std::string peer_address(int fd);
// The peer's address of IP as 16 bytes, IPv4 as IPv6 maps it (::ffff:a.b.c.d); nothing on a Unix socket. False when it cannot be
// told: it has gone. Requires: plain descriptor.
[[nodiscard]] bool peer_ip(int fd, std::optional<std::array<std::uint8_t, 16>>& ip);

// Lets the kernel's TLS seal what is written to a plain TCP descriptor from here on; `keys` is the tls12_crypto_info_... of its
// cipher. False if it does not; then nothing has changed.
[[nodiscard]] bool start_kernel_tls(int fd, std::span<const char> keys);
// The ancillary data of a send that makes what is sent an alert (SendRequest::is_tls_alert). Lives for ever.
[[nodiscard]] std::span<char> tls_alert_control();

// For a socket that is not read any more: of what the peer goes on sending the kernel keeps one segment from here on (64 KiB
// where it joins them, mostly 2), else up to its receive buffer of 128 KiB or more. Requires: plain descriptor.
void stop_keeping_input(int fd);
// Close will send RST and free the kernel's buffers at once.
void set_reset_on_close(int fd);
// Closes a plain descriptor. Orderly: input that nobody has read (256 KiB at most) is dropped first, since closing with
// unread input sends RST, which may destroy bytes on their way to the peer.
void close_plain(int fd, CloseMode mode);
constexpr std::uint32_t kDroppedInputBytesMax = 256 * kKiB;

}  // namespace broadside::io
