// The operators of one task, connected by pointers instead of channels.
//
// Each stage owns at most one pending batch with a cursor. The chain pushes depth first: what a
// stage emits is handed to its consumers before the stage goes on, so a batch stays in cache. When
// an output edge is out of credit everything above it stops where it is and resumes there.
//
// User code is caught here: an exception becomes a Status with operator, subtask and text, and the
// chain is of no further use.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/operator.h"
#include "operators/output_edge.h"
#include "operators/task.h"
#include "operators/task_spec.h"

namespace sluice {

class OperatorChain {
 public:
  /// `edges` in the order of TaskSpec::edges; they outlive the chain.
  OperatorChain(const TaskSpec& spec, std::vector<std::unique_ptr<OutputEdge>>& edges);
  ~OperatorChain();

  /// Opens the last operator first, so that each finds its consumers ready.
  Status open(const TaskServices& services, size_t batch_bytes);
  void close();

  /// True when nothing is pending in any stage: a new batch may be given.
  bool is_drained() const { return drained_; }
  /// Gives a batch to the head; must be drained.
  void give(int input, StreamBatch batch) { give_to(0, input, std::move(batch)); }
  /// Gives a batch to a stage; must be drained.
  void give_to(size_t stage, int input, StreamBatch batch);
  /// Goes on with what is pending; true when drained, false when waiting for credit or kAwait.
  bool pump();
  /// The batch given last, if it is unique and no longer used: for recycling.
  BatchPtr take_used();

  void end_of_input(int input);
  /// Finishes stage by stage; true when all have finished and everything was pushed.
  bool finish();
  enum class Fired {
    kAll,      // None of those due is left, and what they emitted was pushed.
    kSome,     // The time is up; call again.
    kBlocked,  // Waiting for credit or kAwait; call again once drained.
  };
  /// Fires processing timers due at `now_ms`, some at least, until the steady clock passes
  /// `until_ns`.
  Fired fire_processing_timers(int64_t now_ms, int64_t until_ns);
  int64_t next_processing_timer() const;
  Status on_idle();

  /// With `drain` what the hooks emit is pushed on.
  enum class Hooks { kPushOn, kLeave };
  Status prepare_snapshot(CheckpointId checkpoint, Hooks hooks = Hooks::kPushOn);
  /// Whether a snapshot can be taken although the chain is not drained: every operator agrees, and
  /// what is in flight can be stored.
  bool can_be_cut() const;
  /// Adds what is in flight between the operators, which stays there. `channel`: where the batch
  /// given last came from.
  void record(int channel, InFlightState& state);
  /// What a stage reads, if it is not the head.
  const RecordType* input_type(size_t stage) const {
    return stages_[stage].producer == nullptr ? nullptr : &stages_[stage].producer->type();
  }
  Result<std::vector<OperatorSnapshot>> snapshot(CheckpointId checkpoint);
  Status checkpoint_complete(CheckpointId checkpoint);
  Status settle();
  void checkpoint_aborted(CheckpointId checkpoint);
  /// A latency marker passes: stages without outputs record it.
  void record_latency(int64_t steady_ns_now, int64_t marker_ns);

  Operator& head() { return *stages_.front().op; }
  Operator& stage(size_t index) { return *stages_[index].op; }
  size_t stage_count() const { return stages_.size(); }
  /// An operator above the tail waits for something asynchronous.
  bool is_awaiting() const { return awaiting_; }
  const Status& status() const { return status_; }
  size_t state_bytes() const;

  /// Runs `action` of stage `index` with exceptions turned into status(); false after a failure.
  bool guarded(size_t index, const std::function<Status()>& action);

 private:
  struct Target {
    int stage = -1;  // Either a stage ...
    int edge = -1;   // ... or an edge.
  };
  struct Port {
    std::vector<Target> targets;
    // The batch being delivered and how far.
    StreamBatch in_flight;
    bool busy = false;
    size_t next_target = 0;
    Cursor edge_cursor;
  };
  struct Stage {
    std::unique_ptr<Operator> op;
    std::vector<Port> ports;
    OutputBase* producer = nullptr;  // The output that feeds this stage.
    bool has_input = false;
    int input = 0;
    StreamBatch pending;
    Cursor cursor;
    bool opened = false;
    bool finished = false;
    OperatorContext context;
    Histogram* latency = nullptr;
  };
  bool pump_stage(size_t index);
  bool deliver(size_t index);
  bool deliver_port(size_t index, size_t port);
  bool deliver_to(Port& port, const Target& target, StreamBatch& batch);
  Progress process(Stage& stage, size_t index);
  void record_stage(size_t index, int channel, InFlightState& state);
  void record_output(const Port& port, size_t first_target, const StreamBatch& batch, Cursor from,
                     InFlightState& state) const;
  void fail(size_t index, const std::string& text);
  void fail(size_t index, const Status& status);

  const TaskSpec& spec_;
  std::vector<std::unique_ptr<OutputEdge>>& edges_;
  std::vector<Stage> stages_;
  BatchPtr used_;
  Status status_;
  bool drained_ = true;
  bool awaiting_ = false;
  bool is_encodable_ = true;  // Every batch between operators can be stored.
  size_t finishing_stage_ = 0;
};

}  // namespace sluice
