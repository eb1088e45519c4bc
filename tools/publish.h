// `broadside publish URL`: lines of standard input become events, over one endless request.
#pragma once

#include <CLI/App.hpp>

namespace broadside::tools {

// Adds the command to the program. When it was asked for, its callback publishes until the input's end or a stop signal, and
// sets `exit_status`: 0 = every line was published, 1 = some were not, 128 and the signal's number = stopped.
CLI::App* add_publish_command(CLI::App& program, int& exit_status);

}  // namespace broadside::tools
