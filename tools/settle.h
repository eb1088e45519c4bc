// What the server shall do, from all who have a say: a flag beats the environment, the environment the file, the file the
// default. And how what it does changes when the file is read again. Pure: whoever calls reads the file.
#pragma once

#include <string>
#include <vector>

#include "tools/config_file.h"
#include "tools/option_table.h"
#include "tools/serve_options.h"

namespace broadside::tools {

struct Settled {
  ServeOptions options;
  std::vector<std::string> problems;  // Everything that is wrong, each with its place. Empty: `options` can be served.
};

// `given` are the flags and environment variables, each good by itself.
[[nodiscard]] Settled settle(const std::vector<Setting>& given, const ConfigFile& file);

// All rules of a section in one line: "stocks.*: history_events 1000, ...".
[[nodiscard]] std::string section_text(TopicSection section);

// What a reload does.
struct Reload {
  ServeOptions options;              // What may change as it is wanted, all else as it runs.
  std::vector<std::string> changes;  // "history_events 1000 -> 500", "topic chat.* added".
  std::vector<std::string> waiting;  // "shards 2 -> 4": needs a restart.
};
[[nodiscard]] Reload plan_reload(ServeOptions running, ServeOptions wanted);

}  // namespace broadside::tools
