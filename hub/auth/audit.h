// The audit log: a line for what was refused and for what needs a right, with who, what and why, so that one publisher of many
// can be told from the others. Never the token. For any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "broadside/config.h"
#include "hub/auth/caller.h"
#include "hub/auth/verdict.h"

namespace broadside::hub {

enum class AuditLevel : std::uint8_t { off, refused, all };

// What somebody wanted to do.
struct AuditEntry {
  std::string_view action;  // "subscribe", "publish", "end", "send", "admin".
  std::string_view target;  // The topic, the connection or the path.
  std::string_view peer;
};

// `audit {"action","outcome","status","target","subject","key","peer","reason"}`; what is not known is left out.
[[nodiscard]] std::string audit_line(const AuditEntry& entry, const Caller& caller, const Verdict& verdict);

class AuditLog {
 public:
  // Whoever is refused can ask very often: beyond so many lines a second refusals are only counted, and the next line says
  // how many there were ("unsaid").
  static constexpr std::uint32_t kRefusalsPerSecondMax = 100;

  // `sink` outlives this; null: as off.
  AuditLog(LogSink* sink, AuditLevel level) : sink_(sink), level_(sink == nullptr ? AuditLevel::off : level) {}

  void write(const AuditEntry& entry, const Caller& caller, const Verdict& verdict, std::int64_t now_ms);

 private:
  // Whether one more may be written now; then `unsaid` is how many could not before.
  [[nodiscard]] bool take_refusal(std::int64_t now_ms, std::uint64_t& unsaid);

  LogSink* sink_;
  AuditLevel level_;
  std::mutex mutex_;
  std::int64_t second_ = 0;  // Since 1970, that `written_` is of.
  std::uint32_t written_ = 0;
  std::uint64_t unsaid_ = 0;
};

}  // namespace broadside::hub
