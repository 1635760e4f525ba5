#include "actors/task_snapshots.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "state/api/snapshot_entries.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

/// Says how many entries it has, and remembers what it was asked to write.
class CountedState final : public FrozenState, public SnapshotEntries {
 public:
  CountedState(size_t full, size_t delta, std::vector<bool>& deltas)
      : full_(full), delta_(delta), deltas_(deltas) {}
  size_t full_entries() const override { return full_; }
  size_t delta_entries() const override { return delta_; }
  Status write(SnapshotWriter& writer, bool incremental) override {
    deltas_.push_back(incremental);
    SLUICE_RETURN_IF_ERROR(writer.begin_keyed_state("count", "(int64,int64)"));
    // Deltas never outgrow their base here.
    for (int key = 0; key < (incremental ? 1 : 100); ++key) {
      SLUICE_RETURN_IF_ERROR(writer.put(1, std::to_string(key), "value"));
    }
    return Status::ok();
  }

 private:
  const size_t full_;
  const size_t delta_;
  std::vector<bool>& deltas_;
};

TEST_CASE("task_snapshots: where a delta would be larger than the whole, the whole is written") {
  const ScratchDirectory directory;
  FileSystem& files = local_file_system();
  REQUIRE(files.make_directories(directory / "shared").is_ok());
  const std::shared_ptr<const CheckpointStorage> storage =
      CheckpointStorage::attach(files, directory.path());
  const ManualClock clock;
  TaskSpec spec;
  TaskSnapshots snapshots(spec, storage, &files, &clock);
  std::vector<bool> deltas;
  std::vector<size_t> chain_files;
  const auto take = [&](int64_t id, size_t full, size_t delta) {
    Barrier barrier;
    barrier.checkpoint = CheckpointId{id};
    std::vector<OperatorSnapshot> states;
    states.push_back({NodeId{}, "counter", std::make_unique<CountedState>(full, delta, deltas)});
    const SnapshotOutcome outcome = snapshots.begin(barrier, std::move(states), false)->run();
    REQUIRE_MESSAGE(outcome.status.is_ok(), outcome.status.to_string());
    snapshots.finished(outcome);
    snapshots.confirmed(barrier.checkpoint);
    chain_files.push_back(outcome.snapshot->operators.at(0).chain.files.size());
  };
  take(1, 10, 10);
  take(2, 10, 10);
  take(3, 10, 11);
  take(4, 10, 3);
  take(5, 0, 0);
  CHECK(deltas == std::vector<bool>{false, true, false, true, true});
  CHECK(chain_files == std::vector<size_t>{1, 2, 1, 2, 3});
}

}  // namespace
}  // namespace sluice
