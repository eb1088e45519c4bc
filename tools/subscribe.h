// `broadside subscribe URL`: prints the events of a stream and reconnects as a browser's EventSource does.
#pragma once

#include <CLI/App.hpp>

namespace broadside::tools {

// Adds the command to the program. When it was asked for, its callback prints events until the stream's end, a limit or a stop
// signal, and sets `exit_status`: 0 = the topics have ended (204), the limit was reached or nobody reads any more; 1 = the
// server refused, or was lost under --no-reconnect; 128 and the signal's number = stopped.
CLI::App* add_subscribe_command(CLI::App& program, int& exit_status);

}  // namespace broadside::tools
