#include "tests/sim/sim_totals.h"

namespace broadside::sim {

void SimTotals::add(const ShardStats& shard) {
  add("accepts", shard.accepts);
  add("accepts paused", shard.accepts_paused);
  add("deliveries", shard.deliveries);
  add("gaps", shard.gaps);
  add("heartbeats", shard.heartbeats);
  add("sends", shard.sends);
  add("short sends", shard.sends_short);
  add("refused: full", shard.refusals_for(RefusalReason::full));
  add("refused: slow", shard.refusals_for(RefusalReason::slow));
  for (std::size_t i = 0; i < kCloseReasonNames.size(); ++i) add("closed: " + std::string(kCloseReasonNames[i]), shard.closes[i]);
}

void SimTotals::add(const LogStats& logs) {
  add("publishes", logs.publishes);
  add("publishes of a known id", logs.publishes_duplicate);
  add("publishes refused", logs.publishes_refused);
  add("ends", logs.ends);
  add("backlog overruns", logs.backlog_overruns);
}

void SimTotals::print(std::FILE* out) const {
  for (const auto& [name, count] : counts_) {
    std::fprintf(out, "%12llu %s\n", static_cast<unsigned long long>(count), name.c_str());
  }
}

}  // namespace broadside::sim
