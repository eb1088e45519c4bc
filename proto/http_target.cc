#include "proto/http_target.h"

#include <cstddef>

namespace broadside {
namespace {

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }
bool is_hex_digit(char byte) { return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F'); }
bool is_letter(char byte) { return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z'); }

// reg-name of RFC 3986 without the comma.
bool is_valid_name(std::string_view name) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char byte = name[i];
    if (byte == '%') {
      if (name.size() - i < 3 || !is_hex_digit(name[i + 1]) || !is_hex_digit(name[i + 2])) return false;
      i += 2;
    } else if (!is_letter(byte) && !is_digit(byte) && std::string_view("-._~!$&'()*+;=").find(byte) == std::string_view::npos) {
      return false;
    }
  }
  return !name.empty();
}

bool is_valid_port(std::string_view port) {
  if (port.size() > 5) return false;
  unsigned number = 0;
  for (const char byte : port) {
    if (!is_digit(byte)) return false;
    number = number * 10 + static_cast<unsigned>(byte - '0');
  }
  return number <= 65535;
}

}  // namespace

Method method_of(std::string_view text) {
  struct Name {
    std::string_view text;
    Method method;
  };
  constexpr Name kNames[] = {
      {"GET", Method::get},     {"POST", Method::post},       {"HEAD", Method::head},
      {"DELETE", Method::del},  {"OPTIONS", Method::options}, {"PUT", Method::put},
      {"PATCH", Method::patch}, {"TRACE", Method::trace},     {"CONNECT", Method::connect},
  };
  for (const Name& name : kNames) {
    if (name.text == text) return name.method;
  }
  return Method::other;
}

bool split_target(Method method, std::string_view target, TargetParts& parts) {
  parts = TargetParts();
  if (method == Method::connect) {
    parts.path = parts.authority = target;
    return is_valid_host(target) && target.find(':') != std::string_view::npos;
  }
  if (target == "*") {
    parts.path = target;
    return method == Method::options;
  }
  std::string_view rest = target;
  if (!target.starts_with('/')) {
    const std::size_t scheme_end = target.find("://");
    if (scheme_end == std::string_view::npos) return false;
    const std::string_view scheme = target.substr(0, scheme_end);
    if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https")) return false;
    rest.remove_prefix(scheme_end + 3);
    const std::size_t authority_end = rest.find_first_of("/?");
    parts.authority = rest.substr(0, authority_end);
    rest = authority_end == std::string_view::npos ? std::string_view() : rest.substr(authority_end);
    if (!is_valid_host(parts.authority)) return false;
  }
  const std::size_t question = rest.find('?');
  parts.has_query = question != std::string_view::npos;
  if (parts.has_query) parts.query = rest.substr(question + 1);
  parts.path = rest.substr(0, question);
  // RFC 9110 4.2.3: an empty path is `/`. With OPTIONS it is `*` (RFC 9112 3.2.4).
  if (parts.path.empty()) parts.path = method == Method::options && !parts.has_query ? "*" : "/";
  return true;
}

bool is_valid_host(std::string_view host) {
  std::size_t port_colon = std::string_view::npos;
  if (host.starts_with('[')) {
    const std::size_t bracket = host.find(']');
    if (bracket == std::string_view::npos || bracket < 3) return false;
    for (const char byte : host.substr(1, bracket - 1)) {
      if (!is_hex_digit(byte) && byte != ':' && byte != '.') return false;
    }
    if (host.substr(1, bracket - 1).find(':') == std::string_view::npos) return false;
    if (bracket + 1 == host.size()) return true;
    if (host[bracket + 1] != ':') return false;
    port_colon = bracket + 1;
  } else {
    port_colon = host.find(':');
    if (!is_valid_name(host.substr(0, port_colon))) return false;
    if (port_colon == std::string_view::npos) return true;
  }
  return is_valid_port(host.substr(port_colon + 1));
}

}  // namespace broadside
