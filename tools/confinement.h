// What `serve` gives up once its listeners are bound and its files are open: root, what programs it could become might do, memory
// in core dumps while there are keys in it, and system calls that serving does not need.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "broadside/config.h"
#include "broadside/error.h"
#include "tools/option_table.h"

namespace broadside::tools {

struct ConfinementOptions {
  std::string user;  // "NAME" or "NAME:GROUP"; empty: stays who it is.
  bool has_no_new_privileges = true;
  bool has_seccomp = false;
  bool has_core_dumps = false;  // Also with keys in memory, and as another user.
};

void add_confinement_options(OptionTable& table, ConfinementOptions& options);

class Confinement {
 public:
  // Before other threads begin, since each inherits from here that privileges are not gained by exec. Refuses a user that this
  // process cannot become.
  static Result<Confinement> prepare(const ConfinementOptions& options);

  // With everything open that only root may open, and what `config` says bound. For all threads, and there is no way back.
  [[nodiscard]] Result<Done> enter(const Config& config, LogSink& log) const;
  // Keys have come into memory: keeps it out of core dumps and /proc, unless those are wanted.
  void hide_memory() const;

  // Whether enter() makes the process somebody else.
  [[nodiscard]] bool changes_user() const { return !options_.user.empty(); }

 private:
  explicit Confinement(ConfinementOptions options) : options_(std::move(options)) {}
  [[nodiscard]] Result<Done> become_user() const;

  ConfinementOptions options_;
  std::string user_name_;
  uid_t user_ = 0;
  gid_t group_ = 0;
};

}  // namespace broadside::tools
