// Places of connections, their tokens, and the index by public id against std::map.
#include "engine/connection.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <vector>

#include "base/prng.h"
#include "tests/support/deadline.h"

namespace broadside {
namespace {

TEST(ConnectionTable, finds_by_token_until_it_is_freed) {
  ConnectionTable table;
  Connection& connection = table.make();
  connection.state = ConnectionState::http;
  const io::Token token = connection.token();
  EXPECT_EQ(table.find(token), &connection);
  table.free(connection);
  EXPECT_EQ(table.find(token), nullptr);
}

TEST(ConnectionTable, does_not_find_the_next_in_the_same_place_by_a_stale_token) {
  ConnectionTable table;
  Connection& first = table.make();
  first.state = ConnectionState::http;
  const io::Token stale = first.token();
  table.free(first);
  Connection& second = table.make();
  second.state = ConnectionState::streaming;
  ASSERT_EQ(&second, &first);
  EXPECT_EQ(table.find(stale), nullptr);
  EXPECT_EQ(table.find(second.token()), &second);
}

TEST(ConnectionTable, finds_nothing_by_a_token_out_of_range) {
  ConnectionTable table;
  EXPECT_EQ(table.find(io::Token{.index = 0, .generation = 0}), nullptr);
  EXPECT_EQ(table.find(io::Token{.index = UINT32_MAX, .generation = 1}), nullptr);
}

TEST(ConnectionTable, leaves_nothing_of_the_one_before_in_a_place) {
  ConnectionTable table;
  Connection& connection = table.make();
  connection.state = ConnectionState::streaming;
  connection.partial_bytes = 7;
  connection.limit_left = 3;
  connection.is_blocked = true;
  connection.follows = false;
  connection.own = std::make_unique<OwnBytes>();
  connection.many = std::make_unique<Subscription[]>(3);
  table.free(connection);
  const Connection& again = table.make();
  EXPECT_EQ(again.partial_bytes, 0U);
  EXPECT_EQ(again.limit_left, 0U);
  EXPECT_FALSE(again.is_blocked);
  EXPECT_TRUE(again.follows);
  EXPECT_EQ(again.own, nullptr);
  EXPECT_EQ(again.many, nullptr);
}

TEST(ConnectionTable, does_not_move_connections_when_it_grows) {
  ConnectionTable table;
  std::vector<Connection*> all;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    all.push_back(&table.make());
    all.back()->state = ConnectionState::http;
  }
  EXPECT_EQ(table.size(), 5000U);
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(&table.at(i), all[i]);
    EXPECT_EQ(all[i]->index, i);
  }
}

TEST(ConnectionIndex, finds_nothing_while_it_is_empty) {
  ConnectionTable table;
  ConnectionIndex index(table);
  EXPECT_EQ(index.find({1, 2}), nullptr);
}

// Ids of few bits in the word that places are taken from, so that there are long runs and wraps around the end.
void agrees_with_a_map(std::uint64_t id_bits) {
  const std::uint64_t seed = test::test_seed();
  Prng prng(seed);
  ConnectionTable table;
  ConnectionIndex index(table);
  std::map<std::array<std::uint64_t, 2>, Connection*> model;
  std::vector<std::array<std::uint64_t, 2>> ids;
  for (int step = 0; step < 40'000; ++step) {
    const bool grows = step % 10'000 < 6'000;
    if (model.empty() || prng.below(100) < (grows ? 60U : 30U)) {
      const std::array<std::uint64_t, 2> id{prng.next() & id_bits, prng.next()};
      Connection& connection = table.make();
      connection.state = ConnectionState::streaming;
      connection.id = id;
      index.insert(connection);
      model.emplace(id, &connection);
      ids.push_back(id);
    } else {
      const std::size_t at = prng.below(ids.size());
      const auto found = model.find(ids[at]);
      ASSERT_NE(found, model.end());
      ASSERT_EQ(index.find(ids[at]), found->second) << "seed " << seed << " step " << step;
      index.erase(*found->second);
      ASSERT_EQ(index.find(ids[at]), nullptr) << "seed " << seed << " step " << step;
      table.free(*found->second);
      model.erase(found);
      ids[at] = ids.back();
      ids.pop_back();
    }
    if (step % 1000 != 0) continue;
    for (const auto& [id, connection] : model) ASSERT_EQ(index.find(id), connection) << "seed " << seed << " step " << step;
    EXPECT_EQ(index.find({prng.next(), prng.next()}), nullptr);
  }
}

TEST(ConnectionIndex, agrees_with_a_map_for_random_ids) { agrees_with_a_map(UINT64_MAX); }

TEST(ConnectionIndex, agrees_with_a_map_for_ids_that_collide) { agrees_with_a_map(0x3f); }

}  // namespace
}  // namespace broadside
