#include "state/snapshot_reader.h"

#include <algorithm>
#include <map>

namespace sluice {

Result<std::unique_ptr<ChainedSnapshotReader>> ChainedSnapshotReader::open(
    FileSystem& files, const OperatorChains& chains, int subtask, int parallelism) {
  if (parallelism > chains.max_parallelism) {
    return Status::failed_precondition(
        "operator '" + chains.uid + "' was stored with max parallelism " +
        std::to_string(chains.max_parallelism) + " and cannot run with parallelism " +
        std::to_string(parallelism));
  }
  std::unique_ptr<ChainedSnapshotReader> reader(new ChainedSnapshotReader());
  reader->uid_ = chains.uid;
  reader->subtask_ = subtask;
  reader->parallelism_ = parallelism;
  reader->groups_ = key_group_range_of(subtask, parallelism, chains.max_parallelism);
  SLUICE_RETURN_IF_ERROR(reader->open_chains(files, chains));
  return reader;
}

namespace {

bool overlap(KeyGroupRange a, KeyGroupRange b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

Status ChainedSnapshotReader::open_chains(FileSystem& files, const OperatorChains& chains) {
  std::vector<std::vector<SnapshotItem>> items(chains.subtasks.size());
  for (size_t old = 0; old < chains.subtasks.size(); ++old) {
    const SnapshotChain& chain = chains.subtasks[old];
    if (chain.files.empty()) continue;
    const SnapshotFile& newest = chain.files.back();
    const bool has_our_groups = overlap(newest.identity.key_groups(), groups_);
    OpenChain open;
    for (const SnapshotFile& file : chain.files) {
      const bool needed = has_our_groups || (&file == &newest && file.has_items);
      if (!needed) continue;
      SLUICE_ASSIGN_OR_RETURN(auto reader, SnapshotFileReader::open(files, file));
      if (file.identity.is_delta == (&file == &chain.files.front())) {
        return Status::corruption(reader->name() + ": a chain is one base and then deltas");
      }
      SLUICE_RETURN_IF_ERROR(take_schemas(*reader));
      open.push_back(std::move(reader));
    }
    if (newest.has_items) {
      SLUICE_ASSIGN_OR_RETURN(items[old], open.back()->read_items());
    }
    if (has_our_groups) chains_.push_back(std::move(open));
  }
  distribute(std::move(items));
  return Status::ok();
}

Status ChainedSnapshotReader::take_schemas(const SnapshotFileReader& file) {
  for (const SnapshotStateName& state : file.index().states) {
    const auto known = std::find_if(states_.begin(), states_.end(),
                                    [&](const auto& other) { return other.name == state.name; });
    if (known == states_.end()) {
      states_.push_back(state);
    } else if (known->schema != state.schema) {
      return Status::failed_precondition(file.name() + ": state '" + state.name + "' has schema " +
                                         state.schema + " here and " + known->schema +
                                         " in an earlier file of the checkpoint");
    }
  }
  return Status::ok();
}

void ChainedSnapshotReader::distribute(std::vector<std::vector<SnapshotItem>> by_subtask) {
  const auto old_parallelism = static_cast<int>(by_subtask.size());
  // Subtasks beyond the old parallelism read the broadcast copy of another one.
  const int copy_of = old_parallelism == 0 ? 0 : subtask_ % old_parallelism;
  std::map<std::string, int, std::less<>> next_of_name;
  for (int old = 0; old < old_parallelism; ++old) {
    for (SnapshotItem& item : by_subtask[static_cast<size_t>(old)]) {
      bool mine = false;
      switch (item.mode) {
        case Redistribution::kSplit:
          mine = old_parallelism == parallelism_
                     ? old == subtask_
                     : next_of_name[item.name]++ % parallelism_ == subtask_;
          break;
        case Redistribution::kUnion:
          mine = true;
          break;
        case Redistribution::kBroadcast:
          mine = old == copy_of;
          break;
      }
      if (mine) items_.push_back(std::move(item));
    }
  }
}

std::vector<std::string> ChainedSnapshotReader::keyed_state_names() const {
  std::vector<std::string> names;
  for (const SnapshotStateName& state : states_) names.push_back(state.name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string ChainedSnapshotReader::schema_of(std::string_view name) const {
  for (const SnapshotStateName& state : states_) {
    if (state.name == name) return state.schema;
  }
  return {};
}

std::vector<std::string> ChainedSnapshotReader::unread_states() const {
  std::set<std::string> unread;
  for (const SnapshotStateName& state : states_) unread.insert(state.name);
  for (const SnapshotItem& item : items_) unread.insert(item.name);
  for (const std::string& name : read_) unread.erase(name);
  return {unread.begin(), unread.end()};
}

std::vector<std::string> ChainedSnapshotReader::items(std::string_view name) const {
  read_.emplace(name);
  std::vector<std::string> mine;
  for (const SnapshotItem& item : items_) {
    if (item.name == name) mine.push_back(item.item);
  }
  return mine;
}

// ---- merging ------------------------------------------------------------------------------------

namespace {

/// A run of one state with its age: later files are newer.
struct MergeInput {
  std::unique_ptr<RunCursor> cursor;
  size_t file = 0;
  size_t state = 0;

  int compare(const MergeInput& other) const {
    const int order = cursor->compare(*other.cursor);
    if (order != 0 || state == other.state) return order;
    return state < other.state ? -1 : 1;
  }
};

void append_runs(const std::vector<std::unique_ptr<SnapshotFileReader>>& chain,
                 const std::string& name, size_t state, KeyGroupRange groups,
                 std::vector<MergeInput>& inputs) {
  for (size_t file = 0; file < chain.size(); ++file) {
    const SnapshotIndex& index = chain[file]->index();
    std::map<uint32_t, std::vector<SnapshotSection>> runs;
    for (const SnapshotSection& section : index.sections) {
      if (section.kind == SectionKind::kKeyed && index.states[section.state].name == name) {
        runs[section.run].push_back(section);
      }
    }
    for (auto& [run, sections] : runs) {
      inputs.push_back(
          {std::make_unique<RunCursor>(*chain[file], std::move(sections), groups), file, state});
    }
  }
}

/// Inputs in the order of their entries, of equal ones the oldest first. A heap, since a file whose
/// writer went through the key groups again and again has a run for each time.
class MergeOrder {
  auto comes_after() const {
    return [this](size_t a, size_t b) {
      const int order = inputs_[a].compare(inputs_[b]);
      return order != 0 ? order > 0 : a > b;
    };
  }

 public:
  explicit MergeOrder(std::vector<MergeInput>& inputs) : inputs_(inputs) {}

  bool is_empty() const { return heap_.empty(); }
  /// Moves an input to its next entry; one that has ended is not seen again.
  Status advance(size_t input) {
    if (!inputs_[input].cursor->next()) return inputs_[input].cursor->status();
    heap_.push_back(input);
    std::push_heap(heap_.begin(), heap_.end(), comes_after());
    return Status::ok();
  }
  /// Takes out all inputs with the smallest entry.
  void take_smallest(std::vector<size_t>& same) {
    same.clear();
    do {
      std::pop_heap(heap_.begin(), heap_.end(), comes_after());
      same.push_back(heap_.back());
      heap_.pop_back();
    } while (!heap_.empty() && inputs_[heap_.front()].compare(inputs_[same.front()]) == 0);
  }

 private:
  std::vector<MergeInput>& inputs_;
  std::vector<size_t> heap_;
};

/// Whether `b` hides `a` when both have the same key; inputs are in the order of their age.
bool hides(const MergeInput& b, const MergeInput& a) {
  // Within one file a key that was deleted and written again is there.
  if (a.file == b.file && b.cursor->entry().is_tombstone) return a.cursor->entry().is_tombstone;
  return true;
}

Status visit_single(MergeInput& input, const SnapshotReader::MergedVisitor& visitor) {
  RunCursor& cursor = *input.cursor;
  while (cursor.next()) {
    const SnapshotEntry& entry = cursor.entry();
    if (entry.is_tombstone) continue;
    SLUICE_RETURN_IF_ERROR(visitor(input.state, cursor.group(), entry.key, entry.value));
  }
  return cursor.status();
}

}  // namespace

Status ChainedSnapshotReader::visit_chain(const OpenChain& chain, KeyGroupRange groups,
                                          const std::vector<std::string>& names,
                                          const MergedVisitor& visitor) {
  std::vector<MergeInput> inputs;
  for (size_t i = 0; i < names.size(); ++i) append_runs(chain, names[i], i, groups, inputs);
  if (inputs.size() == 1) return visit_single(inputs[0], visitor);
  MergeOrder order(inputs);
  for (size_t i = 0; i < inputs.size(); ++i) SLUICE_RETURN_IF_ERROR(order.advance(i));
  std::vector<size_t> same;
  while (!order.is_empty()) {
    order.take_smallest(same);
    size_t winner = same[0];
    for (size_t i = 1; i < same.size(); ++i) {
      if (hides(inputs[same[i]], inputs[winner])) winner = same[i];
    }
    const RunCursor& cursor = *inputs[winner].cursor;
    if (!cursor.entry().is_tombstone) {
      SLUICE_RETURN_IF_ERROR(
          visitor(inputs[winner].state, cursor.group(), cursor.entry().key, cursor.entry().value));
    }
    for (const size_t input : same) SLUICE_RETURN_IF_ERROR(order.advance(input));
  }
  return Status::ok();
}

Status ChainedSnapshotReader::visit_keyed_state(std::string_view name,
                                                const EntryVisitor& visitor) {
  return visit_keyed_states({std::string(name)},
                            [&](size_t, int group, std::string_view key, std::string_view value) {
                              return visitor(group, key, value);
                            });
}

Status ChainedSnapshotReader::visit_keyed_states(const std::vector<std::string>& names,
                                                 const MergedVisitor& visitor) {
  read_.insert(names.begin(), names.end());
  for (const OpenChain& chain : chains_) {
    SLUICE_RETURN_IF_ERROR(visit_chain(chain, groups_, names, visitor));
  }
  return Status::ok();
}

}  // namespace sluice
