// Reads the TOML of a configuration file into settings, each with its place. What the keys mean is not known here:
// tools/settle.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/option_table.h"

namespace broadside::tools {

// One [[topic]].
struct ConfigSection {
  std::vector<Setting> settings;
  std::string place;
};

struct ConfigFile {
  std::vector<Setting> settings;  // In the order of the file, as the sections and their settings.
  std::vector<ConfigSection> sections;
  std::vector<std::string> problems;  // Each with its place. Not empty: some of the file is missing above.
};

// `name` is what messages call the file.
[[nodiscard]] ConfigFile parse_config(std::string_view text, const std::string& name);
[[nodiscard]] ConfigFile read_config(const std::string& path);

}  // namespace broadside::tools
