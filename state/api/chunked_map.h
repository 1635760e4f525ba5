// A sorted map in reference-counted chunks: the container behind MapState and large timer sets.
//
// A vector of chunks of at most 128 entries, all sorted: a small map is one sorted array, a large
// one costs O(log n) per lookup. Copying the map shares all chunks; a chunk is cloned before it is
// first written while shared. So after a snapshot a large map of one key costs one small copy per
// touched chunk, not a copy of the map. Reference counts are thread-safe; one task writes.
//
// Texts in keys and values are owned by the chunks. With `timed` each entry has a time (TTL).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/check.h"
#include "state/api/key_order.h"
#include "state/api/text_block.h"

namespace sluice {

/// The value of a set's entries.
struct NoValue {};

template <class K, class V>
class ChunkedMap {
 public:
  struct Entry {
    K key;
    [[no_unique_address]] V value;
  };
  static constexpr size_t kChunkEntriesMax = 128;

  ChunkedMap() = default;
  ChunkedMap(const ChunkedMap& other) : chunks_(other.chunks_), size_(other.size_) {
    for (Chunk* chunk : chunks_) chunk->references.fetch_add(1, std::memory_order_relaxed);
  }
  ChunkedMap(ChunkedMap&& other) noexcept
      : chunks_(std::move(other.chunks_)), size_(std::exchange(other.size_, 0)) {
    other.chunks_.clear();
  }
  ChunkedMap& operator=(ChunkedMap other) noexcept {
    std::swap(chunks_, other.chunks_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~ChunkedMap() { clear(); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// Where an entry is; valid until the next change of the map.
  struct Place {
    uint32_t chunk = 0;
    uint32_t slot = 0;
  };
  /// Finds `key`, or the place where it belongs.
  bool find(const K& key, Place& place) const {
    place = {0, 0};
    if (chunks_.empty()) return false;
    // The last chunk whose first key is not larger.
    const auto after = std::upper_bound(
        chunks_.begin(), chunks_.end(), key, [](const K& wanted, const Chunk* chunk) {
          return compare_keys(wanted, chunk->entries.front().key) < 0;
        });
    place.chunk = after == chunks_.begin() ? 0 : static_cast<uint32_t>(after - chunks_.begin() - 1);
    const auto& entries = chunks_[place.chunk]->entries;
    const auto at = std::lower_bound(
        entries.begin(), entries.end(), key,
        [](const Entry& entry, const K& wanted) { return compare_keys(entry.key, wanted) < 0; });
    place.slot = static_cast<uint32_t>(at - entries.begin());
    return at != entries.end() && compare_keys(at->key, key) == 0;
  }
  const Entry& at(Place place) const { return chunks_[place.chunk]->entries[place.slot]; }
  int64_t time_at(Place place) const {
    const auto& times = chunks_[place.chunk]->times;
    return times.empty() ? 0 : times[place.slot];
  }

  /// Adds an entry that is not there; `place` is from find(). Texts are copied.
  void insert(Place place, const K& key, const V& value, bool timed, int64_t time_ms) {
    if (chunks_.empty()) chunks_.push_back(new Chunk());
    if (chunks_[place.chunk]->entries.size() == kChunkEntriesMax) split(place);
    Chunk& chunk = writable(place.chunk);
    Entry entry{key, value};
    own_texts(entry.key);
    own_texts(entry.value);
    chunk.entries.insert(chunk.entries.begin() + place.slot, std::move(entry));
    if (timed) chunk.times.insert(chunk.times.begin() + place.slot, time_ms);
    ++size_;
  }
  /// Calls f(V&) on a value; texts that f puts in are copied.
  template <class F>
  void modify(Place place, F&& f) {
    V& value = writable(place.chunk).entries[place.slot].value;
    if constexpr (kContainsText<V>) {
      V copy(value);
      f(copy);
      own_texts_of_successor(copy, value);
      release_texts(value);
      value = std::move(copy);
    } else {
      f(value);
    }
  }
  /// The value itself, for values without texts.
  V& mutable_value(Place place) requires(!kContainsText<V>) {
    return writable(place.chunk).entries[place.slot].value;
  }
  void set_time(Place place, int64_t time_ms) { writable(place.chunk).times[place.slot] = time_ms; }

  void erase(Place place) {
    Chunk& chunk = writable(place.chunk);
    release_entry(chunk.entries[place.slot]);
    chunk.entries.erase(chunk.entries.begin() + place.slot);
    if (!chunk.times.empty()) chunk.times.erase(chunk.times.begin() + place.slot);
    --size_;
    if (chunk.entries.empty()) {
      release_chunk(chunks_[place.chunk]);
      chunks_.erase(chunks_.begin() + place.chunk);
    }
  }
  void clear() {
    for (Chunk* chunk : chunks_) release_chunk(chunk);
    chunks_.clear();
    size_ = 0;
  }
  /// Removes the entries for which drop(entry, time) holds.
  template <class Drop>
  void erase_if(Drop&& drop) {
    for (uint32_t c = 0; c < chunks_.size();) {
      const size_t before = chunks_.size();
      for (uint32_t s = 0;
           c < chunks_.size() && chunks_.size() == before && s < chunks_[c]->entries.size();) {
        if (drop(std::as_const(chunks_[c]->entries[s]), time_at({c, s}))) {
          erase({c, s});
        } else {
          ++s;
        }
      }
      if (chunks_.size() == before) ++c;
    }
  }

  /// Calls f(entry, time) in key order; f returns false to stop.
  template <class F>
  void for_each_while(F&& f) const {
    for (const Chunk* chunk : chunks_) {
      for (size_t s = 0; s < chunk->entries.size(); ++s) {
        if (!f(chunk->entries[s], chunk->times.empty() ? 0 : chunk->times[s])) return;
      }
    }
  }
  /// Fetches the beginning of the map into the cache, step by step as CellType::fetch.
  static constexpr uint32_t kFetchSteps = kContainsText<K> || kContainsText<V> ? 4 : 3;
  void fetch(uint32_t step) const {
    constexpr size_t kEntriesMax = 4;
    if (chunks_.empty()) return;
    if (step == 0) {
      fetch_bytes(chunks_.data(), chunks_.size() * sizeof(Chunk*));
    } else if (step == 1) {
      fetch_bytes(chunks_.front(), sizeof(Chunk));
    } else {
      const auto& entries = chunks_.front()->entries;
      if (step == 2) {
        fetch_bytes(entries.data(), entries.size() * sizeof(Entry));
        return;
      }
      for (size_t i = 0; i < std::min(entries.size(), kEntriesMax); ++i) {
        fetch_texts(entries[i].key);
        fetch_texts(entries[i].value);
      }
    }
  }
  /// The smallest entry; the map is not empty.
  const Entry& front() const { return chunks_.front()->entries.front(); }

  /// The entry after `place`; false at the end.
  bool next(Place& place) const {
    if (++place.slot < chunks_[place.chunk]->entries.size()) return true;
    place.slot = 0;
    return ++place.chunk < chunks_.size();
  }
  bool is_valid(Place place) const {
    return place.chunk < chunks_.size() && place.slot < chunks_[place.chunk]->entries.size();
  }

 private:
  struct Chunk {
    std::atomic<uint32_t> references{1};
    std::vector<Entry> entries;  // Invariant: never empty while the chunk is in a map.
    std::vector<int64_t> times;  // Empty, or one per entry.
  };

  static void release_entry(const Entry& entry) {
    release_texts(entry.key);
    release_texts(entry.value);
  }
  static void release_chunk(Chunk* chunk) {
    if (chunk->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if constexpr (kContainsText<K> || kContainsText<V>) {
      for (const Entry& entry : chunk->entries) release_entry(entry);
    }
    delete chunk;
  }
  Chunk& writable(uint32_t index) {
    Chunk*& chunk = chunks_[index];
    if (chunk->references.load(std::memory_order_acquire) != 1) {
      auto* copy = new Chunk();
      copy->entries = chunk->entries;
      copy->times = chunk->times;
      for (const Entry& entry : copy->entries) {
        share_texts(entry.key);
        share_texts(entry.value);
      }
      release_chunk(std::exchange(chunk, copy));
    }
    return *chunk;
  }
  /// Makes room at `place` in a full chunk. Rising keys fill chunks to the top.
  void split(Place& place) {
    auto* upper = new Chunk();
    const bool append = place.chunk + 1 == chunks_.size() && place.slot == kChunkEntriesMax;
    if (!append) {
      Chunk& chunk = writable(place.chunk);
      constexpr auto kHalf = static_cast<std::ptrdiff_t>(kChunkEntriesMax / 2);
      upper->entries.assign(std::make_move_iterator(chunk.entries.begin() + kHalf),
                            std::make_move_iterator(chunk.entries.end()));
      chunk.entries.erase(chunk.entries.begin() + kHalf, chunk.entries.end());
      if (!chunk.times.empty()) {
        upper->times.assign(chunk.times.begin() + kHalf, chunk.times.end());
        chunk.times.resize(kHalf);
      }
      if (place.slot > static_cast<uint32_t>(kHalf)) {
        place.slot -= static_cast<uint32_t>(kHalf);
        ++place.chunk;
        chunks_.insert(chunks_.begin() + place.chunk, upper);
      } else {
        chunks_.insert(chunks_.begin() + place.chunk + 1, upper);
      }
    } else {
      chunks_.push_back(upper);
      place = {place.chunk + 1, 0};
    }
  }

  std::vector<Chunk*> chunks_;
  size_t size_ = 0;
};

}  // namespace sluice
