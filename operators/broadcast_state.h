// Broadcast state: maps that every subtask holds in full, filled from a broadcast stream. Flink's
// broadcast state pattern.
//
// Operator state, not keyed: in a snapshot each map is one item with Redistribution::kBroadcast,
// and every subtask restores a full copy at any parallelism (semantics rule 38). All subtasks see
// the same broadcast records, so their copies are equal as long as the function treats every record
// alike. Copies are cheap (state/api/chunked_map.h), so freezing costs nothing. One task.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/codec.h"
#include "core/schema.h"
#include "core/snapshot.h"
#include "operators/operator_failure.h"
#include "state/api/chunked_map.h"
#include "state/api/state_descriptor.h"

namespace sluice {

/// One map, read-only: what the keyed side of a broadcast process function sees.
template <class K, class V>
class ReadOnlyBroadcastState {
 public:
  using Map = ChunkedMap<K, V>;
  using Entry = typename Map::Entry;

  /// The value under `key`, or null. Valid until the next write.
  const V* get(const K& key) const {
    typename Map::Place place;
    return map_.find(key, place) ? &map_.at(place).value : nullptr;
  }
  bool contains(const K& key) const { return get(key) != nullptr; }
  size_t size() const { return map_.size(); }
  bool is_empty() const { return map_.empty(); }
  /// Calls f(const K&, const V&) in key order.
  template <class F>
  void for_each(F&& f) const {
    map_.for_each_while([&](const Entry& entry, int64_t) {
      f(entry.key, entry.value);
      return true;
    });
  }

 protected:
  Map map_;
};

/// The same map, writable: what the broadcast side sees.
template <class K, class V>
class BroadcastState : public ReadOnlyBroadcastState<K, V> {
 public:
  using typename ReadOnlyBroadcastState<K, V>::Map;
  using typename ReadOnlyBroadcastState<K, V>::Entry;

  void put(const K& key, const V& value) {
    typename Map::Place place;
    if (!this->map_.find(key, place)) {
      this->map_.insert(place, key, value, false, 0);
    } else {
      this->map_.modify(place, [&](V& stored) { stored = value; });
    }
  }
  /// False when there was no such entry.
  bool remove(const K& key) {
    typename Map::Place place;
    if (!this->map_.find(key, place)) return false;
    this->map_.erase(place);
    return true;
  }
  /// Removes the entries for which drop(const K&, const V&) holds.
  template <class Drop>
  void erase_if(Drop&& drop) {
    this->map_.erase_if([&](const Entry& entry, int64_t) { return drop(entry.key, entry.value); });
  }
  void clear() { this->map_.clear(); }

  // -- for the operator --
  const Map& map() const { return this->map_; }
};

/// A broadcast state whose types are not known here.
class BroadcastSlot {
 public:
  virtual ~BroadcastSlot() = default;
  virtual const void* type() const = 0;
  virtual std::unique_ptr<FrozenState> freeze() const = 0;
  virtual Status restore(std::string_view item) = 0;

  std::string name;
};

template <class K, class V>
class TypedBroadcastSlot final : public BroadcastSlot {
 public:
  static const void* type_id() {
    static const char kId = 0;
    return &kId;
  }
  const void* type() const override { return type_id(); }
  std::unique_ptr<FrozenState> freeze() const override {
    return std::make_unique<Frozen>(name, state.map());
  }
  /// An item is {schema, count, entries}. Copies of several subtasks are merged: they are equal.
  Status restore(std::string_view item) override;

  BroadcastState<K, V> state;

 private:
  class Frozen final : public FrozenState {
   public:
    Frozen(std::string name, ChunkedMap<K, V> map) : name_(std::move(name)), map_(std::move(map)) {}
    Status write(SnapshotWriter& writer, bool /*incremental*/) override {
      std::string item;
      ByteWriter out(item);
      out.text(schema());
      out.fixed(static_cast<uint32_t>(map_.size()));
      map_.for_each_while([&](const auto& entry, int64_t) {
        Codec<K>::encode(entry.key, out);
        Codec<V>::encode(entry.value, out);
        return true;
      });
      return writer.add_item(name_, Redistribution::kBroadcast, item);
    }

   private:
    std::string name_;
    ChunkedMap<K, V> map_;
  };
  static std::string schema() { return "{" + schema_text<K>() + ":" + schema_text<V>() + "}"; }
};

/// Says which broadcast states an operator has: made from a descriptor, given to the operator's
/// factory.
struct BroadcastStateSpec {
  std::string name;
  std::function<std::unique_ptr<BroadcastSlot>()> make;

  template <class K, class V>
  static BroadcastStateSpec of(const MapStateDescriptor<K, V>& descriptor) {
    return {descriptor.name, [] { return std::make_unique<TypedBroadcastSlot<K, V>>(); }};
  }
};

/// The broadcast states of one operator.
class BroadcastStates {
 public:
  explicit BroadcastStates(const std::vector<BroadcastStateSpec>& specs);

  Status restore(SnapshotReader& reader);
  /// Null when there are none.
  std::unique_ptr<FrozenState> freeze() const;

  /// Throws OperatorFailure for a name or type that was not given to broadcast().
  template <class K, class V>
  BroadcastState<K, V>& get(const MapStateDescriptor<K, V>& descriptor) {
    for (const auto& slot : slots_) {
      if (slot->name == descriptor.name && slot->type() == TypedBroadcastSlot<K, V>::type_id()) {
        return static_cast<TypedBroadcastSlot<K, V>&>(*slot).state;
      }
    }
    throw OperatorFailure(Status::invalid_argument("the broadcast state '" + descriptor.name +
                                                   "' was not given to broadcast(), or has other "
                                                   "types there"));
  }

 private:
  std::vector<std::unique_ptr<BroadcastSlot>> slots_;
};

// ---- implementation -----------------------------------------------------------------------------

template <class K, class V>
Status TypedBroadcastSlot<K, V>::restore(std::string_view item) {
  const auto damaged = [&] {
    return Status::corruption("broadcast state '" + name + "' cannot be decoded");
  };
  ByteReader reader(item);
  const std::string stored_text(reader.text());
  if (reader.failed()) return damaged();
  const std::string why = describe_incompatibility(stored_text, schema());
  if (!why.empty()) return Status::failed_precondition("broadcast state '" + name + "': " + why);
  SLUICE_ASSIGN_OR_RETURN(const TypeSchema stored, parse_schema(stored_text));
  const TextArenaRef arena(new TextArena());
  const ArenaScope scope(arena.get());
  const auto count = reader.fixed<uint32_t>();
  for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
    K key{};
    V value{};
    decode_with_schema(reader, stored.children[0], key);
    decode_with_schema(reader, stored.children[1], value);
    if (!reader.failed()) state.put(key, value);
  }
  return reader.failed() || !reader.at_end() ? damaged() : Status::ok();
}

}  // namespace sluice
