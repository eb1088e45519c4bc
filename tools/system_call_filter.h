// Leaves this process the system calls that a server with open listeners makes, by seccomp. Whoever makes it do something else
// (run a program, open a socket, write a file, look into another process) ends it.
#pragma once

#include <span>

#include "broadside/error.h"

namespace broadside::tools {

// The exit status of a process that was ended for a call, as a shell says SIGSYS.
constexpr int kExitSystemCall = 128 + 31;

// For all threads there are and will be, for good. `more` are names of further calls to allow. On another call a line on stderr
// has its number, and the process ends with kExitSystemCall.
[[nodiscard]] Result<Done> filter_system_calls(std::span<const char* const> more = {});

}  // namespace broadside::tools
