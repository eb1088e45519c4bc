// See audit.h.
#include "hub/auth/audit.h"

#include <utility>

#include "proto/json_text.h"

namespace broadside::hub {
namespace {

void append_member(std::string& line, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  line += ",\"";
  line += name;
  line += "\":";
  append_json_string(line, value);
}

}  // namespace

std::string audit_line(const AuditEntry& entry, const Caller& caller, const Verdict& verdict) {
  std::string line = "audit {\"action\":";
  append_json_string(line, entry.action);
  line += verdict.is_allowed() ? ",\"outcome\":\"allowed\"" : ",\"outcome\":\"refused\"";
  if (!verdict.is_allowed()) line += ",\"status\":" + std::to_string(verdict.status);
  append_member(line, "target", entry.target);
  append_member(line, "subject", caller.subject);
  append_member(line, "key", caller.key_id);
  append_member(line, "peer", entry.peer);
  if (!verdict.is_allowed()) append_member(line, "reason", verdict.logged_reason());
  return line + '}';
}

void AuditLog::write(const AuditEntry& entry, const Caller& caller, const Verdict& verdict, std::int64_t now_ms) {
  if (level_ == AuditLevel::off) return;
  if (verdict.is_allowed()) {
    if (level_ == AuditLevel::all) sink_->log(LogLevel::info, audit_line(entry, caller, verdict));
    return;
  }
  std::uint64_t unsaid = 0;
  if (!take_refusal(now_ms, unsaid)) return;
  std::string line = audit_line(entry, caller, verdict);
  if (unsaid > 0) line.insert(line.size() - 1, ",\"unsaid\":" + std::to_string(unsaid));
  sink_->log(LogLevel::warning, line);
}

bool AuditLog::take_refusal(std::int64_t now_ms, std::uint64_t& unsaid) {
  const std::lock_guard lock(mutex_);
  if (const std::int64_t second = now_ms / 1000; second != second_) {
    second_ = second;
    written_ = 0;
  }
  if (written_ == kRefusalsPerSecondMax) {
    ++unsaid_;
    return false;
  }
  ++written_;
  unsaid = std::exchange(unsaid_, 0);
  return true;
}

}  // namespace broadside::hub
