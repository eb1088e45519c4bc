// A stock ticker. Prices move much faster than anybody reads: under the policy `conflate`, with the symbol as key, each page gets
// the newest price of every symbol as often as it can take it, or asks for (?rate=), and never a queue of old ones. Whoever comes
// begins with a snapshot of all symbols.
#include <cstdio>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "broadside/engine.h"
#include "examples/support/program.h"

namespace {

constexpr const char* kSymbols[] = {"ACME", "BOLT", "CRUX", "DUNE", "ECHO", "FERN", "GALE", "HALO", "IRIS", "JADE",
                                    "KITE", "LUNA", "MOSS", "NOVA", "OPAL", "PINE", "QUAY", "RUSH", "SAGE", "TIDE"};

// Where the prices come from: somebody buys or sells.
class Market {
 public:
  struct Trade {
    std::string symbol;
    std::string json;
  };

  explicit Market(std::uint32_t seed) : random_(seed) {
    for (const char* symbol : kSymbols) stocks_.push_back({symbol, std::uniform_real_distribution<>(20, 400)(random_)});
  }
  std::size_t size() const { return stocks_.size(); }
  Trade trade() { return trade(random_() % stocks_.size()); }
  Trade trade(std::size_t index) {
    Stock& stock = stocks_[index];
    stock.price *= 1 + std::normal_distribution<>(0, 0.002)(random_);
    char json[96];
    std::snprintf(json, sizeof json, R"({"symbol":"%s","price":%.2f,"trade":%llu})", stock.symbol, stock.price, ++trades_);
    return {stock.symbol, json};
  }

 private:
  struct Stock {
    const char* symbol;
    double price;
  };
  std::mt19937 random_;
  std::vector<Stock> stocks_;
  unsigned long long trades_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const examples::Flags flags(argc, argv, {{"--trades", "400"}});  // A second.
  const examples::StopSignal stop;

  broadside::Config config;
  config.listen = {flags.text("--listen")};
  config.defaults.policy = broadside::LagPolicy::conflate;
  config.defaults.keys = std::size(kSymbols);
  config.defaults.snapshot = true;
  examples::PageHandler handler;
  auto engine = broadside::Engine::create(config, &handler);
  if (!engine) return examples::fail(engine.error());
  auto prices = engine->open_topic("prices");
  if (!prices) return examples::fail(prices.error());

  Market market(std::random_device{}());
  const auto publish = [&](const Market::Trade& trade) {
    examples::check(prices->publish({.data = trade.json, .key = trade.symbol}));
  };
  for (std::size_t index = 0; index < market.size(); ++index) publish(market.trade(index));  // The opening prices.
  examples::start(*engine);

  constexpr int kStepMs = 10;
  for (double due = 0; !stop.wait(kStepMs);) {
    for (due += flags.number("--trades") * kStepMs / 1000.0; due >= 1; --due) publish(market.trade());
  }
}
