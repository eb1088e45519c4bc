// See route.h.
#include "hub/route.h"

#include <optional>

#include "proto/uri.h"

namespace broadside::hub {
namespace {

struct Fixed {
  std::string_view path;
  Resource resource;
};
constexpr Fixed kFixed[] = {
    {"/", Resource::page},           {"/events", Resource::events},           {"/topics", Resource::topics},
    {"/healthz", Resource::healthz}, {"/readyz", Resource::readyz},           {"/metrics", Resource::metrics},
    {"*", Resource::server},         {"/connections", Resource::connections},
};
// Everything behind the prefix is the name.
constexpr Fixed kNamed[] = {
    {"/events/", Resource::topic_log},
    {"/connections/", Resource::connection},
    {"/topics/", Resource::topic},
};

constexpr std::string_view kTokenSuffix = "/token";

}  // namespace

Route route_of(std::string_view path) {
  for (const Fixed& fixed : kFixed) {
    if (fixed.path == path) return {.resource = fixed.resource, .name = {}};
  }
  for (const Fixed& named : kNamed) {
    if (!path.starts_with(named.path)) continue;
    std::string_view rest = path.substr(named.path.size());
    const bool is_token = named.resource == Resource::connection && rest.ends_with(kTokenSuffix);
    if (is_token) rest.remove_suffix(kTokenSuffix.size());
    std::optional<std::string> name = percent_decode(rest, false);
    if (!name) return {.resource = Resource::bad_escape, .name = {}};
    if (is_token) return {.resource = Resource::connection_token, .name = std::move(*name)};
    return {.resource = named.resource, .name = std::move(*name)};
  }
  const bool is_decodable = percent_decode(path, false).has_value();
  return {.resource = is_decodable ? Resource::unknown : Resource::bad_escape, .name = {}};
}

bool is_administration(Resource resource) {
  switch (resource) {
    case Resource::connections:
    case Resource::topics:
    case Resource::topic:
    case Resource::metrics:
      return true;
    case Resource::page:
    case Resource::events:
    case Resource::topic_log:
    case Resource::connection:
    case Resource::connection_token:
    case Resource::healthz:
    case Resource::readyz:
    case Resource::server:
    case Resource::unknown:
    case Resource::bad_escape:
      return false;
  }
  return false;
}

std::string_view allowed_methods(Resource resource, bool is_diagnostic_echo) {
  switch (resource) {
    case Resource::page:
      return is_diagnostic_echo ? "GET, HEAD, POST, OPTIONS" : "GET, HEAD, OPTIONS";
    case Resource::events:
      return "GET, HEAD, POST, OPTIONS";
    case Resource::topic_log:
      return "GET, HEAD, POST, DELETE, OPTIONS";
    case Resource::connection:
    case Resource::connection_token:
      return "POST, OPTIONS";
    case Resource::connections:
    case Resource::topics:
    case Resource::topic:
    case Resource::healthz:
    case Resource::readyz:
    case Resource::metrics:
      return "GET, HEAD, OPTIONS";
    case Resource::server:
      return "GET, HEAD, POST, DELETE, OPTIONS";
    case Resource::unknown:
    case Resource::bad_escape:
      return {};
  }
  return {};
}

}  // namespace broadside::hub
