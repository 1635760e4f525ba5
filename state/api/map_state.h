// MapState<K, V>: a sorted map per key. Flink's MapState.
//
// Lookups cost O(log n) of the key's map and copy nothing; after a snapshot only the parts of a map
// that are written are copied (state/api/chunked_map.h). In snapshots every entry stands alone
// under key + map key. With a time to live each entry has its own.
//
// Views and iterators are valid until the next write to any state of the key: to remove while
// iterating use erase_if().
#pragma once

#include <iterator>
#include <string>
#include <utility>

#include "core/codec.h"
#include "state/api/chunked_map.h"
#include "state/api/cow_box.h"
#include "state/api/row_table.h"
#include "state/api/state_descriptor.h"
#include "state/api/value_cell.h"

namespace sluice {

template <class K, class V>
struct MapItems {
  ChunkedMap<K, V> map;
  int64_t bytes = 0;  // For memory accounting.

  static int64_t bytes_of(const K& key, const V& value) {
    return static_cast<int64_t>(sizeof(typename ChunkedMap<K, V>::Entry)) + heap_bytes_of(key) +
           heap_bytes_of(value);
  }
};

/// The cell of a map: a pointer to its box.
template <class K, class V>
struct MapCell {
  using Map = ChunkedMap<K, V>;
  using Box = CowBox<MapItems<K, V>>;
  using Stored = StoredValue<MapItems<K, V>>;

  static Box* box_of(const char* cell) { return Stored::box_of(cell); }
  static void set_box(char* cell, Box* box) { Stored::set_box(cell, box); }

  static const CellType* type() {
    static const CellType kType = [] {
      CellType type;
      type.bytes = sizeof(Box*);
      type.alignment = alignof(Box*);
      type.has_suffix = true;
      type.share = [](char* cell) { box_of(cell)->add_reference(); };
      type.destroy = [](char* cell) { box_of(cell)->release(); };
      type.write = &MapCell::write;
      type.fetch = &MapCell::fetch;
      type.fetch_steps = 1 + Map::kFetchSteps;
      type.read = &MapCell::read;
      type.expire = &MapCell::expire;
      type.outside_bytes = [](const char* cell) { return box_of(cell)->value().bytes; };
      type.last_touched_ms = &MapCell::last_touched_ms;
      type.value_starts_with_time = true;
      return type;
    }();
    return &kType;
  }

 private:
  static int64_t last_touched_ms(const char* cell) {
    int64_t last = INT64_MIN;
    box_of(cell)->value().map.for_each_while([&](const auto&, int64_t time_ms) {
      last = std::max(last, time_ms);
      return true;
    });
    return last;
  }
  static void write(const char* cell, const CellContext& context, CellWriter& out) {
    box_of(cell)->value().map.for_each_while(
        [&](const typename Map::Entry& entry, int64_t time_ms) {
          if (context.ttl.is_expired(time_ms, context.now_ms)) return true;
          EncodeBuffer& suffix = out.new_suffix();
          EncodeBuffer& value = out.new_value();
          Codec<K>::encode(entry.key, suffix);
          if (context.ttl.is_on()) value.fixed(time_ms);
          Codec<V>::encode(entry.value, value);
          out.put(suffix.view(), value.view());
          return true;
        });
  }
  static void fetch(const char* cell, uint32_t step) {
    const Box* box = box_of(cell);
    if (step == 0) {
      fetch_bytes(box, sizeof(Box));
    } else {
      box->value().map.fetch(step - 1);
    }
  }
  static Status read(char* cell, bool& is_present, const CellContext& context,
                     std::string_view suffix, std::string_view value) {
    const bool timed = context.ttl.is_on();
    ByteReader key_reader(suffix);
    const K key = decode_stored<K>(key_reader, context.stored_suffix);
    ByteReader reader(value);
    const int64_t time_ms = timed ? reader.fixed<int64_t>() : 0;
    const TypeSchema* stored = context.stored_value;
    if (timed && stored != nullptr) stored = &stored->children[1];
    const V decoded = decode_stored<V>(reader, stored);
    if (key_reader.failed() || !key_reader.at_end() || reader.failed() || !reader.at_end()) {
      return Status::corruption("an entry of a map cannot be decoded");
    }
    if (context.ttl.is_expired(time_ms, context.now_ms)) return Status::ok();
    Box* box = is_present ? Box::make_unique(box_of(cell)) : new Box();
    set_box(cell, box);
    is_present = true;
    MapItems<K, V>& items = box->mutable_value();
    typename Map::Place place;
    if (items.map.find(key, place)) return Status::corruption("an entry of a map occurs twice");
    items.map.insert(place, key, decoded, timed, time_ms);
    const int64_t bytes = MapItems<K, V>::bytes_of(key, decoded);
    items.bytes += bytes;
    context.add_box_bytes(bytes);
    return Status::ok();
  }
  static bool expire(char* cell, const CellContext& context) {
    bool any = false;
    box_of(cell)->value().map.for_each_while([&](const auto&, int64_t time_ms) {
      any = context.ttl.is_expired(time_ms, context.now_ms);
      return !any;
    });
    if (!any) return false;
    Box* box = Box::make_unique(box_of(cell));
    set_box(cell, box);
    MapItems<K, V>& items = box->mutable_value();
    items.map.erase_if([&](const typename Map::Entry& entry, int64_t time_ms) {
      if (!context.ttl.is_expired(time_ms, context.now_ms)) return false;
      const int64_t bytes = MapItems<K, V>::bytes_of(entry.key, entry.value);
      items.bytes -= bytes;
      context.add_box_bytes(-bytes);
      return true;
    });
    if (!items.map.empty()) return false;
    box->release();
    return true;
  }
};

template <class K, class V>
class MapState {
  using Cell = MapCell<K, V>;
  using Map = typename Cell::Map;
  using Box = typename Cell::Box;
  using Items = MapItems<K, V>;

 public:
  using Entry = typename Map::Entry;

  /// Unbound; using it is an error.
  MapState() = default;
  static Result<MapState> add_to(RowTable& table, const MapStateDescriptor<K, V>& descriptor) {
    SLUICE_ASSIGN_OR_RETURN(const CellRef cell,
                            table.add_cell(descriptor.name, Cell::type(), descriptor.ttl,
                                           {timed_schema<V>(descriptor.ttl), schema_text<K>()}));
    return MapState(table, cell, descriptor.ttl);
  }

  /// The value under `key`, or null. Valid until the next write to any state of this key.
  const V* get(const K& key) const {
    const Map* map = readable();
    typename Map::Place place;
    if (map == nullptr || !find_live(*map, key, place)) return nullptr;
    if (ttl_.is_on() && ttl_.update == TtlUpdate::kOnReadAndWrite) {
      Map& written = writable().map;
      written.set_time(place, table_->now_ms());
      return &written.at(place).value;
    }
    return &map->at(place).value;
  }
  V value_or(const K& key, V otherwise) const {
    const V* found = get(key);
    return found != nullptr ? *found : std::move(otherwise);
  }
  bool contains(const K& key) const { return get(key) != nullptr; }

  void put(const K& key, V value) {
    modify(key, [&](V& stored) { stored = std::move(value); });
  }
  /// Calls f(V&) on the value under `key`, a default V when there is none.
  template <class F>
  void modify(const K& key, F&& f) {
    Items& items = writable();
    typename Map::Place place;
    const bool found = items.map.find(key, place);
    const bool expired = found && ttl_.is_expired(items.map.time_at(place), table_->now_ms());
    if (!found) items.map.insert(place, key, V{}, ttl_.is_on(), table_->now_ms());
    // After a split the entry may stand elsewhere.
    if (!found) items.map.find(key, place);
    const int64_t before = found ? bytes_of(items.map.at(place)) : 0;
    items.map.modify(place, [&](V& stored) {
      if (expired) stored = V{};
      f(stored);
    });
    if (ttl_.is_on()) items.map.set_time(place, table_->now_ms());
    count_bytes(items, bytes_of(items.map.at(place)) - before);
  }
  /// False when there was no such entry.
  bool remove(const K& key) {
    const Map* map = readable();
    typename Map::Place place;
    if (map == nullptr || !map->find(key, place)) return false;
    const bool lived = !ttl_.is_expired(map->time_at(place), table_->now_ms());
    Items& items = writable();
    note_removed(items.map.at(place));
    count_bytes(items, -bytes_of(items.map.at(place)));
    items.map.erase(place);
    if (items.map.empty()) table_->clear_cell(cell_, *Cell::type());
    return lived;
  }
  /// Removes the entries for which drop(const K&, const V&) holds.
  template <class Drop>
  void erase_if(Drop&& drop) {
    if (readable() == nullptr) return;
    Items& items = writable();
    items.map.erase_if([&](const Entry& entry, int64_t time_ms) {
      const bool expired = ttl_.is_expired(time_ms, table_->now_ms());
      if (!expired && !drop(entry.key, entry.value)) return false;
      note_removed(entry);
      count_bytes(items, -bytes_of(entry));
      return true;
    });
    if (items.map.empty()) table_->clear_cell(cell_, *Cell::type());
  }
  void clear() {
    const Map* map = readable();
    if (map == nullptr) return;
    if (table_->must_note_removals()) {
      map->for_each_while([&](const Entry& entry, int64_t) {
        note_removed(entry);
        return true;
      });
    }
    table_->add_box_bytes(-Cell::box_of(table_->read_cell(cell_))->value().bytes);
    table_->clear_cell(cell_, *Cell::type());
  }
  bool is_empty() const { return entries().begin() == entries().end(); }
  /// Entries that have not expired; without TTL this costs nothing.
  size_t size() const {
    const Map* map = readable();
    if (map == nullptr) return 0;
    if (!ttl_.is_on()) return map->size();
    return static_cast<size_t>(std::distance(entries().begin(), entries().end()));
  }

  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using pointer = const Entry*;
    using reference = const Entry&;

    Iterator() = default;
    Iterator(const Map* map, const StateTtl* ttl, int64_t now_ms)
        : map_(map), ttl_(ttl), now_ms_(now_ms) {
      at_end_ = map_ == nullptr || map_->empty();
      skip_expired();
    }
    const Entry& operator*() const { return map_->at(place_); }
    const Entry* operator->() const { return &map_->at(place_); }
    Iterator& operator++() {
      at_end_ = !map_->next(place_);
      skip_expired();
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) {
      if (a.at_end_ || b.at_end_) return a.at_end_ == b.at_end_;
      return a.place_.chunk == b.place_.chunk && a.place_.slot == b.place_.slot;
    }

   private:
    void skip_expired() {
      while (!at_end_ && ttl_->is_expired(map_->time_at(place_), now_ms_)) {
        at_end_ = !map_->next(place_);
      }
    }
    const Map* map_ = nullptr;
    const StateTtl* ttl_ = nullptr;
    int64_t now_ms_ = 0;
    typename Map::Place place_;
    bool at_end_ = true;
  };
  struct Entries {
    Iterator first;
    Iterator begin() const { return first; }
    Iterator end() const { return {}; }
  };
  /// `for (const auto& [key, value] : map.entries())`, in key order.
  Entries entries() const { return {Iterator(readable(), &ttl_, table_->now_ms())}; }

 private:
  MapState(RowTable& table, CellRef cell, StateTtl ttl) : table_(&table), cell_(cell), ttl_(ttl) {}

  const Map* readable() const {
    const char* cell = table_->read_cell(cell_);
    return cell == nullptr ? nullptr : &Cell::box_of(cell)->value().map;
  }
  Items& writable() const {
    bool was_present = false;
    char* cell = table_->write_cell(cell_, was_present);
    Box* box = was_present ? Box::make_unique(Cell::box_of(cell)) : new Box();
    Cell::set_box(cell, box);
    return box->mutable_value();
  }
  bool find_live(const Map& map, const K& key, typename Map::Place& place) const {
    return map.find(key, place) && !ttl_.is_expired(map.time_at(place), table_->now_ms());
  }
  static int64_t bytes_of(const Entry& entry) { return Items::bytes_of(entry.key, entry.value); }
  void count_bytes(Items& items, int64_t bytes) const {
    items.bytes += bytes;
    table_->add_box_bytes(bytes);
  }
  void note_removed(const Entry& entry) const {
    if (table_->must_note_removals()) table_->note_removed(cell_, encode_to_string(entry.key));
  }

  RowTable* table_ = nullptr;
  CellRef cell_;
  StateTtl ttl_;
};

}  // namespace sluice
