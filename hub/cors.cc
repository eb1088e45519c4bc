// See cors.h.
#include "hub/cors.h"

#include <algorithm>

#include "proto/http_target.h"

namespace broadside::hub {
namespace {

// A day: browsers cut it to what they like (Chromium: two hours).
constexpr const char* kPreflightHeaders =
    "Access-Control-Allow-Methods: GET, POST, DELETE\r\n"
    "Access-Control-Allow-Headers: Last-Event-ID, Content-Type, Authorization, Cache-Control\r\n"
    "Access-Control-Max-Age: 86400\r\n";

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& byte : lower) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  }
  return lower;
}

}  // namespace

std::string Cors::origin_problem(std::string_view origin) {
  if (origin == "*") return {};
  const std::size_t scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos || scheme_end == 0) {
    return "`" + std::string(origin) + "` is no origin; write it as a browser does: https://app.example, or * for any";
  }
  if (!is_valid_host(origin.substr(scheme_end + 3))) {
    return "`" + std::string(origin) + "` is no origin; after :// stand a host and perhaps a port, no path and no slash";
  }
  return {};
}

Cors::Cors(const std::vector<std::string>& origins) {
  for (const std::string& origin : origins) {
    if (origin == "*") {
      allows_any_ = true;
    } else {
      named_.push_back(lower_case(origin));
    }
  }
}

bool Cors::is_named(std::string_view origin) const { return std::find(named_.begin(), named_.end(), origin) != named_.end(); }

std::string Cors::headers_for(std::string_view origin) const {
  std::string headers;
  if (is_named(origin)) {
    headers += "Access-Control-Allow-Origin: ";
    headers += origin;
    headers += "\r\nAccess-Control-Allow-Credentials: true\r\n";
  } else if (allows_any_) {
    headers += "Access-Control-Allow-Origin: *\r\n";
  }
  // Also where nothing is allowed: a cache must not give this answer to an origin that is.
  if (!named_.empty()) headers += "Vary: Origin\r\n";
  return headers;
}

std::string Cors::preflight_headers_for(std::string_view origin) const {
  return is_named(origin) || allows_any_ ? kPreflightHeaders : "";
}

}  // namespace broadside::hub
