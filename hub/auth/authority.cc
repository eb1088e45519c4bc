// See authority.h.
#include "hub/auth/authority.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "hub/auth/jwt.h"

namespace broadside::hub {
namespace {

constexpr const char* kChallenge = "WWW-Authenticate: Bearer realm=\"broadside\"";

std::vector<Listener> listeners_of(const AuthorityOptions& options) {
  std::vector<Listener> listeners;
  for (const auto* addresses : {&options.listen, &options.admin_listen}) {
    for (const std::string& address : *addresses) listeners.push_back(listener_of(address));
  }
  return listeners;
}

// RFC 6750 section 3.1. `description` goes into a quoted string: no quotes, no backslashes.
std::string challenge(std::string_view error, std::string_view description) {
  return std::string(kChallenge) + ", error=\"" + std::string(error) + "\", error_description=\"" + std::string(description) +
         "\"\r\n";
}

Verdict needs_token(const std::string& what) {
  return {.status = 401,
          .detail = what + " needs a token: Authorization: Bearer TOKEN",
          .headers = std::string(kChallenge) + "\r\n",
          .reason = what + " needs a token, and there is none"};
}

Verdict lacks_right(std::string detail) {
  Verdict verdict = forbidden(std::move(detail));
  verdict.headers = challenge("insufficient_scope", "the token does not allow this");
  return verdict;
}

Verdict malformed(const std::string& problem) {
  return {.status = 400, .detail = problem, .headers = challenge("invalid_request", problem), .reason = {}};
}

// Only of what has expired is told more: everything else about such a token was right.
Verdict bad_token(TokenFault fault) {
  const std::string told(fault == TokenFault::expired ? describe(fault) : "the token is not valid here");
  return {.status = 401, .detail = told, .headers = challenge("invalid_token", told), .reason = std::string(describe(fault))};
}

// When what the token allowed ends: at `exp`, or, if only the allowance for clocks that differ let it in, when that is over too.
std::int64_t end_of(const Claims& claims, const TokenRules& rules, std::int64_t now_ms) {
  if (!claims.expires_ms) return kNeverMs;
  return *claims.expires_ms > now_ms ? *claims.expires_ms : *claims.expires_ms + rules.clock_skew_ms;
}

}  // namespace

Authority::Authority(const AuthorityOptions& options, const Cors& cors)
    : guard_(listeners_of(options), options.anonymous_publish, cors),
      anonymous_subscribe_(options.anonymous_subscribe),
      carriers_(options.carriers),
      rules_(options.rules),
      is_opened_(options.listen.size(), false) {
  for (const std::string& address : options.admin_listen) is_opened_.push_back(!listener_of(address).is_loopback);
}

void Authority::set_keys(KeySet keys) {
  auto fresh = std::make_shared<const KeySet>(std::move(keys));
  const std::lock_guard lock(mutex_);
  keys_.swap(fresh);
}

Caller Authority::caller_of(const Request& request, std::int64_t now_ms) const {
  const std::shared_ptr<const KeySet> keys = [this] {
    const std::lock_guard lock(mutex_);
    return keys_;
  }();
  Caller caller;
  if (keys->is_empty()) return caller;
  const CarriedToken carried = find_token(request, carriers_);
  caller.carrier = carried.carrier;
  if (!carried.problem.empty()) {
    caller.kind = Caller::Kind::refused;
    caller.refusal = malformed(carried.problem);
    return caller;
  }
  if (carried.carrier == Carrier::none) {
    caller.kind = Caller::Kind::anonymous;
    return caller;
  }
  Token token;
  const TokenFault fault = check_token(carried.token, *keys, rules_, now_ms, token);
  caller.subject = std::move(token.claims.subject);
  caller.key_id = std::move(token.key_id);
  if (fault != TokenFault::none) {
    caller.kind = Caller::Kind::refused;
    caller.refusal = bad_token(fault);
    return caller;
  }
  caller.kind = Caller::Kind::known;
  if (caller.subject.empty()) caller.token_hash = std::hash<std::string>()(carried.token);
  caller.expires_ms = end_of(token.claims, rules_, now_ms);
  caller.rights = std::move(token.claims.rights);
  return caller;
}

Verdict Authority::subscribe(const Caller& caller, std::span<const std::string> topics) const {
  if (caller.kind == Caller::Kind::open) return {};
  if (caller.kind == Caller::Kind::refused) return caller.refusal;
  const auto forbidden_one = std::find_if(topics.begin(), topics.end(), [&](const std::string& topic) {
    return !matches_any(anonymous_subscribe_, topic) && !matches_any(caller.rights.subscribe, topic);
  });
  if (forbidden_one == topics.end()) return {};
  if (caller.kind == Caller::Kind::anonymous) return needs_token("subscribing");
  return lacks_right("the token does not allow to subscribe to `" + *forbidden_one + "`");
}

Verdict Authority::check_page(const Caller& caller, const Request& request) const {
  if (caller.carrier != Carrier::cookie) return {};
  // Browsers send Origin with every POST and DELETE.
  if (request.header("Origin").data() != nullptr && !guard_.is_from_foreign_page(request)) return {};
  return forbidden("with a token in a cookie the page's Origin must be this server's, or named with --cors-origin");
}

Verdict Authority::renew(const Caller& caller, const Request& request) const {
  switch (caller.kind) {
    case Caller::Kind::open:
      return forbidden("this server has no keys: nothing expires here");
    case Caller::Kind::anonymous:
      return needs_token("renewing");
    case Caller::Kind::refused:
      return caller.refusal;
    case Caller::Kind::known:
      return check_page(caller, request);
  }
  return {};
}

PublishRight Authority::publish_right(const Caller& caller, const Request& request) const {
  switch (caller.kind) {
    case Caller::Kind::open:
      return guard_.right_of(request);
    case Caller::Kind::anonymous:
      return guard_.right_without_token(request, needs_token("publishing"));
    case Caller::Kind::refused:
      return {caller.refusal, nullptr};
    case Caller::Kind::known:
      break;
  }
  if (const Verdict page = check_page(caller, request); !page.is_allowed()) return {page, nullptr};
  return {lacks_right("the token does not allow to publish to this topic"), &guard_.patterns(), caller.rights.publish,
          caller.expires_ms};
}

Verdict Authority::send(const Caller& caller, const Request& request) const {
  switch (caller.kind) {
    case Caller::Kind::open:
      return guard_.right_of(request).verdict({});
    case Caller::Kind::anonymous:
      return needs_token("sending to a connection");
    case Caller::Kind::refused:
      return caller.refusal;
    case Caller::Kind::known:
      break;
  }
  if (Verdict page = check_page(caller, request); !page.is_allowed()) return page;
  return caller.rights.can_send ? Verdict{} : lacks_right("the token does not allow to send to connections");
}

Verdict Authority::administer(const Caller& caller, const Request& request) const {
  if (caller.kind == Caller::Kind::refused) return caller.refusal;
  if (caller.kind == Caller::Kind::known && caller.rights.is_admin) return {};
  // By which names and proxies such an address is reached is not known here.
  const bool is_opened = request.listener < is_opened_.size() && is_opened_[request.listener];
  const std::string why = is_opened ? std::string() : guard_.why_not_local(request);
  if (why.empty() && !guard_.is_from_foreign_page(request)) return {};
  if (caller.kind == Caller::Kind::anonymous) return needs_token("this");
  if (caller.kind == Caller::Kind::known) return lacks_right("the token does not allow this: it needs `admin`");
  return forbidden("this is for programs of this machine alone, and " +
                   (why.empty() ? std::string("a page of another Origin asks") : why) +
                   "; --admin-listen opens an address for it");
}

}  // namespace broadside::hub
