// The options of `broadside serve` that concern TLS, and what they make of its addresses.
#pragma once

#include <string>
#include <vector>

#include "tools/option_table.h"
#include "tools/serve_options.h"

namespace broadside::tools {

void add_tls_options(OptionTable& table, ServeOptions& options);

// What is wrong with them before any file is read; empty if nothing is.
[[nodiscard]] std::string tls_problem(const ServeOptions& options);

// With certificates whatever says neither http:// nor https:// is https://; a Unix socket stays plain.
void choose_schemes(const hub::TlsOptions& tls, std::vector<std::string>& addresses);

}  // namespace broadside::tools
