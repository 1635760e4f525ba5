#include "operators/task.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "operators/in_flight.h"
#include "operators/input_gate.h"
#include "operators/operator_chain.h"
#include "operators/output_edge.h"
#include "operators/source_operator.h"
#include "operators/task_watch.h"

namespace sluice {

size_t batch_bytes_for(const TaskLimits& limits, int output_channels) {
  const size_t share =
      limits.output_budget_bytes / static_cast<size_t>(std::max(1, output_channels));
  return std::clamp(share, limits.batch_bytes_min, limits.batch_bytes_max);
}

uint32_t credits_for(const TaskLimits& limits, int input_channels, size_t batch_bytes) {
  constexpr size_t kCreditsMax = 64;
  const size_t share = limits.input_budget_bytes / static_cast<size_t>(std::max(1, input_channels));
  return static_cast<uint32_t>(
      std::clamp<size_t>(share / std::max<size_t>(1, batch_bytes), 2, kCreditsMax));
}

// How soon a blocked task looks again at timers it cannot fire now; credit and wake() come sooner.
constexpr int64_t kBlockedLookMs = 10;
// Timers of the wall clock that are due together, often those of all keys, and input take turns, so
// that neither input nor barriers wait for all of them.
constexpr int64_t kTimersTurnNs = 500'000;
constexpr int64_t kInputTurnNs = 1'000'000;

// The order of work in run(): drain what is pending → barrier → due timers → next input.
class Task::Impl {
 public:
  Impl(TaskSpec spec, TaskServices services, TaskLink& link)
      : spec_(std::move(spec)),
        services_(std::move(services)),
        link_(link),
        gate_(spec_),
        chain_(spec_, edges_),
        watch_(gate_, edges_, *services_.clock, *progress_.details) {
    const size_t batch_bytes = batch_bytes_for(spec_.limits, spec_.output_channel_count());
    for (const OutputEdgeSpec& edge : spec_.edges) {
      edges_.push_back(std::make_unique<OutputEdge>(
          edge, spec_.limits, batch_bytes, spec_.id.subtask, link_, *services_.clock, progress_));
    }
    introduce_companions();
  }

  Status open() {
    const size_t batch_bytes = batch_bytes_for(spec_.limits, spec_.output_channel_count());
    SLUICE_RETURN_IF_ERROR(chain_.open(services_, batch_bytes));
    if (spec_.is_source) source_ = static_cast<SourceOperatorBase*>(&chain_.head());
    watch_.open(source_);
    SLUICE_RETURN_IF_ERROR(restore_in_flight_data());
    last_run_end_ns_ = services_.clock->steady_ns();
    next_marker_ns_ = last_run_end_ns_;
    return Status::ok();
  }
  void close() {
    chain_.close();
    if (!chain_.status().is_ok()) fail(chain_.status());
  }

  RunState run(int64_t budget_ns);
  const Status& status() const { return status_; }
  int64_t next_wakeup_ms() const;

  void receive(int channel, StreamElement element) {
    gate_.receive(channel, std::move(element));
    progress_.queued_batches.store(static_cast<int64_t>(gate_.queued()), std::memory_order_relaxed);
  }
  void add_credit(int channel, uint32_t credits, BatchPtr recycled) {
    for (size_t i = 0; i < edges_.size(); ++i) {
      const OutputEdgeSpec& edge = spec_.edges[i];
      if (channel >= edge.first_channel && channel < edge.first_channel + edge.channels) {
        edges_[i]->add_credit(channel - edge.first_channel, credits, std::move(recycled));
        return;
      }
    }
    SLUICE_CHECK_MSG(false, "credit for a channel that does not exist");
  }
  void add_splits(const std::vector<SourceSplit>& splits, bool no_more) {
    chain_.guarded(0, [&] {
      source_->add_splits(splits, no_more);
      return source_->status();
    });
  }
  void trigger_checkpoint(const Barrier& barrier) {
    // A task that ends while it is being asked may be asked twice.
    const CheckpointId last = triggered_.empty() ? last_snapshot_ : triggered_.back().checkpoint;
    if (barrier.checkpoint > last) triggered_.push_back(barrier);
  }
  void stop(bool with_max_watermark) { source_->stop(with_max_watermark); }
  void set_watermark_limit(EventTime limit) { source_->set_watermark_limit(limit); }
  EventTime alignment_watermark() const {
    return source_ != nullptr ? source_->alignment_watermark() : kMaxTime;
  }
  std::vector<SourceSplit> unfinished_splits() const { return source_->unfinished_splits(); }
  Status checkpoint_complete(CheckpointId id) { return chain_.checkpoint_complete(id); }
  Status settle() { return chain_.settle(); }
  bool has_ended() const { return phase_ == Phase::kEnded; }
  int64_t last_snapshot_ns() const { return last_snapshot_ns_; }
  void checkpoint_aborted(CheckpointId id) {
    gate_.cancel(id);
    std::erase_if(triggered_, [id](const Barrier& barrier) { return barrier.checkpoint == id; });
    chain_.checkpoint_aborted(id);
  }

  const TaskSpec& spec() const { return spec_; }
  const TaskProgress& progress() const { return progress_; }
  std::vector<uint32_t> output_credits() const {
    std::vector<uint32_t> credits;
    for (const auto& edge : edges_) {
      for (int i = 0; i < edge->channel_count(); ++i) {
        credits.push_back(static_cast<uint32_t>(std::max(0, edge->credit(i))));
      }
    }
    return credits;
  }

 private:
  // What stopped the last run.
  enum class Wait { kInput, kCredit, kTurn };
  enum class Step {
    kWorked,   // Go on.
    kNothing,  // No input at hand.
    kBlocked,  // No credit, or an operator awaits something.
    kEnded,
  };
  enum class Phase {
    kRunning,
    kFinishing,  // All inputs have ended: operators emit what is left.
    kEnded,      // End of data was sent.
  };

  Step step(int64_t now_ns);
  bool find_due_timers();
  Step fire_timers();
  Step drain();
  bool put_back();
  Step step_source();
  Step step_gate();
  Step step_finishing();
  bool take_snapshot(const Barrier& barrier);
  Step handle_barrier(const Barrier& barrier);

  std::optional<Barrier> overtaking() const;
  int64_t overtaking_due_ms() const;
  bool cut();
  void finish_cut();
  Status restore_in_flight_data();
  void finish_input();
  void send_control(const StreamElement& element) {
    for (auto& edge : edges_) edge->send_control(element);
  }
  void emit_markers(int64_t step_start_ns, int64_t now_ns);
  void flush_all() {
    for (auto& edge : edges_) edge->flush();
  }
  void end();
  void fail(const Status& status) {
    if (status_.is_ok()) status_ = status;
  }
  // One writer. What is stored in between is stored with release: a reader that sees it also sees
  // the odd turn before it. (No fences: TSan does not know them.)
  void begin_account() {
    progress_.turn.store(progress_.turn.load(std::memory_order_relaxed) + 1,
                         std::memory_order_relaxed);
  }
  void end_account() {
    progress_.turn.store(progress_.turn.load(std::memory_order_relaxed) + 1,
                         std::memory_order_release);
  }
  void account_start(int64_t now_ns);
  void account_end(int64_t start_ns, int64_t now_ns);
  void introduce_companions();
  void note_state_bytes();

  const TaskSpec spec_;
  const TaskServices services_;
  TaskLink& link_;
  TaskProgress progress_;
  std::vector<std::unique_ptr<OutputEdge>> edges_;
  InputGate gate_;
  OperatorChain chain_;
  TaskWatch watch_;
  SourceOperatorBase* source_ = nullptr;

  Status status_;
  Phase phase_ = Phase::kRunning;
  int current_channel_ = -1;         // Whose batch is in the chain.
  bool current_has_credit_ = false;  // Granted back when the batch is done.
  bool source_waits_ = false;
  bool source_produced_ = false;  // In this step.
  bool source_was_idle_ = false;
  std::deque<Barrier> triggered_;    // For a source or an ended task.
  std::optional<Barrier> draining_;  // A terminal barrier with drain: finish first, then snapshot.
  bool discard_input_ = false;       // After a terminal barrier.
  CheckpointId last_snapshot_;
  int64_t last_snapshot_ns_ = 0;
  // An unaligned snapshot whose last barriers are still to come.
  struct Cut {
    Barrier barrier;
    std::vector<OperatorSnapshot> states;
    InFlightState in_flight;
  };
  std::optional<Cut> cut_;
  bool cut_refused_ = false;       // Something is in the middle of what cannot be stored.
  std::deque<InFlight> restored_;  // Goes before any input.
  // Timers due at this time are being fired; an end of the input waits for them.
  std::optional<int64_t> timers_left_ms_;
  int64_t input_until_ns_ = 0;  // No timers before: it is the input's turn.
  int64_t last_run_end_ns_ = 0;
  int64_t next_flush_check_ns_ = 0;
  int64_t next_marker_ns_ = 0;
  Wait last_wait_ = Wait::kInput;
};

// Hash edges to the same vertex: their channels of one number lead to the same task.
void Task::Impl::introduce_companions() {
  const auto is_companion = [&](size_t a, size_t b) {
    const OutputEdgeSpec& one = spec_.edges[a];
    const OutputEdgeSpec& other = spec_.edges[b];
    return a != b && one.target == other.target && one.channels == other.channels &&
           one.partitioning == Partitioning::kHash && other.partitioning == Partitioning::kHash;
  };
  for (size_t a = 0; a < edges_.size(); ++a) {
    std::vector<OutputEdge*> companions;
    for (size_t b = 0; b < edges_.size(); ++b) {
      if (is_companion(a, b)) companions.push_back(edges_[b].get());
    }
    edges_[a]->set_companions(std::move(companions));
  }
}

// ---- run ----------------------------------------------------------------------------------------

RunState Task::Impl::run(int64_t budget_ns) {
  const int64_t start = services_.clock->steady_ns();
  account_start(start);
  source_waits_ = false;
  RunState result = RunState::kWaiting;
  int64_t now = start;
  for (;;) {
    const Step done = step(now);
    if (!chain_.status().is_ok()) fail(chain_.status());
    if (!status_.is_ok()) {
      result = RunState::kFailed;
      break;
    }
    const int64_t step_start = std::exchange(now, services_.clock->steady_ns());
    if (std::exchange(source_produced_, false) && done == Step::kWorked) {
      emit_markers(step_start, now);
    }
    if (done == Step::kEnded) {
      last_wait_ = Wait::kInput;  // It stays for the last checkpoint, with nothing to do.
      result = RunState::kFinished;
      break;
    }
    if (done == Step::kBlocked) {
      last_wait_ = chain_.is_awaiting() ? Wait::kInput : Wait::kCredit;
      if (source_ != nullptr) source_->note_blocked();
      break;
    }
    if (done == Step::kNothing) {
      last_wait_ = Wait::kInput;
      if (!chain_.on_idle().is_ok()) continue;
      flush_all();
      break;
    }
    if (now >= next_flush_check_ns_) {
      const int64_t timeout = std::chrono::nanoseconds(spec_.limits.buffer_timeout).count();
      for (auto& edge : edges_) edge->flush_older_than(now - timeout);
      next_flush_check_ns_ = now + timeout / 4;
    }
    if (now - start >= budget_ns) {
      result = RunState::kMore;
      last_wait_ = Wait::kTurn;
      break;
    }
  }
  account_end(start, now);
  progress_.watermark_ms.store(
      source_ != nullptr ? source_->alignment_watermark().ms : gate_.watermark().ms,
      std::memory_order_relaxed);
  note_state_bytes();
  progress_.queued_batches.store(static_cast<int64_t>(gate_.queued()), std::memory_order_relaxed);
  return result;
}

// The time between two runs belongs to what the task waited for. A task that waits for its turn
// on a thread is busy: it would work if it could.
void Task::Impl::account_start(int64_t now_ns) {
  if (watch_.is_due(now_ns)) watch_.look(now_ns, last_run_end_ns_);
  auto& counter = last_wait_ == Wait::kCredit  ? progress_.back_pressured_ns
                  : last_wait_ == Wait::kInput ? progress_.idle_ns
                                               : progress_.busy_ns;
  begin_account();
  counter.fetch_add(std::max<int64_t>(0, now_ns - last_run_end_ns_), std::memory_order_release);
  progress_.activity.store(TaskActivity::kBusy, std::memory_order_release);
  progress_.activity_since_ns.store(now_ns, std::memory_order_release);
  end_account();
}

void Task::Impl::account_end(int64_t start_ns, int64_t now_ns) {
  begin_account();
  progress_.busy_ns.fetch_add(now_ns - start_ns, std::memory_order_release);
  progress_.activity.store(last_wait_ == Wait::kCredit  ? TaskActivity::kBackPressured
                           : last_wait_ == Wait::kInput ? TaskActivity::kIdle
                                                        : TaskActivity::kBusy,
                           std::memory_order_release);
  progress_.activity_since_ns.store(now_ns, std::memory_order_release);
  end_account();
  last_run_end_ns_ = now_ns;
}

void Task::Impl::note_state_bytes() {
  const auto bytes = static_cast<int64_t>(chain_.state_bytes());
  progress_.state_bytes.store(bytes, std::memory_order_relaxed);
  if (bytes > progress_.state_bytes_max.load(std::memory_order_relaxed)) {
    progress_.state_bytes_max.store(bytes, std::memory_order_relaxed);
  }
}

Task::Impl::Step Task::Impl::drain() {
  if (!chain_.is_drained() && !chain_.pump()) return Step::kBlocked;
  if (!restored_.empty() && !put_back()) return Step::kBlocked;
  finish_input();
  return Step::kWorked;
}

Task::Impl::Step Task::Impl::step(int64_t now_ns) {
  if (cut_) finish_cut();
  if (overtaking() && cut()) return Step::kWorked;
  if (drain() == Step::kBlocked) return Step::kBlocked;
  if (phase_ == Phase::kEnded) {
    if (triggered_.empty()) return Step::kEnded;
    const Barrier barrier = triggered_.front();
    triggered_.pop_front();
    take_snapshot(barrier);
    return Step::kWorked;
  }
  if (phase_ == Phase::kFinishing) return timers_left_ms_ ? fire_timers() : step_finishing();
  if (now_ns >= input_until_ns_ && find_due_timers() && fire_timers() == Step::kBlocked) {
    return Step::kBlocked;
  }
  const Step done = source_ != nullptr ? step_source() : step_gate();
  if (done != Step::kNothing || !timers_left_ms_) return done;
  input_until_ns_ = 0;
  return Step::kWorked;
}

bool Task::Impl::find_due_timers() {
  if (timers_left_ms_) return true;
  const int64_t timer = chain_.next_processing_timer();
  if (timer == Operator::kNoTimer || discard_input_) return false;
  const int64_t now_ms = services_.clock->wall_ms();
  if (timer < now_ms) timers_left_ms_ = now_ms;
  return timers_left_ms_.has_value();
}

// A turn of the timers that were due at *timers_left_ms_, after which it is the input's.
Task::Impl::Step Task::Impl::fire_timers() {
  const int64_t until_ns = services_.clock->steady_ns() + kTimersTurnNs;
  switch (chain_.fire_processing_timers(*timers_left_ms_, until_ns)) {
    case OperatorChain::Fired::kBlocked:
      return Step::kBlocked;
    case OperatorChain::Fired::kSome:
      input_until_ns_ = services_.clock->steady_ns() + kInputTurnNs;
      break;
    case OperatorChain::Fired::kAll:
      timers_left_ms_.reset();
      input_until_ns_ = 0;
      break;
  }
  return Step::kWorked;
}

void Task::Impl::finish_input() {
  const int channel = std::exchange(current_channel_, -1);
  if (!std::exchange(current_has_credit_, false)) return;
  link_.grant(channel, 1, chain_.take_used());
}

// ---- sources ------------------------------------------------------------------------------------

Task::Impl::Step Task::Impl::step_source() {
  if (!triggered_.empty()) {
    const Barrier barrier = triggered_.front();
    triggered_.pop_front();
    return handle_barrier(barrier);
  }
  if (source_waits_) return Step::kNothing;
  SourceOperatorBase::State state = SourceOperatorBase::State::kNothingYet;
  if (!chain_.guarded(0, [&] {
        state = source_->poll();
        return source_->status();
      })) {
    return Step::kBlocked;
  }
  const bool idle = source_->is_idle();
  if (source_was_idle_ && !idle) {
    send_control(StreamElement::of_kind(ElementKind::kActive));
    source_was_idle_ = false;
  }
  // What poll() emitted sits in the head's output.
  const bool drained = chain_.pump();
  if (drained && idle && !source_was_idle_) {
    send_control(StreamElement::of_kind(ElementKind::kIdle));
    source_was_idle_ = true;
  }
  switch (state) {
    case SourceOperatorBase::State::kProduced:
      source_produced_ = true;
      break;
    case SourceOperatorBase::State::kNothingYet:
      source_waits_ = true;
      break;
    case SourceOperatorBase::State::kNeedSplit:
      link_.request_split();
      source_waits_ = true;
      break;
    case SourceOperatorBase::State::kFinished:
      phase_ = Phase::kFinishing;
      break;
  }
  return drained ? Step::kWorked : Step::kBlocked;
}

// ---- inputs -------------------------------------------------------------------------------------

Task::Impl::Step Task::Impl::step_gate() {
  GateEvent event = gate_.next(chain_.head().next_input());
  switch (event.kind) {
    case GateEvent::Kind::kNone:
      return Step::kNothing;
    case GateEvent::Kind::kBatch:
      if (discard_input_) {
        if (event.has_credit) link_.grant(event.channel, 1, BatchPtr());
        return Step::kWorked;
      }
      progress_.rows_in.fetch_add(event.data.rows(), std::memory_order_relaxed);
      progress_.batches_in.fetch_add(1, std::memory_order_relaxed);
      current_channel_ = event.channel;
      current_has_credit_ = event.has_credit;
      if (event.data.is_empty()) {
        finish_input();
        return Step::kWorked;
      }
      chain_.give(event.input, std::move(event.data));
      return chain_.pump() ? Step::kWorked : Step::kBlocked;
    case GateEvent::Kind::kStatus:
      send_control(StreamElement::of_kind(event.idle ? ElementKind::kIdle : ElementKind::kActive));
      return Step::kWorked;
    case GateEvent::Kind::kBarrier:
      return handle_barrier(event.barrier);
    case GateEvent::Kind::kAbortBarrier: {
      StreamElement cancel = StreamElement::of_kind(ElementKind::kCancelBarrier);
      cancel.barrier = event.barrier;
      send_control(cancel);
      link_.snapshot_declined(event.barrier.checkpoint,
                              Status::cancelled("the checkpoint was overtaken or cancelled"));
      return Step::kWorked;
    }
    case GateEvent::Kind::kLatencyMarker:
      chain_.record_latency(services_.clock->steady_ns(), event.marker_ns);
      for (auto& edge : edges_) edge->send_marker(event.marker_ns);
      return Step::kWorked;
    case GateEvent::Kind::kEndOfInput:
      if (!discard_input_) chain_.end_of_input(event.input);
      if (gate_.all_ended()) phase_ = Phase::kFinishing;
      return Step::kWorked;
  }
  return Step::kNothing;
}

// A marker follows the rows of the step and carries the time since which they could have been here:
// when they were due, if the source knows, so that a source that is late counts, too.
void Task::Impl::emit_markers(int64_t step_start_ns, int64_t now_ns) {
  const Duration interval = spec_.limits.latency_marker_interval;
  if (interval.count() == 0 || now_ns < next_marker_ns_) return;
  next_marker_ns_ = now_ns + std::chrono::nanoseconds(interval).count();
  const int64_t due_ns = source_->due_ns();
  const int64_t marker_ns = due_ns > 0 ? std::min(due_ns, step_start_ns) : step_start_ns;
  chain_.record_latency(now_ns, marker_ns);
  for (auto& edge : edges_) edge->send_marker(marker_ns);
}

// ---- end ----------------------------------------------------------------------------------------

Task::Impl::Step Task::Impl::step_finishing() {
  // After a terminal barrier without drain operators are not finished: windows stay open. What had
  // finished before the restored checkpoint emitted its rest then.
  const bool finishes = !discard_input_ && !services_.restored_finished;
  if (finishes && !chain_.finish()) return Step::kBlocked;
  if (draining_) {
    const Barrier barrier = *draining_;
    draining_.reset();
    if (!take_snapshot(barrier)) return Step::kBlocked;
  }
  end();
  return Step::kWorked;
}

void Task::Impl::end() {
  if (!services_.checkpointing) {
    for (size_t i = 0; i < chain_.stage_count(); ++i) {
      auto committables = chain_.stage(i).take_committables();
      if (!committables.empty()) {
        link_.committables(spec_.stages[i].node, std::move(committables));
      }
    }
  }
  send_control(StreamElement::of_kind(ElementKind::kEndOfData));
  phase_ = Phase::kEnded;
}

// ---- checkpoints --------------------------------------------------------------------------------

Task::Impl::Step Task::Impl::handle_barrier(const Barrier& barrier) {
  if (barrier.terminal && barrier.drain) {
    // MAX watermark → timers → finish → snapshot → end (semantics rule 30).
    draining_ = barrier;
    if (source_ != nullptr) {
      source_->stop(true);
    } else {
      for (int input = 0; input < spec_.input_count; ++input) chain_.end_of_input(input);
      phase_ = Phase::kFinishing;
    }
    return Step::kWorked;
  }
  if (!take_snapshot(barrier)) return Step::kBlocked;
  if (barrier.terminal) {
    discard_input_ = true;
    timers_left_ms_.reset();  // They fire after the restore.
    if (source_ != nullptr) phase_ = Phase::kFinishing;
  }
  return Step::kWorked;
}

// Pre-barrier hook, barrier downstream, synchronous part: in this order (semantics rule 21).
bool Task::Impl::take_snapshot(const Barrier& barrier) {
  if (barrier.checkpoint <= last_snapshot_) return true;
  last_snapshot_ = barrier.checkpoint;
  const int64_t start_ns = services_.clock->steady_ns();
  const int64_t aligned_ms = services_.clock->wall_ms() - barrier.triggered_ms;
  if (!chain_.prepare_snapshot(barrier.checkpoint).is_ok()) return false;
  SLUICE_CHECK_MSG(chain_.is_drained() || chain_.pump(), "a pre-barrier hook emitted too much");
  if (phase_ != Phase::kEnded) send_control(StreamElement::of_barrier(barrier));
  auto states = chain_.snapshot(barrier.checkpoint);
  if (!states.is_ok()) return false;
  last_snapshot_ns_ = services_.clock->steady_ns() - start_ns;
  link_.snapshot_taken(barrier, std::move(states).value(), aligned_ms);
  return true;
}

// ---- unaligned checkpoints ----------------------------------------------------------------------

// The barrier that goes ahead of everything now, if there is one.
std::optional<Barrier> Task::Impl::overtaking() const {
  if (phase_ != Phase::kRunning || draining_ || discard_input_) return std::nullopt;
  if (source_ == nullptr) {
    if (gate_.overtaking_due_ms() == ChannelRecorder::kNever) return std::nullopt;
    return gate_.overtaking(services_.clock->wall_ms());
  }
  if (triggered_.empty()) return std::nullopt;
  const Barrier& next = triggered_.front();
  if (next.kind != CheckpointKind::kUnaligned) return std::nullopt;
  if (next.unaligned_from_ms > services_.clock->wall_ms()) return std::nullopt;
  return next;
}

// When a barrier that waits here stops waiting.
int64_t Task::Impl::overtaking_due_ms() const {
  int64_t due_ms = gate_.overtaking_due_ms();
  if (!triggered_.empty() && triggered_.front().kind == CheckpointKind::kUnaligned) {
    due_ms = triggered_.front().unaligned_from_ms;
  }
  return cut_refused_ ? std::max(due_ms, services_.clock->wall_ms() + kBlockedLookMs) : due_ms;
}

// Barrier ahead of queued output, synchronous part, and what the barrier has overtaken. False when
// an operator is in the middle of something that cannot be stored: later, then.
bool Task::Impl::cut() {
  cut_refused_ = !chain_.can_be_cut();
  if (cut_refused_) return false;
  const Barrier barrier = *overtaking();
  if (source_ != nullptr) triggered_.pop_front();
  last_snapshot_ = barrier.checkpoint;
  const int64_t start_ns = services_.clock->steady_ns();
  if (!chain_.prepare_snapshot(barrier.checkpoint, OperatorChain::Hooks::kLeave).is_ok()) {
    return true;
  }
  Cut cut{barrier, {}, {}};
  for (size_t i = 0; i < edges_.size(); ++i) {
    edges_[i]->overtake(barrier, static_cast<int>(i), cut.in_flight);
  }
  chain_.record(current_channel_, cut.in_flight);
  for (const InFlight& item : restored_) cut.in_flight.items.push_back(item);
  if (source_ == nullptr) {
    gate_.overtake(cut.in_flight);
  } else {
    cut.in_flight.watermark = source_->watermark();
  }
  auto states = chain_.snapshot(barrier.checkpoint);
  if (!states.is_ok()) return true;
  cut.states = std::move(states).value();
  last_snapshot_ns_ = services_.clock->steady_ns() - start_ns;
  cut_ = std::move(cut);
  finish_cut();
  return true;
}

// Hands the snapshot over once all barriers are there; drops it when the checkpoint is over.
void Task::Impl::finish_cut() {
  const CheckpointId checkpoint = cut_->barrier.checkpoint;
  if (source_ == nullptr) {
    const ChannelRecorder& recorder = gate_.recorder();
    if (!recorder.is_recording() || recorder.barrier().checkpoint != checkpoint) {
      cut_.reset();
      link_.snapshot_declined(checkpoint,
                              Status::cancelled("the checkpoint was overtaken or cancelled"));
      return;
    }
    if (!recorder.is_complete()) return;
    for (InFlight& item : gate_.take_recorded()) {
      cut_->in_flight.items.push_back(std::move(item));
    }
  }
  Cut cut = std::move(*cut_);
  cut_.reset();
  std::unique_ptr<FrozenState>& head = cut.states.front().state;
  head = freeze_in_flight(std::move(cut.in_flight), spec_, std::move(head));
  link_.snapshot_taken(cut.barrier, std::move(cut.states),
                       services_.clock->wall_ms() - cut.barrier.triggered_ms);
}

Status Task::Impl::restore_in_flight_data() {
  if (services_.restored.empty() || services_.restored.front() == nullptr) return Status::ok();
  const auto type_of_stage = [this](int stage, int input) -> const RecordType* {
    if (stage > 0) return chain_.input_type(static_cast<size_t>(stage));
    for (const InputEdgeSpec& edge : spec_.input_edges) {
      if (edge.input == input) return edge.type;
    }
    return nullptr;
  };
  auto restored = restore_in_flight(*services_.restored.front(), spec_, type_of_stage);
  if (!restored.is_ok()) return restored.status().with_prefix(spec_.info.display_name() + ": ");
  if (restored->is_exact && source_ != nullptr) {
    source_->restore_watermark(restored->state.watermark);
  } else if (restored->is_exact) {
    gate_.restore_watermarks(restored->state);
  }
  for (InFlight& item : restored->state.items) {
    if (item.place == InFlight::Place::kChannel) {
      gate_.restore(item.index, std::move(item.data));
    } else if (item.place == InFlight::Place::kEdge && item.channel >= 0) {
      edges_[static_cast<size_t>(item.index)]->restore_gathered(item.channel, std::move(item.data));
    } else {
      restored_.push_back(std::move(item));
    }
  }
  return Status::ok();
}

// Puts back what was in flight, the furthest downstream first; false when an output is full.
bool Task::Impl::put_back() {
  while (!restored_.empty()) {
    InFlight& next = restored_.front();
    if (next.place == InFlight::Place::kEdge) {
      Cursor cursor{.row = next.first_row};
      const bool done = edges_[static_cast<size_t>(next.index)]->push(next.data, cursor);
      next.first_row = cursor.row;
      next.data.marks.erase(next.data.marks.begin(),
                            next.data.marks.begin() + static_cast<std::ptrdiff_t>(cursor.mark));
      if (!done) return false;
      restored_.pop_front();
      continue;
    }
    InFlight item = std::move(next);
    restored_.pop_front();
    current_channel_ = item.index == 0 ? item.channel : -1;
    chain_.give_to(static_cast<size_t>(item.index), item.input, std::move(item.data));
    if (!chain_.pump()) return false;
  }
  return true;
}

int64_t Task::Impl::next_wakeup_ms() const {
  if (phase_ == Phase::kEnded || !status_.is_ok()) return Operator::kNoTimer;
  int64_t next = discard_input_ ? Operator::kNoTimer : chain_.next_processing_timer();
  // A timer for time t fires when the clock is past t (semantics rule 19).
  if (next != Operator::kNoTimer) ++next;
  // Overdue timers wait for credit, and are left behind at the end: looking at once would spin.
  if (next != Operator::kNoTimer && (!chain_.is_drained() || phase_ == Phase::kFinishing)) {
    next = std::max(next, services_.clock->wall_ms() + kBlockedLookMs);
  }
  if (source_ != nullptr) next = std::min(next, source_->next_poll_ms());
  if (phase_ == Phase::kRunning) next = std::min(next, overtaking_due_ms());
  for (const auto& edge : edges_) {
    const int64_t deadline_ns = edge->flush_deadline_ns();
    if (deadline_ns == std::numeric_limits<int64_t>::max()) continue;
    const int64_t in_ns = std::max<int64_t>(0, deadline_ns - services_.clock->steady_ns());
    next = std::min(next, services_.clock->wall_ms() + in_ns / 1'000'000 + 1);
  }
  return next;
}

TaskTimes times_of(const TaskProgress& progress, int64_t steady_now_ns) {
  TaskTimes times;
  uint32_t before = 0;
  // A turn is microseconds long, so the second try sees a quiet moment; what a third one would
  // mend is off by one turn.
  for (int tries = 0; tries < 3; ++tries) {
    before = progress.turn.load(std::memory_order_acquire);
    times.busy_ns = progress.busy_ns.load(std::memory_order_acquire);
    times.back_pressured_ns = progress.back_pressured_ns.load(std::memory_order_acquire);
    times.idle_ns = progress.idle_ns.load(std::memory_order_acquire);
    times.activity = progress.activity.load(std::memory_order_acquire);
    times.activity_since_ns = progress.activity_since_ns.load(std::memory_order_acquire);
    if (before % 2 == 0 && progress.turn.load(std::memory_order_relaxed) == before) break;
  }
  const int64_t open_ns = std::max<int64_t>(0, steady_now_ns - times.activity_since_ns);
  switch (times.activity) {
    case TaskActivity::kNone:
      break;
    case TaskActivity::kBusy:
      times.busy_ns += open_ns;
      break;
    case TaskActivity::kBackPressured:
      times.back_pressured_ns += open_ns;
      break;
    case TaskActivity::kIdle:
      times.idle_ns += open_ns;
      break;
  }
  return times;
}

// ---- Task ---------------------------------------------------------------------------------------

Task::Task(TaskSpec spec, TaskServices services, TaskLink& link)
    : impl_(std::make_unique<Impl>(std::move(spec), std::move(services), link)) {}
Task::~Task() = default;
Status Task::open() { return impl_->open(); }
void Task::close() { impl_->close(); }
RunState Task::run(int64_t budget_ns) { return impl_->run(budget_ns); }
const Status& Task::status() const { return impl_->status(); }
int64_t Task::next_wakeup_ms() const { return impl_->next_wakeup_ms(); }
void Task::receive(int channel, StreamElement element) {
  impl_->receive(channel, std::move(element));
}
void Task::add_credit(int channel, uint32_t credits, BatchPtr recycled) {
  impl_->add_credit(channel, credits, std::move(recycled));
}
void Task::add_splits(std::vector<SourceSplit> splits, bool no_more) {
  impl_->add_splits(splits, no_more);
}
void Task::trigger_checkpoint(const Barrier& barrier) { impl_->trigger_checkpoint(barrier); }
void Task::stop(bool with_max_watermark) { impl_->stop(with_max_watermark); }
void Task::set_watermark_limit(EventTime limit) { impl_->set_watermark_limit(limit); }
EventTime Task::alignment_watermark() const { return impl_->alignment_watermark(); }
std::vector<SourceSplit> Task::unfinished_splits() const { return impl_->unfinished_splits(); }
Status Task::checkpoint_complete(CheckpointId id) { return impl_->checkpoint_complete(id); }
Status Task::settle() { return impl_->settle(); }
void Task::checkpoint_aborted(CheckpointId id) { impl_->checkpoint_aborted(id); }
int64_t Task::last_snapshot_ns() const { return impl_->last_snapshot_ns(); }
bool Task::has_ended() const { return impl_->has_ended(); }
const TaskSpec& Task::spec() const { return impl_->spec(); }
const TaskProgress& Task::progress() const { return impl_->progress(); }
std::vector<uint32_t> Task::output_credits() const { return impl_->output_credits(); }

}  // namespace sluice
