// Panes on their way into a snapshot and back.
//
// Each entry of a pane is one keyed entry of the state "panes": key bytes = encoded key + start of
// the pane (int64, so self-delimiting), value = encoded accumulator. A delta holds the entries that
// changed since the freeze before and erasures of the panes dropped since. Frozen on the task's
// thread in O(pages), written by an I/O thread.
//
// An unaligned barrier can come while a window is being fired: then the keys that have been emitted
// are in the snapshot, too (HalfFired), and the rest of them fires after the restore.
#pragma once

#include <map>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/schema.h"
#include "core/snapshot.h"
#include "core/stable_hash.h"
#include "operators/pane_store.h"
#include "operators/pane_table.h"
#include "operators/pane_value.h"
#include "operators/window_watermark.h"
#include "state/api/text_block.h"

namespace sluice {

inline constexpr const char* kPaneStateName = "panes";

/// Encoded keys for which a window has fired already, by start of the window.
using HalfFired = std::map<int64_t, std::unordered_set<std::string>>;

inline constexpr const char* kHalfFiredItem = "window-half-fired";

/// An item is {i64 start of the window, u32 count, text encoded key for each}.
inline Status write_half_fired(SnapshotWriter& writer, const HalfFired& half_fired) {
  for (const auto& [start, keys] : half_fired) {
    std::string item;
    ByteWriter bytes(item);
    bytes.fixed(start);
    bytes.fixed(static_cast<uint32_t>(keys.size()));
    for (const std::string& key : keys) bytes.text(key);
    SLUICE_RETURN_IF_ERROR(writer.add_item(kHalfFiredItem, Redistribution::kUnion, item));
  }
  return Status::ok();
}

inline Result<HalfFired> read_half_fired(const SnapshotReader& reader) {
  HalfFired half_fired;
  for (const std::string& item : reader.items(kHalfFiredItem)) {
    ByteReader bytes(item);
    auto& keys = half_fired[bytes.fixed<int64_t>()];
    const uint32_t count = bytes.count();
    for (uint32_t i = 0; i < count && !bytes.failed(); ++i) keys.emplace(bytes.text());
    if (bytes.failed() || !bytes.at_end()) {
      return Status::corruption("the stored keys of a window that was firing cannot be decoded");
    }
  }
  return half_fired;
}

/// As of every keyed state: ((key, start of the pane), accumulator).
template <class K, class Acc>
std::string pane_schema_text() {
  return "((" + schema_text<K>() + ",time)," + schema_text<Acc>() + ")";
}

template <class K, class Acc>
class FrozenPanes final : public FrozenState {
 public:
  using FrozenTable = typename PaneTable<K, PaneValue<Acc>>::Frozen;

  FrozenPanes(int max_parallelism, std::string watermark, HalfFired half_fired)
      : max_parallelism_(max_parallelism),
        watermark_(std::move(watermark)),
        half_fired_(std::move(half_fired)) {}

  void add(int64_t start, FrozenTable table) {
    bytes_ += size_t{table.size()} * (sizeof(K) + sizeof(Acc) + sizeof(int64_t));
    panes_.push_back({start, std::move(table)});
  }
  /// A pane that an earlier snapshot holds and that is gone.
  void add_dropped(int64_t start, FrozenTable table) {
    dropped_.push_back({start, std::move(table)});
  }

  Status write(SnapshotWriter& writer, bool incremental) override {
    SLUICE_RETURN_IF_ERROR(writer.begin_keyed_state(kPaneStateName, pane_schema_text<K, Acc>()));
    constexpr size_t kFetchAhead = 8;
    EncodeBuffer key;
    EncodeBuffer value;
    const std::vector<Place> sorted = places(incremental);
    for (size_t i = 0; i < sorted.size(); ++i) {
      if (i + kFetchAhead < sorted.size()) {
        const Place& later = sorted[i + kFetchAhead];
        fetch_bytes(&pane_of(later).table[later.entry], sizeof(typename FrozenTable::Item));
      }
      const Place& place = sorted[i];
      const FrozenPane& pane = pane_of(place);
      const auto& entry = pane.table[place.entry];
      encode(entry.key, key.clear());
      key.fixed(pane.start);
      if (place.is_dropped) {
        SLUICE_RETURN_IF_ERROR(writer.erase(place.group, key.view()));
        continue;
      }
      encode(entry.value.get(), value.clear());
      SLUICE_RETURN_IF_ERROR(writer.put(place.group, key.view(), value.view()));
    }
    SLUICE_RETURN_IF_ERROR(write_half_fired(writer, half_fired_));
    return WindowWatermark::write(writer, watermark_);
  }
  size_t size_hint() const override { return bytes_; }
  bool is_smaller_than_its_delta() const override {
    return entries_to_write(false) < entries_to_write(true);
  }

 private:
  struct FrozenPane {
    int64_t start;
    FrozenTable table;
  };
  struct Place {
    int group;
    uint32_t entry;
    uint32_t pane : 31;
    uint32_t is_dropped : 1;
  };
  /// What is to be written, one key group after the other, which is the order of the file: entries
  /// of groups in turn would each begin a sorted run of their own. Erasures come first in their
  /// group.
  std::vector<Place> places(bool incremental) const {
    std::vector<Place> unsorted;
    std::vector<size_t> next(static_cast<size_t>(max_parallelism_) + 1);
    const auto collect = [&](const std::vector<FrozenPane>& panes, bool is_dropped) {
      for (uint32_t pane = 0; pane < panes.size(); ++pane) {
        const FrozenTable& table = panes[pane].table;
        table.for_each_entry(incremental && !is_dropped, [&](uint32_t i) {
          const int group = key_group_of(stable_hash(table[i].key), max_parallelism_);
          ++next[static_cast<size_t>(group) + 1];
          unsorted.push_back({group, i, pane, is_dropped});
        });
      }
    };
    unsorted.reserve(entries_to_write(incremental));
    if (incremental) collect(dropped_, true);
    collect(panes_, false);
    for (size_t group = 1; group < next.size(); ++group) next[group] += next[group - 1];
    std::vector<Place> sorted(unsorted.size());
    for (const Place& place : unsorted) sorted[next[static_cast<size_t>(place.group)]++] = place;
    return sorted;
  }

  const FrozenPane& pane_of(const Place& place) const {
    return place.is_dropped ? dropped_[place.pane] : panes_[place.pane];
  }
  size_t entries_to_write(bool incremental) const {
    size_t entries = 0;
    for (const FrozenPane& pane : panes_) {
      entries += incremental ? pane.table.changed_count() : pane.table.size();
    }
    if (incremental) {
      for (const FrozenPane& pane : dropped_) entries += pane.table.size();
    }
    return entries;
  }

  int max_parallelism_;
  std::string watermark_;
  HalfFired half_fired_;
  std::vector<FrozenPane> panes_;
  std::vector<FrozenPane> dropped_;
  size_t bytes_ = 0;
};

/// The schema of the accumulators stored under `stored_text`, which must be readable as K and Acc.
template <class K, class Acc>
Result<TypeSchema> stored_accumulator_schema(const std::string& stored_text) {
  SLUICE_ASSIGN_OR_RETURN(TypeSchema stored, parse_schema(stored_text));
  SLUICE_ASSIGN_OR_RETURN(const TypeSchema now, parse_schema(pane_schema_text<K, Acc>()));
  const auto refuse = [](const std::string& why) {
    return Status::failed_precondition(std::string("state '") + kPaneStateName + "': " + why);
  };
  if (stored.kind != SchemaKind::kTuple || stored.children.size() != 2) {
    return refuse("stored with the schema " + stored_text + ", which is none of windows");
  }
  if (stored.children[0] != now.children[0]) {
    return refuse("the key was stored as " + to_text(stored.children[0]) + " and is now " +
                  to_text(now.children[0]) + "; keys cannot change");
  }
  const std::string conflict = describe_incompatibility(stored.children[1], now.children[1]);
  if (!conflict.empty()) return refuse("accumulator: " + conflict);
  return TypeSchema(std::move(stored.children[1]));
}

/// Calls add(pane start, key, hash, accumulator) for every stored entry. Texts of key and
/// accumulator live during the call.
template <class K, class Acc, class Add>
Status restore_panes(SnapshotReader& reader, Add&& add) {
  const std::string stored_text = reader.schema_of(kPaneStateName);
  if (stored_text.empty()) return Status::ok();
  TypeSchema stored;
  const bool same_schema = stored_text == pane_schema_text<K, Acc>();
  if (!same_schema) {
    SLUICE_ASSIGN_OR_RETURN(stored, (stored_accumulator_schema<K, Acc>(stored_text)));
  }
  const TextArenaRef arena(new TextArena());
  const ArenaScope scope(arena.get());
  return reader.visit_keyed_state(
      kPaneStateName, [&](int /*group*/, std::string_view key_bytes, std::string_view value_bytes) {
        arena->clear();
        ByteReader key_reader(key_bytes);
        const K key = decode<K>(key_reader);
        const auto start = key_reader.fixed<int64_t>();
        ByteReader value_reader(value_bytes);
        Acc acc{};
        if (same_schema) {
          Codec<Acc>::decode(value_reader, acc);
        } else {
          decode_with_schema(value_reader, stored, acc);
        }
        if (key_reader.failed() || !key_reader.at_end() || value_reader.failed()) {
          return Status::corruption("a stored window entry cannot be decoded");
        }
        add(start, key, stable_hash(key), std::move(acc));
        return Status::ok();
      });
}

}  // namespace sluice
