// An embedder: says where it listens, then publishes each line of its input to the topic `lines`.
#include <iostream>
#include <string>

#include "broadside/engine.h"

int main() {
  broadside::Config config;
  config.listen = {"127.0.0.1:0"};
  auto engine = broadside::Engine::create(config);
  if (!engine) return std::cerr << engine.error().message << '\n', 1;
  engine->start();
  std::cout << engine->listen_urls().front() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    if (!engine->publish("lines", {.data = line})) return 1;
  }
}
