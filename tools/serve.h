// `broadside serve`: the server.
#pragma once

#include <CLI/App.hpp>

namespace broadside::tools {

// Adds the command to the program. When it was asked for, its callback serves until SIGTERM or SIGINT and sets `exit_status`:
// 0 = drained, 1 = did not start, or a second signal cut the drain short.
CLI::App* add_serve_command(CLI::App& program, int& exit_status);

}  // namespace broadside::tools
