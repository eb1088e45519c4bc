// Secrets that come by environment variables, which /proc/PID/environ shows for as long as a process lives unless it overwrites
// them. One thread alone.
#pragma once

#include <optional>
#include <string>

namespace broadside::hub {

// The value of the variable `name`, if there is one. The first call takes it out of the environment; later ones remember it.
[[nodiscard]] std::optional<std::string> take_secret_variable(const std::string& name);

}  // namespace broadside::hub
