// Gives a new subtask its part of an operator's stored state, whatever the parallelism was.
//
// Every old subtask left a chain of files: one base and deltas in order. Keyed state: the chains
// are merged one after the other, the newest file wins, tombstones hide older entries, and only the
// key groups of the new subtask are read. Operator state comes from the last file of each chain and
// is redistributed (semantics rule 38): split items go round-robin to the new subtasks, or stay
// where they were when the parallelism is the same; union items go to all; a broadcast copy is that
// of the old subtask with the same number, or another one's.
//
// Used by one thread; holds one section per open run (256 KiB each).
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/snapshot.h"
#include "state/snapshot_file_reader.h"

namespace sluice {

/// What one subtask left: base first, then deltas in order. Empty when it had no state.
struct SnapshotChain {
  std::vector<SnapshotFile> files;
  /// The subtask had reached the end of its input (semantics rule 31).
  bool finished = false;
};

/// State of one operator as a checkpoint has it.
struct OperatorChains {
  std::string uid;
  int max_parallelism = kDefaultMaxParallelism;
  std::vector<SnapshotChain> subtasks;  // One for each old subtask.
};

class ChainedSnapshotReader final : public SnapshotReader {
 public:
  /// Opens the files that matter to subtask `subtask` of `parallelism`. `chains` and `files` must
  /// outlive the reader. kFailedPrecondition when the new parallelism is larger than the stored max
  /// parallelism, or when files of one chain have different schemas.
  static Result<std::unique_ptr<ChainedSnapshotReader>> open(FileSystem& files,
                                                             const OperatorChains& chains,
                                                             int subtask, int parallelism);

  std::vector<std::string> keyed_state_names() const override;
  std::string schema_of(std::string_view name) const override;
  Status visit_keyed_state(std::string_view name, const EntryVisitor& visitor) override;
  Status visit_keyed_states(const std::vector<std::string>& names,
                            const MergedVisitor& visitor) override;
  std::vector<std::string> items(std::string_view name) const override;

  /// Names of states that the operator did not ask for: it does not have them any more. Keyed
  /// states count as read when they were visited, operator states when their items were taken.
  std::vector<std::string> unread_states() const;
  const std::string& operator_uid() const { return uid_; }

  /// Operator-state items by name, all of this subtask.
  const std::vector<SnapshotItem>& all_items() const { return items_; }

 private:
  using OpenChain = std::vector<std::unique_ptr<SnapshotFileReader>>;

  ChainedSnapshotReader() = default;
  Status open_chains(FileSystem& files, const OperatorChains& chains);
  Status take_schemas(const SnapshotFileReader& file);
  void distribute(std::vector<std::vector<SnapshotItem>> by_subtask);
  static Status visit_chain(const OpenChain& chain, KeyGroupRange groups,
                            const std::vector<std::string>& names, const MergedVisitor& visitor);

  std::string uid_;
  int subtask_ = 0;
  int parallelism_ = 1;
  KeyGroupRange groups_;
  std::vector<OpenChain> chains_;  // Those with key groups of ours.
  std::vector<SnapshotStateName> states_;
  mutable std::set<std::string, std::less<>> read_;
  std::vector<SnapshotItem> items_;
};

}  // namespace sluice
