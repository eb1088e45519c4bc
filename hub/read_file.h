// Reads small files whole: configuration, keys, tokens.
#pragma once

#include <cstddef>
#include <string>

#include "broadside/error.h"

namespace broadside::hub {

// Refused: what cannot be read, and what is larger than `bytes_max`, whole KiB. The message begins with the path.
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t bytes_max);

}  // namespace broadside::hub
