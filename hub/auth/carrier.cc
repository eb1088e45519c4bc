// See carrier.h.
#include "hub/auth/carrier.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "proto/http_request.h"
#include "proto/http_tokens.h"
#include "proto/uri.h"

namespace broadside::hub {
namespace {

constexpr std::string_view kQueryName = "access_token";
constexpr std::string_view kScheme = "Bearer";

// Cuts the first piece off `rest`, up to `separator`.
std::string_view take_piece(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view piece = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return piece;
}

class Finder {
 public:
  void add(Carrier carrier, std::string_view token) {
    if (found_.carrier != Carrier::none) found_.problem = "there is more than one token in the request; send one, one way";
    found_.carrier = carrier;
    found_.token = token;
  }
  void refuse(const char* problem) { found_.problem = problem; }
  [[nodiscard]] CarriedToken take() { return std::move(found_); }

 private:
  CarriedToken found_;
};

// Another scheme is for somebody else, perhaps a proxy in front of us.
void look_at_authorization(std::string_view value, Finder& finder) {
  const std::string_view scheme = take_piece(value, ' ');
  if (equals_ignoring_case(scheme, kScheme)) finder.add(Carrier::header, without_white_space(value));
}

// RFC 6265 section 4.2.1. An empty one is what is left of a cookie after a logout.
void look_at_cookies(std::string_view value, std::string_view name, Finder& finder) {
  while (!value.empty()) {
    std::string_view cookie = take_piece(value, ';');
    const std::string_view cookie_name = without_white_space(take_piece(cookie, '='));
    const std::string_view token = without_white_space(cookie);
    if (cookie_name == name && !token.empty()) finder.add(Carrier::cookie, token);
  }
}

void look_at_query(std::string_view query, bool is_taken, Finder& finder) {
  QueryParameters parameters(query);
  // Also behind a bad escape: what is made of that is for others to say.
  while (parameters.next() != QueryParameters::Step::end) {
    if (parameters.name() != kQueryName) continue;
    // Passing over it would make somebody else of who sends it.
    if (!is_taken) finder.refuse("this server takes no token from the query (--auth-query)");
    finder.add(Carrier::query, parameters.value());
  }
}

}  // namespace

CarriedToken find_token(const Request& request, const CarrierOptions& options) {
  Finder finder;
  for (const RequestHeader& header : request.headers) {
    if (equals_ignoring_case(header.name, "Authorization")) look_at_authorization(header.value, finder);
    if (!options.cookie.empty() && equals_ignoring_case(header.name, "Cookie")) {
      look_at_cookies(header.value, options.cookie, finder);
    }
  }
  look_at_query(request.query, options.takes_query, finder);
  return finder.take();
}

std::string without_token(std::string_view query) {
  std::string safe;
  for (;;) {
    const std::size_t end = query.find('&');
    const std::string_view parameter = query.substr(0, end);
    const std::string_view name = parameter.substr(0, parameter.find('='));
    const bool is_token = percent_decode(name, true) == kQueryName;
    safe += is_token ? std::string(name) + "=***" : std::string(parameter);
    if (end == std::string_view::npos) return safe;
    safe += '&';
    query.remove_prefix(end + 1);
  }
}

std::string cookie_problem(std::string_view name) {
  const bool is_name =
      std::all_of(name.begin(), name.end(), [](char byte) { return is_token_byte(static_cast<unsigned char>(byte)); });
  return is_name ? "" : "`" + std::string(name) + "` is no cookie's name: letters, digits, and !#$%&'*+-.^_`|~";
}

}  // namespace broadside::hub
