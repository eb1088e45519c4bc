// Direct descriptors: sockets held by a ring alone. Needs io_uring and kernel 6.13.
#include "engine/io/uring_tables.h"

#include <cstdio>

#include "tests/engine/io/io_fixture.h"

namespace broadside::io {
namespace {

class TablesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!tables_supported()) GTEST_SKIP() << "no io_uring here, or the kernel is older than 6.13";
  }
  [[nodiscard]] static IoConfig config(std::uint32_t places = 32768) {
    IoConfig config;
    config.backend = BackendChoice::uring;
    config.use_tables = true;
    config.table_places_max = places;
    return config;
  }
  // How many sockets the epoll sets of this process hold.
  static std::size_t count_watched() {
    std::size_t count = 0;
    DIR* folder = ::opendir("/proc/self/fdinfo");
    while (const dirent* entry = ::readdir(folder)) {
      std::FILE* file = std::fopen((std::string("/proc/self/fdinfo/") + entry->d_name).c_str(), "re");
      if (file == nullptr) continue;
      char line[256];
      while (std::fgets(line, sizeof line, file) != nullptr) count += std::strncmp(line, "tfd:", 4) == 0 ? 1 : 0;
      std::fclose(file);
    }
    ::closedir(folder);
    return count;
  }
};

TEST_F(TablesTest, say_that_they_are_in_use) {
  TestShard shard(config());
  ASSERT_TRUE(shard.works());
  EXPECT_NE(shard.io().describe().find("direct descriptors"), std::string::npos);
}

TEST_F(TablesTest, keep_edges_coming_after_the_plain_descriptor_is_gone) {
  TestShard shard(config());
  auto [client, plain] = shard.connect(4096);
  ASSERT_TRUE(shard.io().watch(plain, Token{6, 2}));
  const std::size_t open_files = count_open_files();
  const Socket socket = shard.io().to_table(plain);
  ASSERT_TRUE(socket.is_direct());
  EXPECT_EQ(count_open_files(), open_files - 1);
  EXPECT_EQ(count_watched(), 1U);
  const std::uint64_t taken = shard.fill(socket);
  shard.turn(0);
  shard.forget();
  EXPECT_EQ(client.read(taken).size(), taken);
  EXPECT_EQ(shard.next(CompletionKind::writable, 6).token.generation, 2U);
  EXPECT_EQ(shard.send(socket, "again").status, SendStatus::sent);
  EXPECT_EQ(client.read(5), "again");
  client.shut();
  EXPECT_EQ(shard.next(CompletionKind::hung_up, 6).token.generation, 2U);
  shard.io().close(socket, CloseMode::orderly);
  shard.turn(0);
  EXPECT_EQ(count_watched(), 0U);
}

TEST_F(TablesTest, close_in_order_or_by_reset_as_asked) {
  for (const CloseMode mode : {CloseMode::orderly, CloseMode::reset}) {
    for (const bool has_unread_input : {false, true}) {
      // The second table is another ring's.
      TestShard shard(config(1));
      std::vector<TestSocket> clients;
      std::vector<Socket> sockets;
      for (int i = 0; i < 3; ++i) {
        auto [client, plain] = shard.connect();
        ASSERT_TRUE(shard.io().watch(plain, Token{6, 2}));
        sockets.push_back(shard.io().to_table(plain));
        ASSERT_EQ(sockets.back().table, i);
        EXPECT_EQ(shard.send(sockets.back(), "tail").status, SendStatus::sent);
        if (has_unread_input) client.write(std::string(5000, 'u'));
        clients.push_back(std::move(client));
      }
      for (const Socket socket : sockets) shard.io().close(socket, mode);
      shard.turn(0);
      EXPECT_EQ(count_watched(), 0U);
      for (const TestSocket& client : clients) {
        if (mode == CloseMode::orderly) {
          EXPECT_EQ(client.read(4), "tail");
        }
        EXPECT_EQ(client.end(), mode == CloseMode::orderly ? 0 : ECONNRESET) << "unread: " << has_unread_input;
      }
    }
  }
}

TEST_F(TablesTest, send_scattered_ranges_over_plain_and_direct_sockets_in_one_batch) {
  TestShard shard(config(2));
  std::vector<std::pair<TestSocket, Socket>> pairs;
  std::vector<SendRequest> batch(9);
  std::string first = "first ";
  std::string second = "second";
  const iovec ranges[] = {{first.data(), first.size()}, {second.data(), second.size()}};
  for (std::size_t i = 0; i < batch.size(); ++i) {
    pairs.push_back(shard.connect());
    ASSERT_TRUE(shard.io().watch(pairs[i].second, Token{static_cast<std::uint32_t>(i), 1}));
    if (i % 3 != 0) pairs[i].second = shard.io().to_table(pairs[i].second);
    batch[i].socket = pairs[i].second;
    batch[i].ranges = ranges;
    batch[i].range_count = i % 2 == 0 ? 2 : 1;
    batch[i].bytes = i % 2 == 0 ? 12 : 6;
    batch[i].status = SendStatus::failed;
  }
  EXPECT_EQ(pairs[8].second.table, 2);
  shard.io().send(batch);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    EXPECT_EQ(batch[i].status, SendStatus::sent) << i;
    EXPECT_EQ(batch[i].sent, batch[i].bytes) << i;
    EXPECT_EQ(pairs[i].first.read(batch[i].bytes), i % 2 == 0 ? "first second" : "first ");
    shard.io().close(pairs[i].second, CloseMode::orderly);
  }
}

TEST_F(TablesTest, tell_a_gone_peer_from_a_blocked_one) {
  TestShard shard(config());
  auto [client, plain] = shard.connect();
  ASSERT_TRUE(shard.io().watch(plain, Token{1, 1}));
  const Socket socket = shard.io().to_table(plain);
  set_reset_on_close(client.fd());
  client.shut();
  shard.next(CompletionKind::hung_up);
  EXPECT_EQ(shard.send(socket, "x").status, SendStatus::peer_gone);
  shard.io().close(socket, CloseMode::reset);
}

TEST_F(TablesTest, hold_and_release_a_thousand_sockets_in_several_tables) {
  const std::size_t open_files = count_open_files();
  {
    TestShard shard(config(300));
    shard.turn(0);
    constexpr std::uint32_t kCount = 1000;
    for (int round = 0; round < 2; ++round) {
      const std::size_t open_before = count_open_files();
      std::vector<TestSocket> clients;
      std::vector<Socket> sockets;
      for (std::uint32_t i = 0; i < kCount; ++i) {
        auto [client, plain] = shard.connect();
        ASSERT_TRUE(shard.io().watch(plain, Token{i, 1}));
        sockets.push_back(shard.io().to_table(plain));
        ASSERT_TRUE(sockets.back().is_direct());
        ASSERT_LE(sockets.back().table, 3) << "freed places are used again";
        clients.push_back(std::move(client));
      }
      // Only the clients count, and the rings of three more tables.
      EXPECT_LE(count_open_files(), open_before + kCount + 3);
      for (std::uint32_t i = 0; i < kCount; ++i) {
        EXPECT_EQ(shard.send(sockets[i], "x").status, SendStatus::sent);
        shard.io().close(sockets[i], i % 2 == 0 ? CloseMode::orderly : CloseMode::reset);
      }
      shard.turn(0);
      EXPECT_EQ(count_watched(), 0U);
      for (std::uint32_t i = 0; i < kCount; ++i) EXPECT_EQ(clients[i].end(), i % 2 == 0 ? 0 : ECONNRESET);
    }
  }
  EXPECT_EQ(count_open_files(), open_files);
}

TEST_F(TablesTest, close_what_they_hold_when_the_backend_ends) {
  TestSocket survivor;
  {
    TestShard shard(config());
    auto [client, plain] = shard.connect();
    ASSERT_TRUE(shard.io().watch(plain, Token{1, 1}));
    ASSERT_TRUE(shard.io().to_table(plain).is_direct());
    survivor = std::move(client);
  }
  EXPECT_EQ(survivor.end(), 0);
}

TEST_F(TablesTest, are_not_used_unless_asked_for) {
  IoConfig plain_config = config();
  plain_config.use_tables = false;
  TestShard shard(plain_config);
  auto [client, plain] = shard.connect();
  ASSERT_TRUE(shard.io().watch(plain, Token{1, 1}));
  const Socket socket = shard.io().to_table(plain);
  EXPECT_FALSE(socket.is_direct());
  EXPECT_EQ(socket.value, plain.value);
  shard.io().close(socket, CloseMode::orderly);
}

}  // namespace
}  // namespace broadside::io
