// `broadside load`: opens very many streams on any SSE server, publishes, and says what came, when, and what did not.
#pragma once

#include <CLI/App.hpp>

namespace broadside::tools {

// Adds the command to the program. When it was asked for, its callback runs it and sets `exit_status`: 0 = all as it should be,
// 1 = something was lost, refused or above a bound, 2 = it could not begin, 130 = stopped by Ctrl-C.
CLI::App* add_load_command(CLI::App& program, int& exit_status);

}  // namespace broadside::tools
