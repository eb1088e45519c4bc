// See publish_guard.h.
#include "hub/publish_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <utility>

#include "engine/io/socket.h"
#include "proto/http_request.h"

namespace broadside::hub {
namespace {

// "[::1]:8080" -> "::1", "localhost:80" -> "localhost".
std::string_view without_port(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
  return authority.substr(0, authority.find(':'));
}

bool is_loopback_host(const std::string& host) {
  if (equals_ignoring_case(host, "localhost")) return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool has_header(const Request& request, std::string_view name) { return request.header(name).data() != nullptr; }

}  // namespace

Listener listener_of(std::string_view listen) {
  const Result<io::ListenAddress> address = io::parse_listen_address(listen);
  if (!address) return {};
  if (address.value().is_unix()) return {.host = {}, .is_loopback = true};
  return {.host = std::string(without_port(io::without_scheme(listen))),
          .is_loopback = io::is_loopback(address.value()),
          .is_sealed = address.value().is_sealed};
}

PublishGuard::PublishGuard(std::vector<Listener> listeners, std::vector<std::string> patterns, Cors cors)
    : listeners_(std::move(listeners)), patterns_(std::move(patterns)), cors_(std::move(cors)) {}

bool PublishGuard::is_own_host(std::string_view host) const {
  const std::string name(without_port(host));
  if (name.empty()) return false;
  if (is_loopback_host(name)) return true;
  for (const Listener& listener : listeners_) {
    if (equals_ignoring_case(listener.host, name)) return true;
  }
  return false;
}

std::string PublishGuard::why_not_local(const Request& request) const {
  if (request.listener >= listeners_.size() || !listeners_[request.listener].is_loopback) return "this address is not loopback";
  if (request.is_proxied) return "the request came through a proxy";
  for (const std::string_view name : {"Forwarded", "X-Forwarded-For", "Via"}) {
    if (has_header(request, name)) return std::string(name) + " says that the request came through a proxy";
  }
  if (!is_own_host(request.host)) return "its Host is neither loopback nor a --listen address, against DNS rebinding";
  return {};
}

bool PublishGuard::is_from_foreign_page(const Request& request) const {
  const std::string_view origin = request.header("Origin");
  if (origin.data() == nullptr || cors_.is_named(origin)) return false;
  const std::string host(request.host);
  const bool is_sealed = request.listener < listeners_.size() && listeners_[request.listener].is_sealed;
  // https where we are not sealed: something in front of us ended it.
  const bool is_own =
      equals_ignoring_case(origin, "https://" + host) || (!is_sealed && equals_ignoring_case(origin, "http://" + host));
  return host.empty() || !is_own;
}

PublishRight PublishGuard::right_of(const Request& request) const {
  const std::string why = why_not_local(request);
  if (why.empty()) return right_without_token(request, {});
  return right_without_token(request, forbidden("publishing without a token is for programs of this machine alone, and " + why +
                                                "; topics that anybody may publish to are named with --anonymous-publish"));
}

PublishRight PublishGuard::right_without_token(const Request& request, const Verdict& otherwise) const {
  if (!is_from_foreign_page(request)) return {otherwise, &patterns_};
  // `*` lets every page read. It lets them publish only where --anonymous-publish says anybody may.
  return {forbidden("pages of this Origin may not publish; name it with --cors-origin"),
          cors_.allows_any() ? &patterns_ : nullptr};
}

}  // namespace broadside::hub
