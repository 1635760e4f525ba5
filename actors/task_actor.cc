#include "actors/task_actor.h"

#include <algorithm>
#include <utility>

#include "core/fail_point.h"
#include "state/snapshot_reader.h"

namespace sluice {

/// Lets any thread wake the task. Many calls before the task looks are one message. Holds the
/// actor, not the other way round for longer than the task lives, so there is no cycle after
/// on_exit().
class TaskActor::Waker {
 public:
  explicit Waker(ActorHandle task) : task_(std::move(task)) {}
  void wake() {
    if (!pending_.exchange(true, std::memory_order_acq_rel)) send_from_outside(task_, Wake{});
  }
  void taken() { pending_.store(false, std::memory_order_release); }

 private:
  ActorHandle task_;
  std::atomic<bool> pending_{false};
};

TaskActor::TaskActor(ActorConfig& config, std::shared_ptr<TaskActorSettings> settings)
    : ActorBase(config),
      settings_(std::move(settings)),
      id_(settings_->spec.id),
      attempt_{settings_->spec.info.attempt},
      display_name_(settings_->spec.info.display_name()),
      io_(settings_->services.io),
      clock_(*settings_->services.clock),
      master_(settings_->master),
      remote_outputs_(&clock_),
      timer_armed_ms_(Operator::kNoTimer) {}

TaskActor::~TaskActor() = default;

Behavior TaskActor::make_behavior() {
  guard_handlers(this, [this](const std::string& text) {
    fail(Status::internal(display_name_ + ": " + text));
  });
  describe(settings_->spec.info.job_name, display_name_);
  // Nobody would ever tell it to end.
  on_actor_down(this, [this](const caf::actor_addr&) { cancel(); });
  monitor(master_);
  refuse_unknown_messages(this, [this](const std::string& text) {
    fail(Status::internal(display_name_ + ": " + text));
  });
  return {
      [this](Data& data) {
        if_open([&] { task_->receive(data.channel, std::move(data.element)); });
      },
      [this](Credit& credit) {
        if_open(
            [&] { task_->add_credit(credit.channel, credit.credits, std::move(credit.recycled)); });
      },
      [this](FrameArrived& arrived) { frame_arrived(arrived); },
      [this](const ChannelLost& lost) {
        // Behind the end of its data nothing more is due on its outputs.
        if (phase_ == Phase::kOpen && task_->has_ended()) return;
        fail(lost.status);
      },
      [this](Run) {
        run_in_flight_ = false;
        if (phase_ == Phase::kOpen) step();
      },
      [this](Wake) {
        waker_->taken();
        schedule_run();
      },
      [this](TimerDue due) {
        if (due.at_ms == timer_armed_ms_) timer_armed_ms_ = Operator::kNoTimer;
        schedule_run();
      },
      [this](AddSplits& splits) {
        if_open([&] { task_->add_splits(std::move(splits.splits), splits.no_more); });
      },
      [this](OpenTask& message) { open(message.peers); },
      [this](StartTask) {
        started_ = true;
        schedule_run();
      },
      [this](StopSource stop) { if_open([&] { task_->stop(stop.with_max_watermark); }); },
      [this](LimitWatermark message) {
        if_open([&] { task_->set_watermark_limit(message.limit); });
      },
      [this](ReportAlignment) {
        if (phase_ != Phase::kOpen) return;
        ActorBase::send(master_, AlignmentReported{id_, task_->alignment_watermark()});
      },
      [this](const TriggerCheckpoint& trigger) {
        if_open([&] { task_->trigger_checkpoint(trigger.barrier); });
      },
      [this](const SnapshotWritten& written) { snapshot_written(written.outcome); },
      [this](const CheckpointCompleted& completed) { checkpoint_completed(completed); },
      [this](const CheckpointAborted& aborted) {
        if (phase_ != Phase::kOpen) return;
        task_->checkpoint_aborted(aborted.id);
        schedule_run();  // Channels that it held back go on.
      },
      [this](EndTask) {
        if (phase_ == Phase::kOpen) finish();
      },
      [this](CancelTask) { cancel(); },
  };
}

void TaskActor::on_exit() {
  // Also reached when the actor is killed: the operators are closed on every path.
  (void)close(false).is_ok();
  peers_.reset();
  remote_inputs_.clear();
  master_ = nullptr;
  settings_->master = nullptr;
  waker_.reset();
}

void TaskActor::open(const std::shared_ptr<const TaskPeers>& peers) {
  if (phase_ != Phase::kCreated) return;
  peers_ = peers;
  waker_ = std::make_shared<Waker>(caf::actor_cast<ActorHandle>(this));
  settings_->services.wake = [waker = waker_] { waker->wake(); };
  if (peers_->coordinator) {
    settings_->services.request_checkpoint = [this](CheckpointId after) {
      ActorBase::send(peers_->coordinator, CheckpointWanted{id_, attempt_, after});
    };
  }
  const auto& checkpoints = settings_->checkpoints;
  if (checkpoints && checkpoints->storage) {
    snapshots_ = std::make_unique<TaskSnapshots>(settings_->spec, checkpoints->storage,
                                                 checkpoints->files, &clock_);
  }
  const Status status = open_task();
  if (!status.is_ok()) {
    fail(status);
    return;
  }
  for (size_t channel = 0; channel < settings_->initial_credits.size(); ++channel) {
    task_->add_credit(static_cast<int>(channel), settings_->initial_credits[channel], BatchPtr());
  }
  ActorBase::send(master_, TaskOpened{id_});
}

namespace {

/// State that no operator asked for would be lost with the next checkpoint.
Status check_all_read(const std::vector<std::unique_ptr<ChainedSnapshotReader>>& readers) {
  for (const auto& reader : readers) {
    if (reader == nullptr || reader->unread_states().empty()) continue;
    return Status::failed_precondition("restore of uid '" + reader->operator_uid() + "': state '" +
                                       reader->unread_states().front() +
                                       "' is stored, but the operator does not have it any more; "
                                       "-n leaves it out");
  }
  return Status::ok();
}

}  // namespace

// Each operator's stored state is open while the operators are being opened.
Status TaskActor::open_task() {
  std::vector<std::unique_ptr<ChainedSnapshotReader>> readers;
  const TaskSpec& spec = settings_->spec;
  Status unreadable;
  bool finished = settings_->restore != nullptr;
  for (const StageSpec& stage : spec.stages) {
    if (settings_->restore == nullptr) break;
    fail_point("restoring");
    readers.emplace_back();
    settings_->services.restored.push_back(nullptr);
    const OperatorState* stored = settings_->restore->find_operator(stage.uid);
    finished = finished && stored != nullptr && stored->is_finished();
    if (stored == nullptr) continue;
    auto reader = ChainedSnapshotReader::open(*settings_->checkpoints->files, stored->chains,
                                              id_.subtask, spec.info.parallelism);
    if (!reader.is_ok()) {
      unreadable = reader.status().with_prefix(display_name_ + ": restore: ");
      break;
    }
    readers.back() = std::move(*reader);
    settings_->services.restored.back() = readers.back().get();
  }
  settings_->services.restored_finished = finished;
  if (settings_->restore) settings_->services.restored_checkpoint = settings_->restore->id;
  task_ = std::make_unique<Task>(std::move(settings_->spec), std::move(settings_->services),
                                 static_cast<TaskLink&>(*this));
  phase_ = Phase::kOpen;
  settings_->metrics->attach(
      id_, &task_->progress(), [waker = waker_] { waker->wake(); }, gauge());
  if (!unreadable.is_ok()) return unreadable;
  SLUICE_RETURN_IF_ERROR(task_->open());
  const bool all_needed =
      settings_->restore != nullptr && !settings_->checkpoints->allow_non_restored;
  return all_needed ? check_all_read(readers) : Status::ok();
}

void TaskActor::step() {
  const RunState state = task_->run(kStepNs);
  if (state == RunState::kMore) {
    remote_outputs_.flush_old();
  } else {
    remote_outputs_.flush();
  }
  if (!send_failure_.is_ok()) {
    fail(send_failure_.with_prefix(display_name_ + ": "));
    return;
  }
  switch (state) {
    case RunState::kMore:
      schedule_run();
      return;
    case RunState::kWaiting:
      arm_timer();
      return;
    case RunState::kFinished:
      reached_end();
      return;
    case RunState::kFailed:
      fail(task_->status());
      return;
  }
}

void TaskActor::frame_arrived(FrameArrived& arrived) {
  if (phase_ != Phase::kOpen) return;
  const auto channel = static_cast<size_t>(arrived.channel);
  remote_inputs_.resize(peers_->inputs.size());
  remote_inputs_[channel] = arrived.input;
  auto elements =
      arrived.input->take(std::move(arrived.frame), &clock_, peers_->inputs[channel].type);
  if (!elements.is_ok()) {
    fail(elements.status().with_prefix(display_name_ + ": input channel " +
                                       std::to_string(channel) + ": "));
    return;
  }
  for (StreamElement& element : *elements) task_->receive(arrived.channel, std::move(element));
  if (!elements->empty()) schedule_run();
}

void TaskActor::schedule_run() {
  if (run_in_flight_ || !started_ || phase_ != Phase::kOpen) return;
  run_in_flight_ = true;
  ActorBase::send(this, Run{});
}

void TaskActor::arm_timer() {
  const int64_t at_ms = task_->next_wakeup_ms();
  // An earlier timer that is still armed makes the task look again, and arm this one then.
  if (at_ms == Operator::kNoTimer || at_ms >= timer_armed_ms_) return;
  timer_armed_ms_ = at_ms;
  const int64_t delay_ms = std::max<int64_t>(0, at_ms - clock_.wall_ms());
  send_later(this, Duration(delay_ms), TimerDue{at_ms});
}

Status TaskActor::close(bool finished) {
  if (!task_) return Status::ok();
  settings_->metrics->detach(id_, finished);
  Status status;
  try {
    task_->close();
    status = task_->status();
  } catch (...) {
    status = Status::user_function(display_name_ +
                                   ": close failed: " + exception_text(std::current_exception()));
  }
  task_.reset();
  return status;
}

// By value: the status usually belongs to the task, which is destroyed here.
void TaskActor::fail(Status status) {
  if (phase_ == Phase::kEnded) return;
  phase_ = Phase::kEnded;
  // What close() throws now is an echo of the failure, which has its reason already.
  (void)close(false).is_ok();
  ActorBase::send(master_, TaskFailed{id_, std::move(status)});
  quit();
}

void TaskActor::reached_end() {
  if (!snapshots_) {
    finish();
  } else if (!std::exchange(end_reported_, true)) {
    ActorBase::send(peers_->coordinator, TaskReachedEnd{id_, attempt_});
  }
}

void TaskActor::finish() {
  phase_ = Phase::kEnded;
  Status closed = close(true);
  if (closed.is_ok()) {
    ActorBase::send(master_, TaskFinished{id_});
  } else {
    ActorBase::send(master_, TaskFailed{id_, std::move(closed)});
  }
  quit();
}

void TaskActor::cancel() {
  if (phase_ == Phase::kEnded) return;
  phase_ = Phase::kEnded;
  (void)close(false).is_ok();
  ActorBase::send(master_, TaskCancelled{id_});
  quit();
}

// ---- the way out --------------------------------------------------------------------------------

void TaskActor::send(int channel, StreamElement element) {
  const TaskPeers::End& end = peers_->outputs[static_cast<size_t>(channel)];
  if (!end.remote) {
    ActorBase::send(end.task, Data{end.channel, std::move(element)});
    return;
  }
  const Status sent = remote_outputs_.send(*end.remote, element);
  if (!sent.is_ok() && send_failure_.is_ok()) send_failure_ = sent;
  // Encoded, it is free: the next one is gathered in its memory.
  if (element.data.batch) task_->add_credit(channel, 0, std::move(element.data.batch));
}

void TaskActor::grant(int channel, uint32_t credits, BatchPtr recycled) {
  const TaskPeers::End& end = peers_->inputs[static_cast<size_t>(channel)];
  if (!end.task) {
    remote_inputs_[static_cast<size_t>(channel)]->grant(credits, end.window, std::move(recycled));
    return;
  }
  ActorBase::send(end.task, Credit{end.channel, credits, std::move(recycled)});
}

void TaskActor::request_split() {
  ActorBase::send(peers_->enumerator,
                  RequestSplit{id_.subtask, caf::actor_cast<ActorHandle>(this)});
}

void TaskActor::committables(NodeId node, std::vector<Committable> committables) {
  ActorBase::send(master_, CommittablesReady{node, std::move(committables)});
}

// ---- checkpoints --------------------------------------------------------------------------------

void TaskActor::snapshot_taken(const Barrier& barrier, std::vector<OperatorSnapshot> states,
                               int64_t alignment_ms) {
  SLUICE_CHECK_MSG(snapshots_ != nullptr, "a snapshot without a coordinator");
  auto work = snapshots_->begin(barrier, std::move(states), task_->has_ended());
  io_->run([work = std::move(work), self = caf::actor_cast<ActorHandle>(this), alignment_ms,
            sync_ns = task_->last_snapshot_ns()] {
    SnapshotOutcome outcome = work->run();
    outcome.stats.alignment_ms = alignment_ms;
    outcome.stats.sync_ms = sync_ns / 1'000'000;
    send_from_outside(self, SnapshotWritten{std::move(outcome)});
  });
}

void TaskActor::snapshot_written(const SnapshotOutcome& outcome) {
  if (phase_ != Phase::kOpen) return;
  snapshots_->finished(outcome);
  ActorBase::send(peers_->coordinator, CheckpointAcknowledged{id_, attempt_, outcome});
}

void TaskActor::snapshot_declined(CheckpointId checkpoint, const Status& reason) {
  SnapshotOutcome declined;
  declined.id = checkpoint;
  declined.status = reason;
  ActorBase::send(peers_->coordinator, CheckpointAcknowledged{id_, attempt_, std::move(declined)});
}

void TaskActor::checkpoint_completed(const CheckpointCompleted& completed) {
  if (phase_ != Phase::kOpen) return;
  snapshots_->confirmed(completed.id);
  Status status = task_->checkpoint_complete(completed.id);
  if (status.is_ok() && completed.confirm) status = task_->settle();
  if (!status.is_ok()) {
    fail(status);
  } else if (completed.confirm) {
    ActorBase::send(peers_->coordinator, CompletionConfirmed{completed.id, id_, attempt_});
  }
}

}  // namespace sluice
