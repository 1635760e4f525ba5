// How operators give away and get back their state.
//
// At a barrier an operator freezes its state (O(1), on the task's thread) and returns a
// FrozenState; an I/O thread calls write() later while the operator goes on. Keyed entries are
// addressed by (state name, key group, key bytes); key bytes are self-delimiting and contain the
// namespace. Operator (non-keyed) state is a list of items with a redistribution mode.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/ids.h"
#include "core/key_group.h"
#include "core/status.h"

namespace sluice {

/// How items of operator state are spread when the parallelism changes. Persisted: do not renumber.
enum class Redistribution : uint8_t {
  kSplit = 0,      // Round-robin, each item to one subtask.
  kUnion = 1,      // Every item to every subtask.
  kBroadcast = 2,  // Every subtask has the same full copy.
};

/// Receives one operator's state; implemented by the checkpoint writer.
class SnapshotWriter {
 public:
  virtual ~SnapshotWriter() = default;
  /// Starts a keyed state; `schema` is the text of the key and value types (core/schema.h).
  virtual Status begin_keyed_state(std::string_view name, std::string_view schema) = 0;
  /// One entry of the state begun last. Any order within a state.
  virtual Status put(int key_group, std::string_view key, std::string_view value) = 0;
  /// The entry was deleted since the previous incremental snapshot.
  virtual Status erase(int key_group, std::string_view key) = 0;
  virtual Status add_item(std::string_view name, Redistribution mode, std::string_view item) = 0;
  /// An item that lies in several pieces, for items too large to be put together in memory first.
  virtual Status add_item_pieces(std::string_view name, Redistribution mode,
                                 std::span<const std::string_view> pieces) {
    std::string item;
    for (const std::string_view piece : pieces) item += piece;
    return add_item(name, mode, item);
  }
};

/// Gives an operator its state back; implemented by the checkpoint reader. Entries are those of the
/// subtask's key-group range only. Views live during the callback.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  using EntryVisitor =
      std::function<Status(int key_group, std::string_view key, std::string_view value)>;
  virtual std::vector<std::string> keyed_state_names() const = 0;
  /// Schema text stored with the state; empty when there is no such state.
  virtual std::string schema_of(std::string_view name) const = 0;
  virtual Status visit_keyed_state(std::string_view name, const EntryVisitor& visitor) = 0;
  /// The entries of several states merged by (key group, key): what belongs to one row comes
  /// together. `state` is the place in `names`. The default holds all entries to sort them; readers
  /// of large state merge.
  using MergedVisitor = std::function<Status(size_t state, int key_group, std::string_view key,
                                             std::string_view value)>;
  virtual Status visit_keyed_states(const std::vector<std::string>& names,
                                    const MergedVisitor& visitor) {
    std::map<std::tuple<int, std::string, size_t>, std::string> merged;
    for (size_t state = 0; state < names.size(); ++state) {
      SLUICE_RETURN_IF_ERROR(visit_keyed_state(
          names[state], [&](int group, std::string_view key, std::string_view value) {
            merged[{group, std::string(key), state}] = std::string(value);
            return Status::ok();
          }));
    }
    for (const auto& [place, value] : merged) {
      const auto& [group, key, state] = place;
      SLUICE_RETURN_IF_ERROR(visitor(state, group, key, value));
    }
    return Status::ok();
  }
  /// Items for this subtask after redistribution.
  virtual std::vector<std::string> items(std::string_view name) const = 0;
};

/// State as it was at the barrier. Destroying it releases what it pins; any thread.
class FrozenState {
 public:
  virtual ~FrozenState() = default;
  /// Writes all entries, or with `incremental` only those changed since the snapshot before.
  virtual Status write(SnapshotWriter& writer, bool incremental) = 0;
  /// write() will be called once, with this `incremental`: what it does not need is released now,
  /// on the task's thread, and the rest as it is written, so that the operator need not copy what
  /// it changes.
  virtual void will_write_once(bool /*incremental*/) {}
  /// Whether a delta would put and erase more entries than all there are; false also when that
  /// cannot be told without looking at every entry.
  virtual bool is_smaller_than_its_delta() const { return false; }
  /// Bytes this state is expected to take, for progress and limits.
  virtual size_t size_hint() const { return 0; }
};

}  // namespace sluice
