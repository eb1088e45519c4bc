// The words of the command line, of which others on this machine see a copy in /proc/PID/cmdline.
#pragma once

#include <string>
#include <vector>

namespace broadside::tools {

// All but the program's name, the last one first, as CLI::App::parse() takes them. The values of `--token` are overwritten where
// others would see them.
[[nodiscard]] std::vector<std::string> take_command_words(int count, char** words);

}  // namespace broadside::tools
