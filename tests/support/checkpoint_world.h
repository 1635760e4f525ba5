// A job with checkpoints on one thread and one seed: real tasks, the real CheckpointProtocol, and a
// simulated world around them.
//
// Every message waits in the queue of its link; which queue moves next, when a snapshot is uploaded
// or published, when time passes and when the job dies is drawn from the seed. Messages keep their
// order per link, nothing else does. After a failure the tasks are made anew from the newest
// complete checkpoint, at another parallelism if asked. Replaying needs the seed alone.
//
// PlantedBug puts a mistake into this world (never into the product) that a checkpoint protocol can
// have: the tests show that such mistakes are found.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "operators/task.h"
#include "state/checkpoint_protocol.h"
#include "tests/support/operator_harness.h"

namespace sluice {

enum class PlantedBug {
  kNone,
  kAckBeforeUpload,       // A snapshot is acknowledged before it is stored.
  kNoAlignmentOnOne,      // One channel is not held back behind its barrier.
  kBarrierOvertakesData,  // An aligned barrier is put in front of a batch of its channel.
  kTimersMissing,         // Timers are left out of the snapshot.
  kKeyGroupOffByOne,      // A restored subtask reads key groups one too high.
  kCommitBeforeComplete,  // Sinks commit when they have acknowledged.
  kForgetChannelState,    // Data in flight is left out of the snapshot.
  kForgetInputQueues,     // What waited in or arrived at channels is left out.
  kIdsReused,             // A coordinator that starts again numbers from 1 again.
  kAttemptReused,         // And answers of the attempt before count for this one.
  kSplitsNotHeld,         // Splits are given out between the enumerator's snapshot and the barrier.
  kRestoreOlder,          // Recovery starts from the checkpoint before the newest.
  kCompleteWithOneMissing,  // One acknowledgement is made up.
  kDropOneInFlight,         // Recovery loses the last piece of data in flight.
};
const char* planted_bug_name(PlantedBug bug);

/// What operators wrote for one subtask.
struct StoredOperator {
  struct Keyed {
    std::string schema;
    std::map<std::pair<int, std::string>, std::string> entries;
  };
  struct Item {
    std::string name;
    Redistribution mode;
    std::string bytes;
  };
  std::map<std::string, Keyed> keyed;
  std::vector<Item> items;
  bool finished = false;
};

struct WorldVertex {
  std::string uid;
  int parallelism = 1;
  int max_parallelism = kDefaultMaxParallelism;
  bool is_source = false;
  int input_count = 1;
  /// Stages, chain links, limits; called for each subtask of each attempt.
  std::function<TaskSpec()> make;
};

struct WorldEdge {
  int from = 0;
  int to = 0;
  int input = 0;
  Partitioning partitioning = Partitioning::kHash;
  RowSelectorFactory selector;
  const RecordType* type = nullptr;
};

struct WorldSettings {
  uint64_t seed = 1;
  CheckpointProtocolOptions checkpoints;
  uint32_t credit = 2;
  std::vector<SourceSplit> splits;
  /// One upload in so many fails; 0: none does.
  uint64_t upload_fails_one_in = 0;
  uint64_t publish_fails_one_in = 0;
  PlantedBug bug = PlantedBug::kNone;
};

class CheckpointWorld {
 public:
  CheckpointWorld(WorldSettings settings, std::vector<WorldVertex> vertices,
                  std::vector<WorldEdge> edges);
  ~CheckpointWorld();

  /// One seeded step; false when the job is done.
  bool step();
  /// Steps until the job is done; false when it takes more than `steps_max`.
  bool run(int64_t steps_max = 2'000'000);
  /// All tasks die where they are; the next step starts a new attempt.
  void fail(const std::string& why);
  /// Takes effect with the next attempt.
  void set_parallelism(int vertex, int parallelism) {
    vertices_[static_cast<size_t>(vertex)].parallelism = parallelism;
  }

  ManualClock& clock() { return clock_; }
  Random& random() { return random_; }
  const CheckpointProtocol& protocol() const { return *protocol_; }
  /// Complete checkpoints of all attempts, and those that held data in flight.
  int completed() const { return completed_; }
  int completed_with_data() const { return completed_with_data_; }
  int restores() const { return restores_; }
  int restores_with_data() const { return restores_with_data_; }
  int attempt() const { return attempt_; }
  int64_t steps() const { return steps_; }
  bool is_done() const { return done_; }
  /// What everybody is waiting for.
  std::string describe() const;
  /// Why the last attempt failed by itself, if it did.
  const Status& failure() const { return failure_; }
  /// Called when a checkpoint is complete: state by operator uid, then by subtask.
  using Snapshot = std::map<std::string, std::vector<StoredOperator>>;
  std::function<void(CheckpointId, const Snapshot&)> on_complete;
  Task& task(int vertex, int subtask);

 private:
  struct Stored;
  struct Node;
  struct Upload;

  void start();
  void make_tasks(const Stored* from);
  void connect();
  Node& node(TaskId id);
  void coordinator(CheckpointEvent event);
  void act(const CheckpointAction& action);
  void tick();
  void upload(size_t which);
  void publish(const checkpoint_action::Publish& action);
  void run_task(Node& node);
  void assign_splits();
  TaskSpec spec_of(int vertex, int subtask);
  std::unique_ptr<SnapshotReader> reader_of(const Stored& stored, const std::string& uid,
                                            int subtask, int parallelism, int max_parallelism);
  void post(const std::string& link, std::function<void()> mail) {
    links_[link].push_back(std::move(mail));
  }

  WorldSettings settings_;
  std::vector<WorldVertex> vertices_;
  std::vector<WorldEdge> edges_;
  Random random_;
  ManualClock clock_;
  InlineIoRunner io_;
  std::unique_ptr<CheckpointProtocol> protocol_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<TaskId, size_t> index_of_;
  std::map<std::string, std::deque<std::function<void()>>> links_;
  std::vector<std::unique_ptr<Upload>> uploads_;
  std::vector<std::unique_ptr<Stored>> complete_;
  std::map<CheckpointId, std::vector<SourceSplit>> enumerator_snapshots_;
  std::vector<SourceSplit> unassigned_;
  std::set<CheckpointId> held_for_;
  std::deque<TaskId> waiting_for_split_;
  int64_t next_id_ = 1;
  int attempt_ = -1;
  int64_t steps_ = 0;
  int completed_ = 0;
  int completed_with_data_ = 0;
  int restores_ = 0;
  int restores_with_data_ = 0;
  bool running_ = false;
  bool done_ = false;
  Status failure_;
};

}  // namespace sluice
