// See secret_variable.h.
#include "hub/auth/secret_variable.h"

#include <openssl/crypto.h>

#include <cstdlib>
#include <cstring>
#include <map>

namespace broadside::hub {

std::optional<std::string> take_secret_variable(const std::string& name) {
  static std::map<std::string, std::string> taken;
  char* value = std::getenv(name.c_str());
  if (value != nullptr && *value != '\0') {
    taken[name] = value;
    OPENSSL_cleanse(value, std::strlen(value));
  }
  const auto found = taken.find(name);
  if (found != taken.end()) return found->second;
  return value != nullptr ? std::optional(std::string()) : std::nullopt;
}

}  // namespace broadside::hub
