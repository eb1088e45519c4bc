// What lives did, over many seeds: whether the simulation reaches what it is for. A test that reaches nothing finds nothing.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "broadside/stats.h"

namespace broadside::sim {

class SimTotals {
 public:
  void add(const ShardStats& shard);
  void add(const LogStats& logs);
  void add(std::string_view name, std::uint64_t count) { counts_[std::string(name)] += count; }

  // By name; every name is there, also with none.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& counts() const { return counts_; }
  void print(std::FILE* out) const;

 private:
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace broadside::sim
