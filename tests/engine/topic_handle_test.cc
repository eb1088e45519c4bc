// What publishing through a handle allocates: nothing but what the log takes, which is segments.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>

#include "broadside/engine.h"

namespace {

thread_local std::uint64_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

namespace broadside {
namespace {

TEST(TopicHandle, publishes_without_allocating) {
  Config config;
  config.shards = 1;
  Result<Engine> engine = Engine::create(config);
  ASSERT_TRUE(engine) << engine.error().message;
  engine->start();
  Result<TopicHandle> topic = engine->open_topic("t");
  ASSERT_TRUE(topic);
  const std::string data(256, 'x');
  const std::uint64_t before_first = allocations;
  ASSERT_TRUE(topic->publish({.data = data}));
  EXPECT_GT(allocations, before_first) << "the handle's buffer: so allocations are counted";
  const std::uint64_t before = allocations;
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(topic->publish({.data = data}));
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace broadside
