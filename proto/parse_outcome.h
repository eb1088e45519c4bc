// What every incremental parser of proto/ answers: "not yet" is an answer like the others.
#pragma once

#include <cstdint>

namespace broadside {

enum class ParseOutcome : std::uint8_t {
  need_more,  // All of the input was good so far; more of it is needed.
  complete,   // The thing ends within the input.
  refused,    // It can never become good; the parser is of no further use for this connection.
};

}  // namespace broadside
