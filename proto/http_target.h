// The parts of a request line and of Host that have a grammar of their own: methods, request targets, hosts.
#pragma once

#include <string_view>

#include "proto/http_request.h"

namespace broadside {

// The method that `text` names, in its one spelling; Method::other if none does.
[[nodiscard]] Method method_of(std::string_view text);

// The parts of a request target, as views into it.
struct TargetParts {
  std::string_view path;
  std::string_view query;
  std::string_view authority;  // Of the absolute form; else empty.
  bool has_query = false;
};

// Splits a target of RFC 9112 section 3.2: origin-form, absolute-form with http or https, `*` with OPTIONS, authority-form with
// CONNECT. False if it is none of these. Requires: `target` is printable ASCII without spaces.
[[nodiscard]] bool split_target(Method method, std::string_view target, TargetParts& parts);

// Whether `host` is a host and perhaps a port: a name, an IPv4 address or an IPv6 address in brackets. Not an empty one, no user
// information, no comma (which would make one field of two).
[[nodiscard]] bool is_valid_host(std::string_view host);

}  // namespace broadside
