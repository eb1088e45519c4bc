#include "engine/keys.h"

#include <algorithm>

#include "base/assert.h"
#include "base/units.h"

namespace broadside {
namespace {

// Neighbours that have become smaller than this together are made one, so that a shard's list of them stays short.
constexpr std::size_t kMergedBytesMax = 32 * kKiB;
constexpr std::size_t kFollowingBytesMax = 64 * kKiB;  // A new one has room for so much of what is copied next.

std::size_t needed_for(std::string_view frame) { return frame.size() + sizeof(FrameEntry); }

// Of the frames that are the newest of their key.
std::size_t live_bytes(const Segment& segment) {
  std::size_t bytes = 0;
  for (std::uint32_t frame = 0; frame < segment.frames(); ++frame) {
    if (segment.entry(frame).is_live()) bytes += needed_for(segment.frame_bytes(frame));
  }
  return bytes;
}

}  // namespace

KeyTable::~KeyTable() {
  for (const auto& [name, key] : keys_) {
    if (!key.segment->is_kept) (*key.segment->keys)[key.frame] = nullptr;
    segments_.discharge(cost_of(name));
  }
  for (Segment* segment : kept_) segments_.let_go(segment);
  for (const auto& [id, position] : ids_) segments_.discharge(cost_of_id(id));
}

void KeyTable::remember_id(const Key& key) {
  const FrameEntry& entry = key.segment->entry(key.frame);
  if (!entry.has_own_id()) return;
  const std::string_view id = key.segment->id_of(key.frame);
  const auto [at, is_new] = ids_.insert_or_assign(std::string(id), entry.position);
  if (is_new) segments_.charge(cost_of_id(id));
}

// Its newest event is no longer that.
void KeyTable::forget_id(const Key& key) {
  const FrameEntry& entry = key.segment->entry(key.frame);
  if (!entry.has_own_id()) return;
  const auto found = ids_.find(key.segment->id_of(key.frame));
  if (found == ids_.end() || found->second != entry.position) return;  // Another key has an event of this id, and a newer one.
  segments_.discharge(cost_of_id(found->first));
  ids_.erase(found);
}

bool KeyTable::find_id(std::string_view id, Position& position) const {
  const auto found = ids_.find(id);
  if (found == ids_.end()) return false;
  position = found->second;
  return true;
}

void KeyTable::raise_floor(Position position) {
  if (position <= floor_) return;
  floor_ = position;
  floor_count_ = static_cast<std::uint32_t>(segments_.next_stamp());
}

void KeyTable::link_newest(Key& key) {
  key.older = newest_;
  key.newer = nullptr;
  (newest_ != nullptr ? newest_->newer : oldest_) = &key;
  newest_ = &key;
}

void KeyTable::unlink(Key& key) {
  (key.older != nullptr ? key.older->newer : oldest_) = key.newer;
  (key.newer != nullptr ? key.newer->older : newest_) = key.older;
}

void KeyTable::place(Key& key, Segment& segment, std::uint32_t frame) {
  if (segment.keys == nullptr) segment.keys = std::make_unique<std::vector<Key*>>();
  if (segment.keys->size() <= frame) segment.keys->resize(frame + 1, nullptr);
  (*segment.keys)[frame] = &key;
  key.segment = &segment;
  key.frame = frame;
}

// Its newest event is that no longer, or is no longer known: `flag` says which.
void KeyTable::let_go(const Key& key, std::uint32_t flag) {
  forget_id(key);
  Segment& segment = *key.segment;
  segment.flag(key.frame, flag);
  (*segment.keys)[key.frame] = nullptr;
  if (segment.is_kept) lost_one(segment);
}

void KeyTable::set(std::string_view name, Segment& segment, std::uint32_t frame) {
  auto found = keys_.find(name);
  if (found == keys_.end()) {
    found = keys_.try_emplace(std::string(name)).first;
    found->second.name = &found->first;
    segments_.charge(cost_of(name));
  } else {
    let_go(found->second, FrameEntry::kSuperseded);
    unlink(found->second);
  }
  place(found->second, segment, frame);
  remember_id(found->second);
  link_newest(found->second);
  forget_oldest_until(keys_max_);
}

void KeyTable::set_keys_max(std::uint32_t keys_max) {
  keys_max_ = keys_max;
  forget_oldest_until(keys_max);
}

void KeyTable::forget_oldest_until(std::size_t count) {
  while (keys_.size() > count) forget(*oldest_);
}

// In the log its frame becomes one without key, which goes as the history does; a kept one is lost.
void KeyTable::forget(Key& key) {
  if (key.segment->is_kept) {
    raise_floor(key.segment->entry(key.frame).position);
    let_go(key, FrameEntry::kForgotten);
  } else {
    forget_id(key);
    (*key.segment->keys)[key.frame] = nullptr;
  }
  unlink(key);
  segments_.discharge(cost_of(*key.name));
  keys_.erase(keys_.find(*key.name));
}

void KeyTable::clear() {
  while (oldest_ != nullptr) forget(*oldest_);
}

Segment* KeyTable::make_kept(std::size_t payload_bytes) {
  Segment* made = Segment::create(topic_, 0, payload_bytes);
  if (made == nullptr) return nullptr;
  made->is_kept = true;
  segments_.charge(*made);
  return made;
}

// Copies the key's frame to the end of the kept segments; a new one gets room for `following_bytes` as well. False: no memory.
bool KeyTable::append_kept(Key& key, std::size_t following_bytes) {
  const Segment& from = *key.segment;
  const FrameEntry& entry = from.entry(key.frame);
  const std::string_view frame = from.frame_bytes(key.frame);
  if (kept_.empty() || !kept_.back()->fits(frame.size())) {
    const std::size_t last_payload = kept_.empty() ? 0 : kept_.back()->payload_bytes();
    Segment* made = make_kept(Segment::payload_for(last_payload, std::max(frame.size(), following_bytes)));
    if (made == nullptr) return false;
    kept_.push_back(made);
  }
  Segment& to = *kept_.back();
  to.append(entry.position, frame, {}, entry.has_own_id(), entry.published());
  ++to.live;
  place(key, to, to.frames() - 1);
  return true;
}

void KeyTable::keep_from(Segment& segment) {
  version_ = segments_.next_stamp();
  const std::size_t kept_before = kept_.size();
  std::size_t following_bytes = segment.keys != nullptr ? live_bytes(segment) : 0;
  for (std::uint32_t frame = 0; frame < segment.frames(); ++frame) {
    const FrameEntry& entry = segment.entry(frame);
    if (!entry.is_live()) continue;
    Key* key = segment.keys != nullptr && frame < segment.keys->size() ? (*segment.keys)[frame] : nullptr;
    if (key == nullptr) {
      raise_floor(entry.position);
      continue;
    }
    const std::size_t bytes = needed_for(segment.frame_bytes(frame));
    if (append_kept(*key, std::min<std::size_t>(following_bytes, kFollowingBytesMax))) {
      (*segment.keys)[frame] = nullptr;
    } else {
      raise_floor(entry.position);
      forget(*key);
    }
    following_bytes -= std::min(following_bytes, bytes);
  }
  // The order among all kept segments is that of being kept.
  for (std::size_t i = kept_before == 0 ? 0 : kept_before - 1; i < kept_.size(); ++i) segments_.link_newest(kept_[i]);
}

void KeyTable::remove(Segment& kept) {
  version_ = segments_.next_stamp();
  kept_.erase(std::find(kept_.begin(), kept_.end(), &kept));
  segments_.let_go(&kept);
}

void KeyTable::drop(Segment& kept) {
  BROADSIDE_ASSERT(kept.is_kept && kept.topic == topic_);
  for (std::uint32_t frame = 0; frame < kept.frames(); ++frame) {
    Key* key = (*kept.keys)[frame];
    if (key == nullptr) continue;
    raise_floor(kept.entry(frame).position);
    forget_id(*key);
    unlink(*key);
    segments_.discharge(cost_of(*key->name));
    keys_.erase(keys_.find(*key->name));
  }
  remove(kept);
}

// One of its frames has been superseded.
void KeyTable::lost_one(Segment& kept) {
  BROADSIDE_ASSERT(kept.live > 0);
  if (--kept.live == 0) return remove(kept);
  if (kept.live * 2 > kept.frames()) return;
  const auto found = std::find(kept_.begin(), kept_.end(), &kept);
  rewrite(static_cast<std::size_t>(found - kept_.begin()));
}

// Copies what is live, together with the neighbour before it if both are small, so that the memory is never much more than that
// of the newest events.
void KeyTable::rewrite(std::size_t index) {
  version_ = segments_.next_stamp();
  std::size_t first = index;
  std::size_t bytes = live_bytes(*kept_[index]);
  if (index > 0) {
    const std::size_t before = live_bytes(*kept_[index - 1]);
    if (bytes + before <= kMergedBytesMax) first = index - 1, bytes += before;
  }
  Segment* made = make_kept((bytes + alignof(FrameEntry) - 1) / alignof(FrameEntry) * alignof(FrameEntry));
  if (made == nullptr) return;  // It stays as it is: larger than it need be, no more.
  for (std::size_t i = first; i <= index; ++i) {
    const Segment& from = *kept_[i];
    for (std::uint32_t frame = 0; frame < from.frames(); ++frame) {
      Key* key = (*from.keys)[frame];
      if (key == nullptr) continue;
      const FrameEntry& entry = from.entry(frame);
      made->append(entry.position, from.frame_bytes(frame), {}, entry.has_own_id(), entry.published());
      ++made->live;
      place(*key, *made, made->frames() - 1);
    }
  }
  segments_.link_before(made, kept_[index]);
  for (std::size_t i = first; i <= index; ++i) segments_.let_go(kept_[i]);
  kept_[first] = made;
  kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(first) + 1, kept_.begin() + static_cast<std::ptrdiff_t>(index) + 1);
}

std::uint64_t KeyTable::check_invariants() const {
  BROADSIDE_ASSERT(keys_.size() <= keys_max_);
  std::uint64_t memory = 0;
  std::size_t listed = 0;
  Position newest;
  for (const Key* key = oldest_; key != nullptr; key = key->newer, ++listed) {
    const FrameEntry& entry = key->segment->entry(key->frame);
    BROADSIDE_ASSERT(keys_.find(*key->name) != keys_.end());
    BROADSIDE_ASSERT((*key->segment->keys)[key->frame] == key);
    BROADSIDE_ASSERT(entry.is_live() && entry.position > newest);
    newest = entry.position;
    memory += cost_of(*key->name);
  }
  BROADSIDE_ASSERT(listed == keys_.size());
  for (const auto& [id, position] : ids_) memory += cost_of_id(id);
  return memory;
}

}  // namespace broadside
