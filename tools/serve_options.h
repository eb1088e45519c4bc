// The flags of `broadside serve` and their environment variables, and what they say to the engine and the hub.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "broadside/config.h"
#include "hub/hub.h"
#include "tools/stderr_log.h"

namespace broadside::tools {

struct ServeOptions {
  Config config;
  std::vector<std::string> cors_origins;
  std::vector<std::string> anonymous_publish;
  bool is_diagnostic_echo = false;
  bool is_demo = false;
  bool has_access_log = false;
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
};

// Adds every flag to `command`; parsing fills `options`, which must live until then.
void add_serve_options(CLI::App& command, ServeOptions& options);

// What forbids starting with these: an address that others can reach, and nobody said that they may publish. Says what to do;
// empty if nothing does.
[[nodiscard]] std::string start_refusal(const ServeOptions& options);

[[nodiscard]] hub::HubOptions hub_options(const ServeOptions& options);

}  // namespace broadside::tools
