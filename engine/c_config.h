// The configuration of a C caller, turned into ours.
#pragma once

#include "broadside/c_config.h"
#include "broadside/config.h"
#include "proto/c_arguments.h"

namespace broadside {

// What the caller has set, beside the defaults of what it does not know.
[[nodiscard]] broadside_config known_config(CArguments& arguments, const broadside_config* config);
// The same as ours, but for the log sink: that is made by who makes the engine.
[[nodiscard]] Config read_config(CArguments& arguments, const broadside_config& known);

}  // namespace broadside
