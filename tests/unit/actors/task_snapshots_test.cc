#include "actors/task_snapshots.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

/// Says which of whole and delta is smaller, and remembers which it was asked to write.
class CountedState final : public FrozenState {
 public:
  CountedState(bool whole_is_smaller, std::vector<bool>& deltas)
      : whole_is_smaller_(whole_is_smaller), deltas_(deltas) {}
  bool is_smaller_than_its_delta() const override { return whole_is_smaller_; }
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
  const bool whole_is_smaller_;
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
  const auto take = [&](int64_t id, bool whole_is_smaller) {
    Barrier barrier;
    barrier.checkpoint = CheckpointId{id};
    std::vector<OperatorSnapshot> states;
    states.push_back(
        {NodeId{}, "counter", std::make_unique<CountedState>(whole_is_smaller, deltas)});
    const SnapshotOutcome outcome = snapshots.begin(barrier, std::move(states), false)->run();
    REQUIRE_MESSAGE(outcome.status.is_ok(), outcome.status.to_string());
    snapshots.finished(outcome);
    snapshots.confirmed(barrier.checkpoint);
    chain_files.push_back(outcome.snapshot->operators.at(0).chain.files.size());
  };
  take(1, false);
  take(2, false);
  take(3, true);
  take(4, false);
  take(5, false);
  CHECK(deltas == std::vector<bool>{false, true, false, true, true});
  CHECK(chain_files == std::vector<size_t>{1, 2, 1, 2, 3});
}

}  // namespace
}  // namespace sluice
