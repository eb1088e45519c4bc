// Chooses the backend: io_uring where the kernel grants it, epoll otherwise, and says why.
#include "engine/io/io.h"

#include <utility>

#include "engine/io/epoll_io.h"
#include "engine/io/host.h"
#include "engine/io/uring_io.h"

namespace broadside::io {
namespace {

void tell(std::string* reason, std::string text) {
  if (reason != nullptr) *reason = std::move(text);
}

Result<std::unique_ptr<Io>> make_epoll(const IoConfig& config, std::string* reason, const std::string& why) {
  Result<std::unique_ptr<Io>> made = EpollIo::create(config);
  if (made) tell(reason, (*made)->describe() + why);
  return made;
}

// A ring of the smallest kind: tells whether the kernel grants any, and whether it can do what a table needs.
bool can_hold_tables() {
  Ring ring;
  return kernel_version().is_at_least(6, 13) && ring.open(4, 8) == 0 && ring.supports(IORING_OP_URING_CMD);
}

}  // namespace

Result<std::unique_ptr<Io>> make_io(const IoConfig& config, std::string* reason) {
  if (config.backend == BackendChoice::epoll) return make_epoll(config, reason, ": asked for");
  Result<std::unique_ptr<Io>> made = UringIo::create(config);
  if (made) {
    tell(reason, (*made)->describe() + (config.backend == BackendChoice::uring ? ": asked for" : ": works here"));
    return made;
  }
  if (config.backend == BackendChoice::uring) return made;
  return make_epoll(config, reason, ", because " + made.error().message);
}

bool tables_supported() {
  static const bool is_supported = can_hold_tables();
  return is_supported;
}

}  // namespace broadside::io
