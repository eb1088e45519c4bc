#include "engine/connection.h"

#include "base/assert.h"

namespace broadside {

std::string id_text(const std::array<std::uint64_t, 2>& id) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint64_t word : id) {
    for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[word >> shift & 15];
  }
  return text;
}

bool parse_id(std::string_view text, std::array<std::uint64_t, 2>& id) {
  if (text.size() != 32) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char digit = text[i];
    const bool is_letter = digit >= 'a' && digit <= 'f';
    if (!is_letter && (digit < '0' || digit > '9')) return false;
    id[i / 16] = id[i / 16] << 4 | static_cast<std::uint64_t>(is_letter ? digit - 'a' + 10 : digit - '0');
  }
  return true;
}

Connection& ConnectionTable::make() {
  if (free_.empty()) {
    if (size_ == chunks_.size() * kChunk) chunks_.push_back(std::make_unique<Chunk>());
    Connection& connection = at(size_);
    connection.index = size_++;
    connection.generation = 1;
    return connection;
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  return at(index);
}

void ConnectionTable::free(Connection& connection) {
  BROADSIDE_ASSERT(connection.state != ConnectionState::free);
  BROADSIDE_ASSERT(connection.timer_tick == 0 && !connection.is_ready && connection.torn == nullptr);
  const std::uint32_t index = connection.index;
  const std::uint32_t generation = connection.generation + 1;
  connection = Connection{};
  connection.index = index;
  connection.generation = generation;
  free_.push_back(index);
}

Connection* ConnectionTable::find(io::Token token) {
  if (token.index >= size_) return nullptr;
  Connection& connection = at(token.index);
  return connection.generation == token.generation && connection.state != ConnectionState::free ? &connection : nullptr;
}

void ConnectionIndex::grow() {
  std::vector<std::uint32_t> old(places_.empty() ? 64 : places_.size() * 2, kEmpty);
  old.swap(places_);
  for (const std::uint32_t index : old) {
    if (index != kEmpty) place(index);
  }
}

void ConnectionIndex::place(std::uint32_t index) {
  const std::size_t mask = places_.size() - 1;
  std::size_t at = table_.at(index).id[0] & mask;  // Ids are random: no hash needed.
  while (places_[at] != kEmpty) at = (at + 1) & mask;
  places_[at] = index;
}

void ConnectionIndex::insert(const Connection& connection) {
  if (count_ + 1 > places_.size() / 4 * 3) grow();
  place(connection.index);
  ++count_;
}

void ConnectionIndex::erase(const Connection& connection) {
  const std::size_t mask = places_.size() - 1;
  std::size_t hole = connection.id[0] & mask;
  while (places_[hole] != connection.index) hole = (hole + 1) & mask;
  // Entries behind the hole that belong at or before it move up, so that no search stops short.
  for (std::size_t at = (hole + 1) & mask; places_[at] != kEmpty; at = (at + 1) & mask) {
    const std::size_t home = table_.at(places_[at]).id[0] & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    places_[hole] = places_[at];
    hole = at;
  }
  places_[hole] = kEmpty;
  --count_;
}

Connection* ConnectionIndex::find(const std::array<std::uint64_t, 2>& id) {
  if (places_.empty()) return nullptr;
  const std::size_t mask = places_.size() - 1;
  for (std::size_t at = id[0] & mask; places_[at] != kEmpty; at = (at + 1) & mask) {
    Connection& connection = table_.at(places_[at]);
    if (connection.id == id) return &connection;
  }
  return nullptr;
}

}  // namespace broadside
