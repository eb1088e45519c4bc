// The token that `publish`, `subscribe` and `load` show to a server.
#pragma once

#include <string>

#include "broadside/error.h"

namespace broadside::tools {

// A token's name in the environment, for all three.
constexpr const char* kTokenVariable = "BROADSIDE_TOKEN";
constexpr const char* kTokenHelp =
    "Token to send, as Authorization: Bearer. Others on this machine see a command line: rather use --token-file, or the "
    "environment variable BROADSIDE_TOKEN";
constexpr const char* kTokenFileHelp = "A file that holds the token";

// Where a token comes from: the first of these that is not empty, then BROADSIDE_TOKEN, else there is none.
struct TokenSource {
  std::string text;
  std::string path;
};

// The field of a request that carries it, "Authorization: Bearer ..."; empty if there is no token. Refused: a file that cannot be
// read, and what no field can carry. White space around the token is not part of it.
[[nodiscard]] Result<std::string> authorization_field(const TokenSource& source);

}  // namespace broadside::tools
