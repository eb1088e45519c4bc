// Blocking sockets driven through poll(), so that every wait has an end.
#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace broadside::test {
namespace {

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool wait_for_events(int fd, short events, const Deadline& deadline) {
  pollfd poll_fd{.fd = fd, .events = events, .revents = 0};
  while (true) {
    const int ready = poll(&poll_fd, 1, deadline.remaining_ms());
    if (ready > 0) return true;
    if (ready == 0 && deadline.has_passed()) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

HttpHead parse_head(std::string_view text) {
  HttpHead head;
  head.text = text;
  const auto line_end = text.find("\r\n");
  const std::string_view status_line = text.substr(0, line_end);
  if (status_line.size() < 12 || status_line.substr(0, 5) != "HTTP/") return head;
  head.version = status_line.substr(0, 8);
  head.status = std::atoi(std::string(status_line.substr(9, 3)).c_str());
  text.remove_prefix(line_end + 2);
  while (!text.empty() && text.substr(0, 2) != "\r\n") {
    const auto end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return HttpHead{};
    head.headers.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
    text.remove_prefix(end + 2);
  }
  return head;
}

}  // namespace

std::string header_of(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return "";
}

bool has_header(const Headers& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& header) { return equal_ignoring_case(header.first, name); });
}

bool header_has_token(const Headers& headers, std::string_view name, std::string_view token) {
  for (const auto& [key, value] : headers) {
    if (!equal_ignoring_case(key, name)) continue;
    std::string_view rest = value;
    while (true) {
      const auto comma = rest.find(',');
      if (equal_ignoring_case(trimmed(rest.substr(0, comma)), token)) return true;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

std::string request_text(std::string_view method, std::string_view target, std::string_view host, const Headers& headers,
                         std::string_view body) {
  std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\n";
  if (!has_header(headers, "Host")) text += "Host: " + std::string(host) + "\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  const bool has_framing = has_header(headers, "Content-Length") || has_header(headers, "Transfer-Encoding");
  if (!has_framing && (!body.empty() || method == "POST")) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  text += "\r\n";
  text += body;
  return text;
}

std::string chunk_text(std::string_view bytes) {
  char size[20];
  std::snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
  return size + std::string(bytes) + "\r\n";
}

HttpConnection& HttpConnection::operator=(HttpConnection&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::exchange(other.fd_, -1);
  tls_ = std::move(other.tls_);
  was_closed_ = other.was_closed_;
  was_reset_ = other.was_reset_;
  pending_ = std::move(other.pending_);
  chunked_ = std::move(other.chunked_);
  return *this;
}

HttpConnection HttpConnection::open(std::uint16_t port, int receive_buffer_bytes, const std::string& source) {
  const bool is_v6 = source.find(':') != std::string::npos;
  const int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return HttpConnection();
  HttpConnection connection(fd);
  const int one = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  if (receive_buffer_bytes > 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  inet_pton(is_v6 ? AF_INET6 : AF_INET, source.c_str(), is_v6 ? static_cast<void*>(&v6.sin6_addr) : &v4.sin_addr);
  const auto* address = is_v6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
  const socklen_t length = is_v6 ? sizeof(v6) : sizeof(v4);
  if (bind(fd, address, length) != 0) return HttpConnection();
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  v6.sin6_addr = in6addr_loopback;
  v4.sin_port = v6.sin6_port = htons(port);
  if (connect(fd, address, length) != 0 && errno != EINPROGRESS) return HttpConnection();
  if (!wait_for_events(fd, POLLOUT, soon())) return HttpConnection();
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? std::move(connection) : HttpConnection();
}

HttpConnection HttpConnection::open_unix(const std::string& path) {
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  if (path.size() >= sizeof(target.sun_path)) return HttpConnection();
  std::memcpy(target.sun_path, path.c_str(), path.size() + 1);
  HttpConnection connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(connection.fd_, reinterpret_cast<sockaddr*>(&target), sizeof(target)) != 0) return HttpConnection();
  return connection;
}

HttpConnection HttpConnection::open_tls(std::uint16_t port, const TlsClientOptions& options, int receive_buffer_bytes) {
  HttpConnection connection = open(port, receive_buffer_bytes);
  connection.start_tls(options);
  return connection;
}

void HttpConnection::start_tls(const TlsClientOptions& options) {
  tls_ = std::make_unique<TlsClient>(options);
  const Deadline deadline = soon();
  do {
    if (!send_raw(tls_->take_output(), deadline)) break;
  } while (!tls_->is_established() && tls_->error().empty() && fill(deadline));
  send_raw(tls_->take_output(), deadline);
}

std::uint16_t HttpConnection::local_port() const {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

bool HttpConnection::send(std::string_view bytes, const Deadline& deadline) {
  if (tls_ == nullptr) return send_raw(bytes, deadline);
  tls_->write(bytes);
  return send_raw(tls_->take_output(), deadline);
}

bool HttpConnection::send_raw(std::string_view bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (count < 0 && errno == EAGAIN) {
      if (!wait_for_events(fd_, POLLOUT, deadline)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool HttpConnection::send_byte_by_byte(std::string_view bytes, const Deadline& deadline) {
  for (const char& byte : bytes) {
    if (!send(std::string_view(&byte, 1), deadline)) return false;
  }
  return true;
}

bool HttpConnection::fill(const Deadline& deadline) {
  if (fd_ < 0 || was_closed_) return false;
  char buffer[65'536];
  while (true) {
    const ssize_t count = recv(fd_, buffer, sizeof(buffer), 0);
    if (count > 0 && tls_ != nullptr) {
      tls_->feed({buffer, static_cast<std::size_t>(count)}, pending_);
      return true;
    }
    if (count > 0) {
      pending_.append(buffer, static_cast<std::size_t>(count));
      return true;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      if (!wait_for_events(fd_, POLLIN, deadline)) return false;
      continue;
    }
    was_closed_ = true;
    was_reset_ = count < 0;
    return false;
  }
}

HttpHead HttpConnection::read_head(const Deadline& deadline) {
  while (true) {
    if (const auto end = pending_.find("\r\n\r\n"); end != std::string::npos) {
      const std::string text = pending_.substr(0, end + 4);
      pending_.erase(0, end + 4);
      return parse_head(text);
    }
    if (!fill(deadline)) return HttpHead{};
  }
}

bool HttpConnection::read_exactly(std::size_t count, std::string& out, const Deadline& deadline) {
  while (pending_.size() < count) {
    if (!fill(deadline)) return false;
  }
  out.append(pending_, 0, count);
  pending_.erase(0, count);
  return true;
}

std::optional<std::string> HttpConnection::read_crlf_line(const Deadline& deadline) {
  while (true) {
    if (const auto end = pending_.find("\r\n"); end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 2);
      return line;
    }
    if (!fill(deadline)) return std::nullopt;
  }
}

bool HttpConnection::read_chunked_body(std::string& body, const Deadline& deadline) {
  while (true) {
    const auto size_line = read_crlf_line(deadline);
    if (!size_line || size_line->empty()) return false;
    const std::size_t size = std::strtoull(size_line->c_str(), nullptr, 16);
    if (!read_exactly(size, body, deadline)) return false;
    if (read_crlf_line(deadline) != "") return false;
    if (size == 0) return true;
  }
}

std::optional<std::string> HttpConnection::read_chunked_line(const Deadline& deadline) {
  while (true) {
    if (const auto end = chunked_.find('\n'); end != std::string::npos) {
      std::string line = chunked_.substr(0, end);
      chunked_.erase(0, end + 1);
      return line;
    }
    const auto size_line = read_crlf_line(deadline);
    if (!size_line) return std::nullopt;
    const std::size_t size = std::strtoull(size_line->c_str(), nullptr, 16);
    if (!read_exactly(size, chunked_, deadline) || read_crlf_line(deadline) != "" || size == 0) return std::nullopt;
  }
}

HttpResponse HttpConnection::read_response(bool is_head, const Deadline& deadline) {
  HttpHead head;
  do {
    head = read_head(deadline);
  } while (head.status >= 100 && head.status < 200);
  return read_rest(std::move(head), is_head, deadline);
}

HttpResponse HttpConnection::read_rest(HttpHead head, bool is_head, const Deadline& deadline) {
  HttpResponse response{.head = std::move(head), .body = {}, .is_complete = false};
  if (response.status() == 0) return response;
  if (is_head || response.status() == 204 || response.status() == 304) {
    response.is_complete = true;
  } else if (header_has_token(response.head.headers, "Transfer-Encoding", "chunked")) {
    response.is_complete = read_chunked_body(response.body, deadline);
  } else if (response.head.has("Content-Length")) {
    const std::size_t size = std::strtoull(response.header("Content-Length").c_str(), nullptr, 10);
    response.is_complete = read_exactly(size, response.body, deadline);
  } else {
    while (fill(deadline)) {
    }
    response.body = std::exchange(pending_, "");
    response.is_complete = was_closed_ && !was_reset_;
  }
  return response;
}

std::string HttpConnection::read_some(std::size_t bytes_max, const Deadline& deadline) {
  if (pending_.empty() && bytes_max < 65'536 && fd_ >= 0 && !was_closed_ && tls_ == nullptr) {
    // Takes from the kernel no more than was asked for, so that what is not read really is not read.
    std::string bytes(bytes_max, '\0');
    if (!wait_for_events(fd_, POLLIN, deadline)) return "";
    const ssize_t count = recv(fd_, bytes.data(), bytes_max, 0);
    if (count <= 0) {
      was_closed_ = true;
      was_reset_ = count < 0;
    }
    bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return bytes;
  }
  while (pending_.empty()) {  // Not every record of TLS says something.
    if (!fill(deadline)) return "";
  }
  std::string bytes = pending_.substr(0, bytes_max);
  pending_.erase(0, bytes.size());
  return bytes;
}

bool HttpConnection::wait_closed(const Deadline& deadline) {
  while (fill(deadline)) pending_.clear();
  return was_closed_;
}

bool HttpConnection::send_last(std::string_view bytes, const Deadline& deadline) {
  tls_->write(bytes);
  SSL_shutdown(tls_->ssl());
  return send_raw(tls_->take_output(), deadline);
}

void HttpConnection::half_close() { shutdown(fd_, SHUT_WR); }

void HttpConnection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void HttpConnection::reset() {
  const linger hard{.l_onoff = 1, .l_linger = 0};
  if (fd_ >= 0) setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  close();
}

bool is_refused(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_addr.s_addr = htonl(0x7F000001);
  target.sin_port = htons(port);
  int error = connect(fd, reinterpret_cast<sockaddr*>(&target), sizeof(target)) == 0 ? 0 : errno;
  if (error == EINPROGRESS && wait_for_events(fd, POLLOUT, Deadline::in(Millis(500)))) {
    socklen_t size = sizeof(error);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  }
  ::close(fd);
  return error == ECONNREFUSED;
}

HttpResponse fetch(std::uint16_t port, std::string_view method, std::string_view target, const Headers& headers,
                   std::string_view body) {
  HttpConnection connection = HttpConnection::open(port);
  Headers all = headers;
  if (!has_header(all, "Connection")) all.emplace_back("Connection", "close");
  connection.send(request_text(method, target, "127.0.0.1:" + std::to_string(port), all, body));
  return connection.read_response(method == "HEAD");
}

SseStream SseStream::open(std::uint16_t port, std::string_view target, const Headers& headers, int receive_buffer_bytes) {
  HttpConnection connection = HttpConnection::open(port, receive_buffer_bytes);
  Headers all = headers;
  if (!has_header(all, "Accept")) all.emplace_back("Accept", "text/event-stream");
  connection.send(request_text("GET", target, "127.0.0.1:" + std::to_string(port), all, ""));
  return from(std::move(connection));
}

SseStream SseStream::open_tls(std::uint16_t port, std::string_view target, const TlsClientOptions& options,
                              int receive_buffer_bytes) {
  HttpConnection connection = HttpConnection::open_tls(port, options, receive_buffer_bytes);
  if (!connection.tls()->is_established()) return {};
  connection.send(request_text("GET", target, "localhost:" + std::to_string(port), {{"Accept", "text/event-stream"}}, ""));
  return from(std::move(connection));
}

SseStream SseStream::from(HttpConnection connection) {
  SseStream stream;
  stream.connection_ = std::move(connection);
  stream.head_ = stream.connection_.read_head();
  stream.is_chunked_ = header_has_token(stream.head_.headers, "Transfer-Encoding", "chunked");
  return stream;
}

std::vector<ReceivedEvent> SseStream::published() const {
  std::vector<ReceivedEvent> result;
  std::copy_if(events_.begin(), events_.end(), std::back_inserter(result),
               [](const ReceivedEvent& event) { return !is_own(event); });
  return result;
}

std::vector<std::string> SseStream::published_data() const {
  std::vector<std::string> result;
  for (const ReceivedEvent& event : events_) {
    if (!is_own(event)) result.push_back(event.data);
  }
  return result;
}

std::optional<ReceivedEvent> SseStream::find(std::string_view type) const {
  for (const ReceivedEvent& event : events_) {
    if (event.type == type) return event;
  }
  return std::nullopt;
}

std::string SseStream::unchunk(std::string_view bytes) {
  chunk_pending_ += bytes;
  std::string out;
  while (!chunk_pending_.empty()) {
    if (chunk_left_ == 0) {
      const auto end = chunk_pending_.find("\r\n");
      if (end == std::string::npos) break;
      chunk_left_ = std::strtoull(chunk_pending_.c_str(), nullptr, 16) + 2;
      chunk_pending_.erase(0, end + 2);
      continue;
    }
    const std::size_t count = std::min(chunk_left_, chunk_pending_.size());
    const std::size_t data = chunk_left_ > 2 ? std::min(count, chunk_left_ - 2) : 0;
    out.append(chunk_pending_, 0, data);
    chunk_pending_.erase(0, count);
    chunk_left_ -= count;
  }
  return out;
}

bool SseStream::read_more(const Deadline& deadline) {
  std::string bytes = connection_.read_some(65'536, deadline);
  if (bytes.empty()) return false;
  if (is_chunked_) bytes = unchunk(bytes);
  body_ += bytes;
  stream_.feed(bytes, [this](const DecodedEvent& event) {
    events_.push_back({.type = std::string(event.type), .data = std::string(event.data), .id = std::string(event.last_event_id)});
  });
  return true;
}

bool SseStream::wait_published(std::size_t count, const Deadline& deadline) {
  while (published().size() < count) {
    if (!read_more(deadline)) return false;
  }
  return true;
}

bool SseStream::wait_for(std::string_view type, const Deadline& deadline) {
  while (!find(type)) {
    if (!read_more(deadline)) return false;
  }
  return true;
}

bool SseStream::wait_bytes(std::size_t count, const Deadline& deadline) {
  while (body_.size() < count) {
    if (!read_more(deadline)) return false;
  }
  return true;
}

bool SseStream::wait_closed(const Deadline& deadline) {
  while (read_more(deadline)) {
  }
  return connection_.was_closed() && !connection_.was_reset() && !stream_.is_inside_block() && stream_.violation().empty();
}

}  // namespace broadside::test
