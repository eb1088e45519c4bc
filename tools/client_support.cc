#include "tools/client_support.h"

#include <pthread.h>
#include <simdjson.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/assert.h"

namespace broadside::tools {
namespace {

// Of a refusal's body; a problem document is a few hundred bytes.
constexpr std::size_t kRefusalBodyBytesMax = 4096;
constexpr std::size_t kRefusalTextBytesMax = 300;
constexpr long kConnectTimeoutMs = 10'000;
// A peer that vanished without a word is noticed by the kernel: 30 s of silence, then 4 probes, 5 s apart. Heartbeats
// cannot be relied on, servers may have them switched off.
constexpr long kKeepaliveIdleSeconds = 30;
constexpr long kKeepaliveIntervalSeconds = 5;

void global_init() {
  static const bool is_done = [] {
    const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    BROADSIDE_ASSERT(code == CURLE_OK);
    return true;
  }();
  static_cast<void>(is_done);
}

// Pairs of poll() and libcurl have the same bits for what is used here.
static_assert(CURL_WAIT_POLLIN == POLLIN && CURL_WAIT_POLLOUT == POLLOUT);

std::string url_part(const std::string& url, CURLUPart part, CURLUcode& code) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
  BROADSIDE_ASSERT(parsed != nullptr);
  code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
  if (code != CURLUE_OK) return {};
  char* text = nullptr;
  code = curl_url_get(parsed.get(), part, &text, 0);
  if (code != CURLUE_OK) return {};
  std::string result(text);
  curl_free(text);
  return result;
}

}  // namespace

void add_target_options(CLI::App& command, Target& target, const std::string& url_help) {
  command.add_option("URL", target.url, url_help)
      ->required()
      ->check(CLI::Validator([](std::string& url) { return url_problem(url); }, ""));
  command.add_option("--header", target.headers, "A header to send, 'Name: value'; repeatable")
      ->type_name("HEADER")
      ->allow_extra_args(false)
      ->check(CLI::Validator([](std::string& header) { return header_problem(header); }, ""));
  command
      .add_option("--cacert", target.ca_file, "Believe servers that this authority vouches for, instead of the system's (PEM)")
      ->type_name("FILE");
  command.add_flag("--insecure", target.is_insecure, "Believe every server, whoever it is: for tests alone");
  command.add_option("--unix-socket", target.unix_socket, "Connect to this unix socket instead of the URL's host")
      ->type_name("PATH");
  command.add_option("--token", target.token.text, kTokenHelp)->type_name("TOKEN");
  command.add_option("--token-file", target.token.path, kTokenFileHelp)->type_name("FILE");
}

void add_token_header(Target& target) {
  const Result<std::string> field = authorization_field(target.token);
  if (!field) throw CLI::ValidationError("token", field.error().message);
  if (!field.value().empty()) target.headers.push_back(field.value());
}

std::string header_problem(const std::string& header) {
  const std::size_t colon = header.find(':');
  if (colon == std::string::npos || colon == 0) return "'" + header + "' is not of the form 'Name: value'";
  if (header.find_first_of("\r\n") != std::string::npos) return "a header holds a line break";
  return {};
}

std::string url_problem(const std::string& url) {
  CURLUcode code = CURLUE_OK;
  const std::string scheme = url_part(url, CURLUPART_SCHEME, code);
  if (code != CURLUE_OK) return "'" + url + "' is not a URL; give one like http://127.0.0.1:8080/events/news";
  if (scheme != "http" && scheme != "https") return "'" + url + "' is not an http or https URL";
  return {};
}

std::string url_with_query(std::string url, std::string_view name, std::string_view value) {
  url.resize(std::min(url.find('#'), url.size()));
  url += url.find('?') == std::string::npos ? '?' : '&';
  url += name;
  url += '=';
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char character : value) {
    const auto byte = static_cast<unsigned char>(character);
    const bool is_plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                          std::string_view("-._~").find(character) != std::string_view::npos;
    if (is_plain) {
      url += character;
    } else {
      url += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return url;
}

std::string problem_text(std::string_view body) {
  std::string text;
  simdjson::dom::parser parser;
  const simdjson::padded_string padded(body);
  const auto document = parser.parse(padded);
  for (const char* member : {"detail", "error", "title"}) {
    std::string_view value;
    if (document[member].get_string().get(value) != simdjson::SUCCESS || value.empty()) continue;
    text = value;
    break;
  }
  if (text.empty()) text = body.substr(0, kRefusalTextBytesMax);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return printable(text);
}

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (std::size_t index = 0; index < text.size(); ++index) {
    const auto byte = static_cast<unsigned char>(text[index]);
    // U+0080 to U+009F are controls as well: C2 80 to C2 9F.
    const bool is_c1 = byte == 0xC2 && index + 1 < text.size() && static_cast<unsigned char>(text[index + 1]) < 0xA0;
    if ((byte >= 0x20 && byte != 0x7F && !is_c1) || byte == '\t') {
      result += text[index];
      continue;
    }
    const auto control = static_cast<unsigned char>(is_c1 ? text[++index] : text[index]);
    result += {'\\', 'x', kDigits[control >> 4], kDigits[control & 15]};
  }
  return result;
}

StopSignals::StopSignals() {
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  fd_ = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  BROADSIDE_ASSERT(fd_ >= 0);
}

StopSignals::~StopSignals() {
  static_cast<void>(close(fd_));
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

int StopSignals::take() const {
  signalfd_siginfo info;
  if (read(fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return 0;
  return static_cast<int>(info.ssi_signo);
}

Milliseconds Backoff::take() {
  const Milliseconds base = next_;
  next_ = std::max(first_, std::min(next_ * 2, most_));
  const std::int64_t spread = base.count() / 3;
  if (spread == 0) return base;
  return base + Milliseconds(std::uniform_int_distribution<std::int64_t>(-spread, spread)(random_));
}

bool HttpEnd::is_our_fault() const {
  return code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_FAILED_INIT ||
         code == CURLE_OUT_OF_MEMORY || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_TOO_MANY_REDIRECTS;
}

bool HttpEnd::is_unreachable() const {
  return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
         code == CURLE_OPERATION_TIMEDOUT || code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION;
}

HttpRequest::HttpRequest(const Target& target, const std::vector<std::string>& more_headers, Handlers handlers)
    : handlers_(std::move(handlers)) {
  global_init();
  multi_ = curl_multi_init();
  easy_ = curl_easy_init();
  BROADSIDE_ASSERT(multi_ != nullptr && easy_ != nullptr);
  set_options(target, more_headers);
  const CURLMcode code = curl_multi_add_handle(multi_, easy_);
  BROADSIDE_ASSERT(code == CURLM_OK);
}

HttpRequest::~HttpRequest() {
  curl_multi_remove_handle(multi_, easy_);
  curl_easy_cleanup(easy_);
  curl_multi_cleanup(multi_);
  curl_slist_free_all(headers_);
}

void HttpRequest::set_options(const Target& target, const std::vector<std::string>& more_headers) {
  for (const auto* list : {&more_headers, &target.headers}) {
    for (const std::string& header : *list) headers_ = curl_slist_append(headers_, header.c_str());
  }
  if (handlers_.body_source) {
    // Without it libcurl would wait a second for "100 Continue" before it sends the first line.
    headers_ = curl_slist_append(headers_, "Expect:");
    headers_ = curl_slist_append(headers_, "Transfer-Encoding: chunked");
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &HttpRequest::on_read);
    curl_easy_setopt(easy_, CURLOPT_READDATA, this);
  } else {
    curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy_, CURLOPT_MAXREDIRS, 10L);
  }
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
  curl_easy_setopt(easy_, CURLOPT_URL, target.url.c_str());
  if (!target.unix_socket.empty()) curl_easy_setopt(easy_, CURLOPT_UNIX_SOCKET_PATH, target.unix_socket.c_str());
  if (!target.ca_file.empty()) curl_easy_setopt(easy_, CURLOPT_CAINFO, target.ca_file.c_str());
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, target.is_insecure ? 0L : 1L);
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, target.is_insecure ? 0L : 2L);
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, "broadside");
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &HttpRequest::on_write);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy_, CURLOPT_OPENSOCKETFUNCTION, &HttpRequest::on_open_socket);
  curl_easy_setopt(easy_, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy_, CURLOPT_CLOSESOCKETFUNCTION, &HttpRequest::on_close_socket);
  curl_easy_setopt(easy_, CURLOPT_CLOSESOCKETDATA, this);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
}

std::size_t HttpRequest::on_write(char* bytes, std::size_t size, std::size_t count, void* self) noexcept {
  auto& request = *static_cast<HttpRequest*>(self);
  const std::string_view text(bytes, size * count);
  if (request.status() == 200) return request.handlers_.on_body(text) ? text.size() : 0;
  request.refusal_body_.append(
      text.substr(0, kRefusalBodyBytesMax - std::min(kRefusalBodyBytesMax, request.refusal_body_.size())));
  return text.size();
}

std::size_t HttpRequest::on_read(char* out, std::size_t size, std::size_t count, void* self) noexcept {
  auto& request = *static_cast<HttpRequest*>(self);
  const std::optional<std::size_t> length = request.handlers_.body_source(out, size * count);
  if (length) return *length;
  request.is_sending_paused_ = true;
  return CURL_READFUNC_PAUSE;
}

void HttpRequest::wait(std::span<curl_waitfd> others, Milliseconds wait) {
  std::array<curl_waitfd, 4> descriptors{};
  BROADSIDE_ASSERT(others.size() < descriptors.size());
  std::copy(others.begin(), others.end(), descriptors.begin());
  std::size_t count = others.size();
  const int connection = is_sending_paused_ ? connection_fd() : -1;  // See is_peer_gone().
  if (connection >= 0) descriptors[count++] = {.fd = connection, .events = CURL_WAIT_POLLIN, .revents = 0};
  curl_multi_poll(multi_, descriptors.data(), static_cast<unsigned>(count), static_cast<int>(wait.count()), nullptr);
  // libcurl wakes for a hang-up but does not report it, and the end of a pipe is nothing but a hang-up: ask again.
  wait_for(others, Milliseconds(0));
}

std::optional<HttpEnd> HttpRequest::step() {
  int running = 0;
  const CURLMcode multi_code = curl_multi_perform(multi_, &running);
  BROADSIDE_ASSERT(multi_code == CURLM_OK);
  int left = 0;
  const CURLMsg* message = curl_multi_info_read(multi_, &left);
  const bool is_done = message != nullptr && message->msg == CURLMSG_DONE;
  if (!is_done && !(is_sending_paused_ && is_peer_gone())) return std::nullopt;
  HttpEnd end{.code = is_done ? message->data.result : CURLE_OK,
              .status = status(),
              .message = "the connection was closed",
              .body = std::move(refusal_body_),
              .retry_after_s = 0};
  if (is_done) end.message = error_[0] != '\0' ? error_ : curl_easy_strerror(end.code);
  curl_off_t retry_after = 0;
  if (curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK)
    end.retry_after_s = static_cast<long>(retry_after);
  return end;
}

void HttpRequest::resume_sending() {
  if (!is_sending_paused_) return;
  is_sending_paused_ = false;
  curl_easy_pause(easy_, CURLPAUSE_CONT);
}

// CURLINFO_ACTIVESOCKET of 7.88 forgets the socket just when it is needed, see is_peer_gone(): so we open them ourselves.
curl_socket_t HttpRequest::on_open_socket(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept {
  static_cast<void>(purpose);
  const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd < 0) return CURL_SOCKET_BAD;
  static_cast<HttpRequest*>(self)->sockets_.push_back(fd);
  return fd;
}

int HttpRequest::on_close_socket(void* self, curl_socket_t socket) noexcept {
  std::erase(static_cast<HttpRequest*>(self)->sockets_, socket);
  return close(socket);
}

// libcurl 7.88 stops watching a connection when the answer has ended while sending is paused, and would wait for us forever
// (seen with a connection closed by a proxy in the middle of a chunked answer).
bool HttpRequest::is_peer_gone() const {
  pollfd connection{.fd = connection_fd(), .events = POLLRDHUP, .revents = 0};
  if (connection.fd < 0 || poll(&connection, 1, 0) != 1) return false;
  char byte = 0;
  return recv(connection.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;  // What is still unread is libcurl's to read first.
}

long HttpRequest::status() const {
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

std::string HttpRequest::content_type() const {
  const char* text = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_CONTENT_TYPE, &text);
  std::string type(text == nullptr ? "" : text);
  type.resize(std::min(type.find(';'), type.size()));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  for (char& character : type) {
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
  }
  return type;
}

void wait_for(std::span<curl_waitfd> others, Milliseconds wait) {
  std::array<pollfd, 4> descriptors{};
  BROADSIDE_ASSERT(others.size() <= descriptors.size());
  for (std::size_t index = 0; index < others.size(); ++index) {
    descriptors[index] = {.fd = others[index].fd, .events = others[index].events, .revents = 0};
  }
  poll(descriptors.data(), others.size(), static_cast<int>(wait.count()));
  for (std::size_t index = 0; index < others.size(); ++index) others[index].revents = descriptors[index].revents;
}

}  // namespace broadside::tools
