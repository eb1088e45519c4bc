// What is behind the handles of the C API, and callbacks of C that are called once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "broadside/c_api.h"
#include "broadside/engine.h"
#include "engine/c_host.h"
#include "proto/c_arguments.h"

namespace broadside {

class CLogSink final : public LogSink {
 public:
  CLogSink(broadside_log_sink function, void* user) : function_(function), user_(user) {}
  void log(LogLevel level, std::string_view message) noexcept override {
    function_(user_, static_cast<broadside_log_level>(level), slice_of(message));
  }

 private:
  const broadside_log_sink function_;
  void* const user_;
};

// A C callback that is called once: with an answer or, when nobody is left who could give one, with `without`. So who hands over
// something with it knows when that is done with.
template <typename Answer>
class COnce {
 public:
  using Function = void (*)(void* user, Answer answer) noexcept;

  COnce(Function function, void* user, Answer without) : function_(function), user_(user), without_(without) {}
  COnce(const COnce&) = delete;
  COnce& operator=(const COnce&) = delete;
  ~COnce() { call(without_); }

  void call(Answer answer) {
    if (const Function function = std::exchange(function_, nullptr)) function(user_, answer);
  }
  // For who was refused: it is not called at all.
  void forget() { function_ = nullptr; }

 private:
  Function function_;
  void* const user_;
  const Answer without_;
};

}  // namespace broadside

struct broadside_engine {
  enum class State : std::uint8_t { created, running, stopped };

  broadside_engine(const broadside_hooks& hooks, broadside_log_sink log_function, void* log_user)
      : host(hooks), log(log_function, log_user) {}

  broadside::CHost host;
  broadside::CLogSink log;
  std::uint32_t shard_count = 0;
  bool is_host_driven = false;
  std::atomic<State> state{State::created};
  std::unique_ptr<broadside::Engine> engine;  // The first to go: until then it calls the host and the log.
};

struct broadside_topic {
  broadside::TopicHandle handle;
};
