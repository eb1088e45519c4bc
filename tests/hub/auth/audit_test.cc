// The audit log: what its lines say, which are written, and what happens when there are too many.
#include "hub/auth/audit.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "hub/auth/publish_access.h"
#include "tests/support/json.h"

namespace broadside::hub {
namespace {

class Lines final : public LogSink {
 public:
  void log(LogLevel level, std::string_view message) noexcept override { lines.emplace_back(level, message); }
  std::vector<std::pair<LogLevel, std::string>> lines;
};

const AuditEntry kEntry{.action = "publish", .target = "a \"topic\"\n", .peer = "192.0.2.1:5"};
const Caller kAlice{.kind = Caller::Kind::known, .subject = "alice", .key_id = "k1"};
const Verdict kRefusal{.status = 401, .detail = "told", .headers = "X: y\r\n", .reason = "not told"};

std::string json_of(const std::string& line) {
  EXPECT_EQ(line.rfind("audit {", 0), 0U) << line;
  return line.substr(6);
}

TEST(AuditLine, says_who_what_and_why) {
  const std::string json = json_of(audit_line(kEntry, kAlice, kRefusal));
  EXPECT_EQ(test::json_string(json, "/action"), "publish");
  EXPECT_EQ(test::json_string(json, "/outcome"), "refused");
  EXPECT_EQ(test::json_int(json, "/status"), 401);
  EXPECT_EQ(test::json_string(json, "/target"), "a \"topic\"\n");
  EXPECT_EQ(test::json_string(json, "/subject"), "alice");
  EXPECT_EQ(test::json_string(json, "/key"), "k1");
  EXPECT_EQ(test::json_string(json, "/peer"), "192.0.2.1:5");
  EXPECT_EQ(test::json_string(json, "/reason"), "not told");
}

TEST(AuditLine, leaves_out_what_is_not_known) {
  EXPECT_EQ(audit_line({.action = "admin", .target = "/metrics", .peer = ""}, Caller(), Verdict()),
            R"(audit {"action":"admin","outcome":"allowed","target":"/metrics"})");
  EXPECT_EQ(test::json_string(json_of(audit_line(kEntry, Caller(), forbidden("told"))), "/reason"), "told");
}

TEST(AuditLog, writes_what_its_level_says) {
  struct Row {
    AuditLevel level;
    std::size_t of_refused;
    std::size_t of_allowed;
  };
  for (const Row& row : {Row{AuditLevel::off, 0, 0}, Row{AuditLevel::refused, 1, 0}, Row{AuditLevel::all, 1, 1}}) {
    Lines refused;
    AuditLog(&refused, row.level).write(kEntry, kAlice, kRefusal, 0);
    EXPECT_EQ(refused.lines.size(), row.of_refused);
    for (const auto& [level, line] : refused.lines) EXPECT_EQ(level, LogLevel::warning);
    Lines allowed;
    AuditLog(&allowed, row.level).write(kEntry, kAlice, Verdict(), 0);
    EXPECT_EQ(allowed.lines.size(), row.of_allowed);
    for (const auto& [level, line] : allowed.lines) EXPECT_EQ(level, LogLevel::info);
  }
  AuditLog(nullptr, AuditLevel::all).write(kEntry, kAlice, kRefusal, 0);
}

TEST(AuditLog, counts_refusals_that_are_too_many_to_write) {
  Lines lines;
  AuditLog log(&lines, AuditLevel::all);
  for (std::uint32_t i = 0; i < AuditLog::kRefusalsPerSecondMax + 7; ++i) log.write(kEntry, kAlice, kRefusal, 5'000);
  ASSERT_EQ(lines.lines.size(), AuditLog::kRefusalsPerSecondMax);
  log.write(kEntry, kAlice, Verdict(), 5'999);
  EXPECT_EQ(lines.lines.size(), AuditLog::kRefusalsPerSecondMax + 1) << "what was allowed is always written";
  log.write(kEntry, kAlice, kRefusal, 6'000);
  log.write(kEntry, kAlice, kRefusal, 6'001);
  ASSERT_EQ(lines.lines.size(), AuditLog::kRefusalsPerSecondMax + 3);
  EXPECT_EQ(test::json_int(json_of(lines.lines[lines.lines.size() - 2].second), "/unsaid"), 7);
  EXPECT_FALSE(test::json_has(json_of(lines.lines.back().second), "/unsaid"));
}

class HandClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t wall_ms() const override { return now_ms; }
  std::uint64_t now_ms = 1000;
};

TEST(PublishAccess, tells_the_audit_log_of_each_use) {
  Lines lines;
  AuditLog log(&lines, AuditLevel::all);
  const HandClock clock;
  const PublishAccess access(PublishRight(forbidden("no"), nullptr, {"a*"}), kAlice, "192.0.2.1:5", log, clock);
  EXPECT_TRUE(access.check("publish", "ab").is_allowed());
  EXPECT_EQ(access.check("end", "b").status, 403);
  ASSERT_EQ(lines.lines.size(), 2U);
  EXPECT_EQ(lines.lines[0].second,
            R"(audit {"action":"publish","outcome":"allowed","target":"ab","subject":"alice","key":"k1","peer":"192.0.2.1:5"})");
  EXPECT_EQ(test::json_string(json_of(lines.lines[1].second), "/action"), "end");
}

TEST(PublishAccess, ends_when_the_token_does) {
  AuditLog log(nullptr, AuditLevel::off);
  HandClock clock;
  const PublishAccess access(PublishRight({}, nullptr, {}, 2000), kAlice, "", log, clock);
  EXPECT_FALSE(access.has_expired());
  clock.now_ms = 1999;
  EXPECT_FALSE(access.has_expired());
  clock.now_ms = 2000;
  EXPECT_TRUE(access.has_expired());
  EXPECT_FALSE(PublishAccess().has_expired());
}

}  // namespace
}  // namespace broadside::hub
