#include "operators/operator_chain.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "operators/operator_failure.h"

namespace sluice {

OperatorChain::OperatorChain(const TaskSpec& spec, std::vector<std::unique_ptr<OutputEdge>>& edges)
    : spec_(spec), edges_(edges) {}

OperatorChain::~OperatorChain() { close(); }

Status OperatorChain::open(const TaskServices& services, size_t batch_bytes) {
  stages_.resize(spec_.stages.size());
  for (size_t i = 0; i < stages_.size(); ++i) {
    Stage& stage = stages_[i];
    const StageSpec& stage_spec = spec_.stages[i];
    if (!guarded(i, [&] {
          stage.op = stage_spec.factory();
          return Status::ok();
        })) {
      return status_;
    }
    for (const SideOutput& side : stage_spec.side_outputs) {
      stage.op->add_side_output(side.tag_id, side.factory());
    }
    stage.ports.resize(static_cast<size_t>(stage.op->output_count()));
  }
  for (const ChainLink& link : spec_.links) {
    Stage& from = stages_[static_cast<size_t>(link.from_stage)];
    from.ports[static_cast<size_t>(link.from_output)].targets.push_back({link.to_stage, -1});
    stages_[static_cast<size_t>(link.to_stage)].producer = &from.op->output(link.from_output);
  }
  for (size_t i = 0; i < spec_.edges.size(); ++i) {
    const OutputEdgeSpec& edge = spec_.edges[i];
    stages_[static_cast<size_t>(edge.from_stage)]
        .ports[static_cast<size_t>(edge.from_output)]
        .targets.push_back({-1, static_cast<int>(i)});
  }
  for (const InputEdgeSpec& edge : spec_.input_edges) {
    is_encodable_ = is_encodable_ && edge.type->is_encodable;
  }
  for (size_t i = stages_.size(); i-- > 0;) {
    Stage& stage = stages_[i];
    for (size_t port = 0; port < stage.ports.size(); ++port) {
      OutputBase& output = stage.op->output(static_cast<int>(port));
      is_encodable_ = is_encodable_ && output.type().is_encodable;
      output.set_limits(batch_bytes, spec_.limits.batch_rows);
      if (stage.ports[port].targets.empty()) output.set_discarding();
    }
    OperatorContext& context = stage.context;
    context.task = spec_.info;
    context.task.operator_name = spec_.stages[i].name;
    context.task.operator_uid = spec_.stages[i].uid;
    context.clock = services.clock;
    context.metrics = services.metrics[i];
    context.io = services.io;
    context.wake = services.wake;
    context.request_checkpoint = services.request_checkpoint;
    context.restored = services.restored.empty() ? nullptr : services.restored[i];
    context.restored_checkpoint = services.restored_checkpoint;
    context.state_backend = services.state_backend;
    context.state_memory_bytes = services.state_memory_bytes;
    if (services.open_cold_store) {
      context.open_cold_store = [open = services.open_cold_store, i] { return open(i); };
    }
    context.fail_on_bad_record = services.fail_on_bad_record;
    context.checkpointing = services.checkpointing;
    context.final_results_only = services.final_results_only;
    context.dead_letter = services.dead_letter;
    if (stage.ports.empty()) stage.latency = &context.metrics->histogram("latency.us");
    stage.opened = true;
    const bool restoring = context.restored != nullptr;
    const auto open_stage = [&] {
      const Status opened = stage.op->open(context);
      // Names may occur twice; the uid is what finds the state.
      return opened.is_ok() || !restoring
                 ? opened
                 : opened.with_prefix("restore of uid '" + context.task.operator_uid + "': ");
    };
    if (!guarded(i, open_stage)) return status_;
    context.restored = nullptr;
  }
  return Status::ok();
}

void OperatorChain::close() {
  for (Stage& stage : stages_) {
    if (!stage.opened || !stage.op) continue;
    stage.opened = false;
    try {
      stage.op->close();
    } catch (const std::exception& error) {
      // Closing goes on for the others; the first failure is what the user sees.
      if (status_.is_ok()) {
        status_ = Status::user_function(stage.context.task.display_name() +
                                        ": close failed: " + error.what());
      }
    }
  }
}

// ---- failure ------------------------------------------------------------------------------------

void OperatorChain::fail(size_t index, const std::string& text) {
  if (!status_.is_ok()) return;
  TaskInfo info = spec_.info;
  info.operator_name = spec_.stages[index].name;
  status_ = Status::user_function("operator " + info.display_name() + ": " + text);
}

void OperatorChain::fail(size_t index, const Status& status) {
  if (!status_.is_ok()) return;
  TaskInfo info = spec_.info;
  info.operator_name = spec_.stages[index].name;
  status_ = status.with_prefix("operator " + info.display_name() + ": ");
}

bool OperatorChain::guarded(size_t index, const std::function<Status()>& action) {
  try {
    const Status status = action();
    if (!status.is_ok()) fail(index, status);
  } catch (const OperatorFailure& failure) {
    fail(index, failure.status());
  } catch (const std::exception& error) {
    fail(index, std::string(error.what()));
  } catch (...) {
    fail(index, "an exception that is no std::exception");
  }
  return status_.is_ok();
}

Progress OperatorChain::process(Stage& stage, size_t index) {
  try {
    return stage.op->process(stage.input, stage.pending, stage.cursor);
  } catch (const OperatorFailure& failure) {
    fail(index, failure.status());
  } catch (const std::exception& error) {
    fail(index, std::string(error.what()));
  } catch (...) {
    fail(index, "an exception that is no std::exception");
  }
  return Progress::kAwait;
}

// ---- data ---------------------------------------------------------------------------------------

void OperatorChain::give_to(size_t index, int input, StreamBatch batch) {
  Stage& stage = stages_[index];
  SLUICE_CHECK(drained_ && !stage.has_input);
  stage.input = input;
  stage.pending = std::move(batch);
  stage.cursor = Cursor{};
  stage.has_input = true;
  drained_ = false;
}

BatchPtr OperatorChain::take_used() { return std::move(used_); }

bool OperatorChain::pump() {
  awaiting_ = false;
  drained_ = pump_stage(0) && status_.is_ok();
  return drained_;
}

// Works off the pending input of a stage and everything below it.
bool OperatorChain::pump_stage(size_t index) {
  Stage& stage = stages_[index];
  for (;;) {
    if (!deliver(index)) return false;
    if (!stage.has_input) return true;
    const Progress progress = process(stage, index);
    if (!status_.is_ok()) return false;
    if (progress == Progress::kAwait) {
      awaiting_ = true;
      deliver(index);
      return false;
    }
    if (progress == Progress::kDone) {
      stage.has_input = false;
      BatchPtr used = std::move(stage.pending.batch);
      stage.pending.batch.reset();
      stage.pending.marks.clear();
      if (used && used->is_unique()) {
        if (stage.producer != nullptr) {
          stage.producer->recycle(std::move(used));
        } else {
          used_ = std::move(used);
        }
      }
    }
  }
}

// Hands over everything the stage has emitted.
bool OperatorChain::deliver(size_t index) {
  for (size_t port = 0; port < stages_[index].ports.size(); ++port) {
    if (!deliver_port(index, port)) return false;
  }
  return true;
}

bool OperatorChain::deliver_port(size_t index, size_t port_index) {
  Stage& stage = stages_[index];
  Port& port = stage.ports[port_index];
  OutputBase& output = stage.op->output(static_cast<int>(port_index));
  for (;;) {
    if (!port.busy) {
      if (!output.has_output()) break;
      port.in_flight = output.take();
      if (port.in_flight.is_empty()) continue;
      port.busy = true;
      port.next_target = 0;
      port.edge_cursor = Cursor{};
    }
    while (port.next_target < port.targets.size()) {
      const Target& target = port.targets[port.next_target];
      if (port.next_target + 1 == port.targets.size()) {
        if (!deliver_to(port, target, port.in_flight)) return false;
      } else {
        // With several consumers each gets its own marks and a shared, hence immutable, batch.
        StreamBatch copy = port.in_flight;
        if (!deliver_to(port, target, copy)) return false;
      }
      ++port.next_target;
      port.edge_cursor = Cursor{};
    }
    port.busy = false;
    BatchPtr used = std::move(port.in_flight.batch);
    port.in_flight.batch.reset();
    port.in_flight.marks.clear();
    if (used && used->is_unique()) output.recycle(std::move(used));
  }
  // Stages below may still be working on what they got before.
  for (const Target& target : port.targets) {
    if (target.stage >= 0 && !pump_stage(static_cast<size_t>(target.stage))) return false;
  }
  return true;
}

bool OperatorChain::deliver_to(Port& port, const Target& target, StreamBatch& batch) {
  if (target.edge >= 0) {
    return edges_[static_cast<size_t>(target.edge)]->push(batch, port.edge_cursor);
  }
  const auto index = static_cast<size_t>(target.stage);
  Stage& stage = stages_[index];
  if (stage.has_input && !pump_stage(index)) return false;
  stage.input = 0;
  stage.pending = std::move(batch);
  stage.cursor = Cursor{};
  stage.has_input = true;
  // Not being able to finish is the stage's business now: the batch is handed over.
  pump_stage(index);
  return true;
}

// ---- end, timers, checkpoints -------------------------------------------------------------------

void OperatorChain::end_of_input(int input) {
  guarded(0, [&] {
    head().end_of_input(input);
    return Status::ok();
  });
  drained_ = false;
}

bool OperatorChain::finish() {
  while (finishing_stage_ < stages_.size()) {
    Stage& stage = stages_[finishing_stage_];
    if (!pump()) return false;
    if (!stage.finished) {
      Progress progress = Progress::kAwait;
      if (!guarded(finishing_stage_, [&] {
            progress = stage.op->finish();
            return Status::ok();
          })) {
        return false;
      }
      stage.finished = progress == Progress::kDone;
      drained_ = false;
      if (progress == Progress::kAwait) {
        awaiting_ = true;
        pump();
        awaiting_ = true;
        return false;
      }
      continue;
    }
    ++finishing_stage_;
    // The stages fed by this one have seen all their input now.
    for (const ChainLink& link : spec_.links) {
      if (static_cast<size_t>(link.from_stage) + 1 != finishing_stage_) continue;
      const auto to = static_cast<size_t>(link.to_stage);
      if (!guarded(to, [&] {
            stages_[to].op->end_of_input(0);
            return Status::ok();
          })) {
        return false;
      }
    }
    drained_ = false;
  }
  return pump();
}

int64_t OperatorChain::next_processing_timer() const {
  int64_t next = Operator::kNoTimer;
  for (const Stage& stage : stages_) next = std::min(next, stage.op->next_processing_timer());
  return next;
}

OperatorChain::Fired OperatorChain::fire_processing_timers(int64_t now_ms, int64_t until_ns) {
  const auto push = [this](Fired fired) { return pump() ? fired : Fired::kBlocked; };
  for (size_t i = 0; i < stages_.size(); ++i) {
    while (stages_[i].op->next_processing_timer() < now_ms) {
      if (!pump()) return Fired::kBlocked;
      Progress progress = Progress::kDone;
      if (!guarded(i, [&] {
            progress = stages_[i].op->on_processing_time(now_ms);
            return Status::ok();
          })) {
        return Fired::kBlocked;
      }
      drained_ = false;
      if (progress == Progress::kDone) break;
      if (progress == Progress::kAwait) return Fired::kBlocked;
      if (stages_[i].context.clock->steady_ns() >= until_ns) return push(Fired::kSome);
    }
  }
  return push(Fired::kAll);
}

Status OperatorChain::on_idle() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (!guarded(i, [&] { return stages_[i].op->on_idle(); })) break;
  }
  return status_;
}

Status OperatorChain::prepare_snapshot(CheckpointId checkpoint, Hooks hooks) {
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (!guarded(i, [&] { return stages_[i].op->prepare_snapshot(checkpoint); })) return status_;
    drained_ = false;
    if (hooks == Hooks::kPushOn && !pump()) break;
  }
  return status_;
}

bool OperatorChain::can_be_cut() const {
  if (drained_) return true;
  return is_encodable_ && std::all_of(stages_.begin(), stages_.end(),
                                      [](const Stage& stage) { return stage.op->can_snapshot(); });
}

void OperatorChain::record(int channel, InFlightState& state) { record_stage(0, channel, state); }

// What is further downstream comes first, so that it is put back first.
void OperatorChain::record_stage(size_t index, int channel, InFlightState& state) {
  Stage& stage = stages_[index];
  for (const Port& port : stage.ports) {
    for (const Target& target : port.targets) {
      if (target.stage >= 0) record_stage(static_cast<size_t>(target.stage), -1, state);
    }
  }
  for (size_t i = 0; i < stage.ports.size(); ++i) {
    const Port& port = stage.ports[i];
    if (port.busy) {
      record_output(port, port.next_target, port.in_flight, port.edge_cursor, state);
    }
    for (const StreamBatch& batch : stage.op->output(static_cast<int>(i)).queued()) {
      record_output(port, 0, batch, Cursor{}, state);
    }
  }
  if (!stage.has_input) return;
  state.add(InFlight::Place::kStage, static_cast<int>(index), channel, stage.input, stage.pending,
            stage.cursor);
}

// `from`: how far the first of the targets that are left has come.
void OperatorChain::record_output(const Port& port, size_t first_target, const StreamBatch& batch,
                                  Cursor from, InFlightState& state) const {
  for (size_t i = first_target; i < port.targets.size(); ++i) {
    const Target& target = port.targets[i];
    const auto place = target.edge >= 0 ? InFlight::Place::kEdge : InFlight::Place::kStage;
    state.add(place, target.edge >= 0 ? target.edge : target.stage, -1, 0, batch, from);
    from = Cursor{};
  }
}

Result<std::vector<OperatorSnapshot>> OperatorChain::snapshot(CheckpointId checkpoint) {
  std::vector<OperatorSnapshot> snapshots;
  for (size_t i = 0; i < stages_.size(); ++i) {
    OperatorSnapshot snapshot{spec_.stages[i].node, spec_.stages[i].uid, nullptr};
    if (!guarded(i, [&]() -> Status {
          auto frozen = stages_[i].op->snapshot(checkpoint);
          if (!frozen.is_ok()) return frozen.status();
          snapshot.state = std::move(frozen).value();
          return Status::ok();
        })) {
      return status_;
    }
    snapshots.push_back(std::move(snapshot));
  }
  return snapshots;
}

Status OperatorChain::checkpoint_complete(CheckpointId checkpoint) {
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (!guarded(i, [&] { return stages_[i].op->checkpoint_complete(checkpoint); })) break;
  }
  return status_;
}

Status OperatorChain::settle() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (!guarded(i, [&] { return stages_[i].op->settle(); })) break;
  }
  return status_;
}

void OperatorChain::checkpoint_aborted(CheckpointId checkpoint) {
  for (size_t i = 0; i < stages_.size(); ++i) {
    guarded(i, [&] {
      stages_[i].op->checkpoint_aborted(checkpoint);
      return Status::ok();
    });
  }
}

void OperatorChain::record_latency(int64_t steady_ns_now, int64_t marker_ns) {
  for (Stage& stage : stages_) {
    if (stage.latency != nullptr) stage.latency->record((steady_ns_now - marker_ns) / 1000);
  }
}

size_t OperatorChain::state_bytes() const {
  size_t bytes = 0;
  for (const Stage& stage : stages_) bytes += stage.op->state_bytes();
  return bytes;
}

}  // namespace sluice
