// The options of `broadside serve`, and what they say to the engine and the hub.
#pragma once

#include <string>
#include <vector>

#include "broadside/config.h"
#include "hub/auth/key_source.h"
#include "hub/hub.h"
#include "hub/tls/context.h"
#include "tools/confinement.h"
#include "tools/option_table.h"
#include "tools/stderr_log.h"

namespace broadside::tools {

struct ServeOptions {
  ServeOptions() { config.listen = {"127.0.0.1:8080"}; }

  Config config;
  std::vector<std::string> cors_origins;
  std::vector<std::string> admin_listen;  // Beside Config::listen.
  std::vector<std::string> anonymous_subscribe;
  std::vector<std::string> anonymous_publish;
  hub::KeySources keys;
  hub::CarrierOptions carriers;
  hub::TokenRules token_rules;
  hub::AuditLevel audit_level = hub::AuditLevel::refused;
  hub::TlsOptions tls;
  hub::PublishRates publish_rates;
  std::uint64_t hsts_ms = 180ULL * 86'400'000;  // What testers call long enough.
  ConfinementOptions confinement;
  bool is_diagnostic_echo = false;
  bool is_demo = false;
  bool has_access_log = false;
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
};

// Adds every option but those of single topics' sections. `options` lives as long as the table.
void add_serve_options(OptionTable& table, ServeOptions& options);
// Those that may differ from topic to topic; add_serve_options() adds them for Config::defaults.
void add_topic_options(OptionTable& table, TopicRules& rules);

// What forbids starting with these: an address that others can reach, and nobody said who may publish; what would have no effect
// and is thought to protect. Says what to do; empty if nothing does.
[[nodiscard]] std::string start_refusal(const ServeOptions& options);

// Where to listen for programs of this machine that look at the server, if nothing was said: nowhere while an address of --listen
// is loopback, where they may do that as well.
[[nodiscard]] std::vector<std::string> default_admin_listen(const ServeOptions& options);

// What the engine gets: with the addresses of --admin-listen behind the others.
[[nodiscard]] Config engine_config(const ServeOptions& options);
[[nodiscard]] hub::HubOptions hub_options(const ServeOptions& options);

}  // namespace broadside::tools
