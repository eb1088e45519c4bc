// The keys of one topic: where the newest event of each lies, also when the log has let go of it. What the log drops of them is
// copied into kept segments, in order of position; so kept segments and log, one behind the other, are what a conflating
// subscriber reads. Everything here happens under the store's lock; kept segments are read by shards like those of a log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/segment_list.h"
#include "engine/text_hash.h"

namespace broadside {

// A key and its newest event.
struct Key {
  const std::string* name = nullptr;
  Segment* segment = nullptr;  // Where its frame lies, of the log or kept.
  std::uint32_t frame = 0;
  Key* older = nullptr;  // In the order of the newest events.
  Key* newer = nullptr;
};

// Invariants: each key's frame is the newest of that key, and not superseded; all its older frames are superseded, or were read
// before the key was known here. Kept segments are in order of position and older than the log; each has `live` newest frames,
// more than half of its frames unless it is the last.
class KeyTable {
 public:
  // `segments` is the store's list of kept segments. `floor` is the newest position of which is known that it may be missing.
  KeyTable(Topic* topic, SegmentList& segments, std::uint32_t keys_max, Position floor)
      : topic_(topic),
        segments_(segments),
        keys_max_(keys_max),
        version_(segments.next_stamp()),
        floor_(floor),
        floor_count_(static_cast<std::uint32_t>(segments.next_stamp())) {}
  KeyTable(const KeyTable&) = delete;
  KeyTable& operator=(const KeyTable&) = delete;
  ~KeyTable();

  // The log's newest frame, at `frame` of its last segment, is the newest of `key`. With more than keys_max keys the one that
  // changed longest ago is forgotten.
  void set(std::string_view key, Segment& segment, std::uint32_t frame);
  void set_keys_max(std::uint32_t keys_max);
  // Before the log's first segment goes: copies what it has of newest events. What it has beside them raises the floor.
  void keep_from(Segment& segment);
  // Gives up a kept segment and its keys.
  void drop(Segment& kept);
  // Forgets all keys: what the log still has of them counts as events without key.
  void clear();

  // What set() adds to the memory at most, beside the frame.
  [[nodiscard]] static std::uint64_t cost_of(std::string_view key) { return sizeof(Key) + kNodeBytes + 2 * key.size(); }
  [[nodiscard]] std::size_t count() const { return keys_.size(); }
  // The position of a publisher's own id, if it is that of the newest event of a key.
  [[nodiscard]] bool find_id(std::string_view id, Position& position) const;
  [[nodiscard]] const std::vector<Segment*>& kept() const { return kept_; }
  [[nodiscard]] std::uint64_t version() const { return version_; }  // Changes with kept().
  // Nothing newer that conflation would give has been forgotten. `floor_count` is another one whenever it is raised.
  [[nodiscard]] Position floor() const { return floor_; }
  [[nodiscard]] std::uint32_t floor_count() const { return floor_count_; }
  // Walks all keys; returns the memory that they take beside the kept segments.
  [[nodiscard]] std::uint64_t check_invariants() const;

 private:
  static constexpr std::uint64_t kNodeBytes = 64;  // Of the table and the index by frame, about.

  static std::uint64_t cost_of_id(std::string_view id) { return kNodeBytes + id.size(); }
  void place(Key& key, Segment& segment, std::uint32_t frame);
  void remember_id(const Key& key);
  void forget_id(const Key& key);
  void let_go(const Key& key, std::uint32_t flag);
  void forget(Key& key);
  void forget_oldest_until(std::size_t count);
  void link_newest(Key& key);
  void unlink(Key& key);
  void raise_floor(Position position);
  // Kept segments.
  Segment* make_kept(std::size_t payload_bytes);
  bool append_kept(Key& key, std::size_t following_bytes);
  void lost_one(Segment& kept);
  void rewrite(std::size_t index);
  void remove(Segment& kept);

  Topic* const topic_;
  SegmentList& segments_;
  std::uint32_t keys_max_;
  std::unordered_map<std::string, Key, TextHash, std::equal_to<>> keys_;
  std::unordered_map<std::string, Position, TextHash, std::equal_to<>> ids_;  // Own ids of the newest events.
  Key* oldest_ = nullptr;
  Key* newest_ = nullptr;
  std::vector<Segment*> kept_;
  std::uint64_t version_;
  Position floor_;
  std::uint32_t floor_count_;
};

}  // namespace broadside
