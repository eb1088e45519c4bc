// See read_file.h.
#include "hub/read_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace broadside::hub {

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  const auto refused = [&path](const std::string& why) {
    return Error{Error::Code::unavailable, path + ": cannot be read: " + why};
  };
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  std::string text(bytes_max + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) return refused(std::strerror(errno));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > bytes_max) return refused("it is larger than " + std::to_string(bytes_max >> 10) + " KiB");
  return text;
}

}  // namespace broadside::hub
