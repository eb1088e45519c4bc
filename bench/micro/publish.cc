// What one publish costs its caller in a whole engine: one thread publishes, one shard delivers to a subscriber that reads.
// Counts what the publishing thread allocates.
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "broadside/engine.h"

namespace {

thread_local std::uint64_t allocations = 0;

}  // namespace

extern "C" void* __libc_malloc(std::size_t size);  // NOLINT(bugprone-reserved-identifier): glibc's name.
extern "C" void* malloc(std::size_t size) {
  ++allocations;
  return __libc_malloc(size);
}

namespace broadside {
namespace {

// One subscriber of the topic `t` on a thread of its own, which drops what it reads.
class Reader {
 public:
  explicit Reader(const Engine& engine) {
    const std::string url = engine.listen_urls().front();
    sockaddr_in address{.sin_family = AF_INET,
                        .sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static const std::string request = "GET /events/t HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char buffer[1];
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::send(fd_, request.data(), request.size(), 0) < 0 || ::recv(fd_, buffer, 1, 0) != 1) {
      std::abort();
    }
    thread_ = std::thread([this] {
      static char bytes[1 << 20];
      while (::recv(fd_, bytes, sizeof bytes, 0) > 0) {
      }
    });
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }

 private:
  int fd_ = -1;
  std::thread thread_;
};

// `open` gives what publishes, once the engine is there.
template <typename Open>
void measure(benchmark::State& state, Open open) {
  Config config;
  config.listen = {"127.0.0.1:0"};
  config.shards = 1;
  Result<Engine> engine = Engine::create(config);
  if (!engine) return state.SkipWithError(engine.error().message.c_str());
  engine->start();
  const Reader reader(*engine);
  const std::string data(static_cast<std::size_t>(state.range(0)), 'x');
  auto publish = open(*engine);
  const std::uint64_t before = allocations;
  for (auto _ : state) {
    if (!publish(Event{.data = data})) state.SkipWithError("a publish was refused");
  }
  state.counters["allocations_per_publish"] = static_cast<double>(allocations - before) / static_cast<double>(state.iterations());
}

void publish_on_handle(benchmark::State& state) {
  measure(state, [](Engine& engine) {
    return [topic = std::move(*engine.open_topic("t"))](const Event& event) mutable { return topic.publish(event); };
  });
}
BENCHMARK(publish_on_handle)->ArgName("data")->Arg(256)->UseRealTime();

void publish_by_name(benchmark::State& state) {
  measure(state, [](Engine& engine) { return [&engine](const Event& event) { return engine.publish("t", event); }; });
}
BENCHMARK(publish_by_name)->ArgName("data")->Arg(256)->UseRealTime();

}  // namespace
}  // namespace broadside
