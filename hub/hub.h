// The product around the engine: answers every request that is no subscription, decides who may subscribe, and what that carries
// (CORS). Called on the shards' threads; immutable after attach(), but for limits and keys.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broadside/config.h"
#include "broadside/engine.h"
#include "broadside/handler.h"
#include "engine/clock.h"
#include "hub/auth/audit.h"
#include "hub/auth/authority.h"
#include "hub/cors.h"
#include "hub/ndjson_publish.h"
#include "hub/publish_limit.h"
#include "hub/route.h"

namespace broadside::hub {

struct HubOptions {
  AuthorityOptions authority;                    // Its addresses are those of Config::listen.
  std::vector<std::string> cors_origins;         // Each without a Cors::origin_problem().
  std::uint64_t event_bytes_max = 256 << 10;     // As Config::event_bytes_max.
  PublishRates publish_rates;                    // Of each publisher.
  std::uint32_t address_prefix6 = 64;            // As Config::address_prefix6.
  std::uint64_t hsts_s = 0;                      // Strict-Transport-Security on https:// addresses; 0: none.
  bool is_diagnostic_echo = false;               // POST / answers with its body.
  LogSink* access_log = nullptr;                 // A line for each request; outlives the hub.
  LogSink* audit_log = nullptr;                  // What was refused, or needed a right; outlives the hub.
  AuditLevel audit_level = AuditLevel::refused;  // How much of that.
  const Clock* clock = &system_clock();          // Outlives the hub.
};

class Hub final : public RequestHandler, private BatchPublisher {
 public:
  explicit Hub(const HubOptions& options);

  // Requires: called once, before the engine is started. The engine does not move afterwards.
  void attach(Engine& engine);
  // From any thread, as what follows. The keys that tokens are signed with from here on; none: there are no tokens.
  void set_keys(KeySet keys) { authority_.set_keys(std::move(keys)); }
  void set_publish_rates(const PublishRates& rates) { publish_limit_.set_rates(rates); }
  void set_event_bytes_max(std::uint64_t bytes) { event_bytes_max_.store(bytes, std::memory_order_relaxed); }
  // Whether every shard makes progress: what GET /healthz answers.
  [[nodiscard]] Response health() const;

  Response on_request(const Request& request) noexcept override;
  StreamDecision on_stream(const Request& request) noexcept override;
  SubscribeDecision authorise(const Request& request, const SubscribeRequest& wanted) noexcept override;
  std::string common_headers(const Request& request) noexcept override;
  void on_answered(const Request& request, int status, std::string_view reason) noexcept override;

 private:
  Result<Done> publish_batch(std::span<const BatchEntry> batch, std::vector<Published>& out, std::size_t* bad_index) override;

  Response answer(const Request& request);
  Response answer_get(const Request& request, const Route& route);
  Response answer_post(const Request& request, const Route& route);
  Response answer_options(const Request& request, const Route& route) const;

  [[nodiscard]] Caller caller_of(const Request& request) const;
  // Whether `caller` may have streams of all of `topics`.
  [[nodiscard]] Verdict subscribe_verdict(const Request& request, std::span<const std::string> topics, const Caller& caller);
  // Whether the request may see what the server says of itself.
  [[nodiscard]] Verdict admin_verdict(const Request& request);
  void audit(const Request& request, std::string_view action, std::string_view target, const Caller& caller,
             const Verdict& verdict);

  // hub/listing_route.cc
  Response list_topics(const Request& request);
  Response list_connections(const Request& request);

  // hub/publish_route.cc
  [[nodiscard]] PublishAccess access_of(const Request& request);
  [[nodiscard]] PublishShare share_of(const Request& request, const Caller& caller);
  Response publish_raw(const Request& request, const std::string& topic);
  Response publish_lines(const Request& request, const std::string& path_topic);
  Response end_topic(const Request& request, const std::string& topic);
  Response send_to_connection(const Request& request, const std::string& connection);
  Response renew_connection(const Request& request, const std::string& connection);
  [[nodiscard]] NdjsonTarget ndjson_target(const Request& request, const std::string& path_topic);

  void log_access(const Request& request, int status, std::string_view refusal = {}) const;

  Cors cors_;
  Authority authority_;
  PublishLimit publish_limit_;
  std::atomic<std::uint64_t> event_bytes_max_;
  bool is_diagnostic_echo_;
  std::uint64_t sealed_listeners_ = 0;  // A bit each.
  std::string hsts_;                    // The header line; empty: none.
  LogSink* access_log_;
  AuditLog audit_log_;
  const Clock* clock_;
  Engine* engine_ = nullptr;
  std::uint64_t started_ms_ = 0;  // Of attach(), on the clock of Stats::monotonic_ms.
};

}  // namespace broadside::hub
