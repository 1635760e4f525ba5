// Keyed state of every kind and the same in plain containers, for tests that change both at random.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/random.h"
#include "state/api/keyed_rows.h"
#include "state/api/list_state.h"
#include "state/api/map_state.h"
#include "state/api/value_state.h"
#include "tests/support/memory_snapshot.h"

namespace sluice {

using Entries = std::map<std::string, std::map<std::pair<int, std::string>, std::string>>;

inline Entries entries_of(const MemorySnapshot& snapshot) {
  Entries all;
  auto reader = snapshot.reader();
  for (const std::string& name : reader.keyed_state_names()) {
    auto& entries = all[name];
    const Status status = reader.visit_keyed_state(
        name, [&](int group, std::string_view key, std::string_view value) {
          entries[{group, std::string(key)}] = std::string(value);
          return Status::ok();
        });
    REQUIRE(status.is_ok());
  }
  return all;
}

inline MemorySnapshot full_copy(FrozenState& frozen) {
  MemorySnapshot snapshot;
  REQUIRE(frozen.write(snapshot, false).is_ok());
  return snapshot;
}

/// What a key holds, in plain containers.
struct Model {
  std::optional<int64_t> count;
  std::optional<std::string> name;
  std::vector<std::string> list;
  std::map<std::string, int64_t> map;

  bool is_empty() const { return !count && !name && list.empty() && map.empty(); }
  friend bool operator==(const Model&, const Model&) = default;
};

struct Station {
  int32_t id = 0;
  Text name;
};
SLUICE_RECORD(Station, id, name);

/// A table with one state of each kind. Strings in it are long enough not to stand inside a Text.
template <class K>
class Table {
 public:
  explicit Table(int subtask = 0, int parallelism = 1,
                 std::shared_ptr<ColdStore> cold_store = nullptr, size_t memory_bytes_max = 0)
      : rows_(RowTable::Options{
            .key_groups = key_group_range_of(subtask, parallelism, kDefaultMaxParallelism),
            .clock = &clock_,
            .memory_bytes_max = memory_bytes_max,
            .cold_store = std::move(cold_store),
            .owner = "table"}) {
    count_ = *ValueState<int64_t>::add_to(rows_, {"count"});
    name_ = *ValueState<std::string>::add_to(rows_, {"name"});
    list_ = *ListState<Station>::add_to(rows_, {"list"});
    map_ = *MapState<Text, int64_t>::add_to(rows_, {"map"});
    rows_.seal();
  }

  KeyedRows<K>& rows() { return rows_; }
  void use(const K& key) { rows_.set_current_key(key, stable_hash(key)); }

  Model read(const K& key) {
    use(key);
    Model model;
    model.count = count_.value();
    model.name = name_.value();
    for (const Station& station : list_.get()) model.list.push_back(station.name.str());
    for (const auto& [map_key, value] : map_.entries()) model.map[map_key.str()] = value;
    rows_.clear_current_key();
    return model;
  }

  /// One random change to the key's row and to its model.
  void change(Random& random, const K& key, Model& model) {
    use(key);
    change_current(random, model);
  }
  void change_current(Random& random, Model& model) {
    const std::string text = "a text of some length " + std::to_string(random.below(40));
    switch (random.below(10)) {
      case 0:
        count_.clear();
        model.count.reset();
        break;
      case 1:
        name_.update(text);
        model.name = text;
        break;
      case 2:
        name_.clear();
        model.name.reset();
        break;
      case 3:
        list_.add({1, Text(text)});
        model.list.push_back(text);
        break;
      case 4:
        list_.clear();
        model.list.clear();
        break;
      case 5:
      case 6:
        map_.put(Text(text), static_cast<int64_t>(random.below(1000)));
        model.map[text] = *map_.get(Text(text));
        break;
      case 7:
        CHECK(map_.remove(Text(text)) == (model.map.erase(text) == 1));
        break;
      case 8:
        if (random.one_in(4)) {
          map_.clear();
          model.map.clear();
        }
        break;
      default:
        ++count_.get_or_create();
        model.count = model.count.value_or(0) + 1;
    }
    rows_.clear_current_key();
  }

 private:
  ManualClock clock_;
  KeyedRows<K> rows_;
  ValueState<int64_t> count_;
  ValueState<std::string> name_;
  ListState<Station> list_;
  MapState<Text, int64_t> map_;
};

template <class K>
using Models = std::map<K, Model>;

template <class K>
size_t live_keys(const Models<K>& models) {
  size_t count = 0;
  for (const auto& [key, model] : models) count += model.is_empty() ? 0 : 1;
  return count;
}

}  // namespace sluice
