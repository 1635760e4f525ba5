// A snapshot in memory: what operators write at a barrier, and what they read on restore, also at
// another parallelism. For tests. Not thread-safe.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/snapshot.h"

namespace sluice {

class MemorySnapshot : public SnapshotWriter {
 public:
  Status begin_keyed_state(std::string_view name, std::string_view schema) override {
    current_ = std::string(name);
    keyed_[current_].schema = std::string(schema);
    return Status::ok();
  }
  Status put(int key_group, std::string_view key, std::string_view value) override {
    keyed_[current_].entries[{key_group, std::string(key)}] = std::string(value);
    return Status::ok();
  }
  Status erase(int key_group, std::string_view key) override {
    keyed_[current_].entries.erase({key_group, std::string(key)});
    return Status::ok();
  }
  Status add_item(std::string_view name, Redistribution mode, std::string_view item) override {
    items_[std::string(name)].push_back({mode, std::string(item)});
    return Status::ok();
  }

  size_t keyed_entries() const {
    size_t count = 0;
    for (const auto& [name, state] : keyed_) count += state.entries.size();
    return count;
  }
  /// Adds the entries and items another subtask wrote.
  void merge(const MemorySnapshot& other) {
    for (const auto& [name, state] : other.keyed_) {
      keyed_[name].schema = state.schema;
      keyed_[name].entries.insert(state.entries.begin(), state.entries.end());
    }
    for (const auto& [name, items] : other.items_) {
      auto& mine = items_[name];
      mine.insert(mine.end(), items.begin(), items.end());
    }
  }

  /// The part of one subtask after redistribution.
  class Reader final : public SnapshotReader {
   public:
    Reader(const MemorySnapshot& snapshot, KeyGroupRange groups, int subtask, int parallelism)
        : snapshot_(snapshot), groups_(groups), subtask_(subtask), parallelism_(parallelism) {}

    std::vector<std::string> keyed_state_names() const override {
      std::vector<std::string> names;
      for (const auto& [name, state] : snapshot_.keyed_) names.push_back(name);
      return names;
    }
    std::string schema_of(std::string_view name) const override {
      const auto it = snapshot_.keyed_.find(std::string(name));
      return it == snapshot_.keyed_.end() ? std::string() : it->second.schema;
    }
    Status visit_keyed_state(std::string_view name, const EntryVisitor& visitor) override {
      const auto it = snapshot_.keyed_.find(std::string(name));
      if (it == snapshot_.keyed_.end()) return Status::ok();
      for (const auto& [key, value] : it->second.entries) {
        if (!groups_.contains(key.first)) continue;
        SLUICE_RETURN_IF_ERROR(visitor(key.first, key.second, value));
      }
      return Status::ok();
    }
    std::vector<std::string> items(std::string_view name) const override {
      std::vector<std::string> mine;
      const auto it = snapshot_.items_.find(std::string(name));
      if (it == snapshot_.items_.end()) return mine;
      int index = 0;
      for (const auto& [mode, item] : it->second) {
        if (mode != Redistribution::kSplit || index % parallelism_ == subtask_) {
          mine.push_back(item);
        }
        ++index;
      }
      return mine;
    }

   private:
    const MemorySnapshot& snapshot_;
    KeyGroupRange groups_;
    int subtask_;
    int parallelism_;
  };

  Reader reader(int subtask = 0, int parallelism = 1,
                int max_parallelism = kDefaultMaxParallelism) const {
    return Reader(*this, key_group_range_of(subtask, parallelism, max_parallelism), subtask,
                  parallelism);
  }

 private:
  struct KeyedState {
    std::string schema;
    std::map<std::pair<int, std::string>, std::string> entries;
  };
  std::string current_;
  std::map<std::string, KeyedState> keyed_;
  std::map<std::string, std::vector<std::pair<Redistribution, std::string>>> items_;
};

}  // namespace sluice
