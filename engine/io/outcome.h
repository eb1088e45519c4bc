// The one place where errno becomes an outcome, for every backend.
#pragma once

#include <sys/epoll.h>

#include <cerrno>
#include <cstdint>

#include "engine/io/io.h"

namespace broadside::io {

[[nodiscard]] inline SendStatus send_status_of(int error) {
  switch (error) {
    case EAGAIN:
      return SendStatus::blocked;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ETIMEDOUT:
    case ENOTCONN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
      return SendStatus::peer_gone;
    default:
      return SendStatus::failed;
  }
}

// Records the result of one send: a count of bytes, or a negative errno.
inline void set_send_result(SendRequest& request, std::int64_t result) {
  request.sent = result > 0 ? static_cast<std::uint64_t>(result) : 0;
  if (result < 0) {
    request.status = send_status_of(static_cast<int>(-result));
  } else {
    // A stream socket takes less than all only when its buffer is full, and then owes an edge.
    request.status = request.sent == request.bytes ? SendStatus::sent : SendStatus::blocked;
  }
}

// An accept that failed by the peer's fault (accept(2): treat like EAGAIN); any other failure would come again at once.
[[nodiscard]] inline bool is_transient_accept_error(int error) {
  switch (error) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED:
    case EPERM:  // A firewall's.
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

[[nodiscard]] inline bool is_hang_up(std::uint32_t epoll_events) {
  return (epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
}

}  // namespace broadside::io
