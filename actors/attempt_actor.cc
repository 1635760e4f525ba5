#include "actors/attempt_actor.h"

#include <algorithm>
#include <utility>

#include "actors/control_codec.h"
#include "core/options.h"
#include "core/stable_hash.h"

namespace sluice {

AttemptActor::AttemptActor(ActorConfig& config, std::shared_ptr<Settings> settings)
    : ActorBase(config), settings_(std::move(settings)) {
  // Unique to this process and attempt, and not to be guessed.
  next_token_ = stable_hash(settings_->incarnation + "/" + std::to_string(settings_->key.job) +
                            "/" + std::to_string(settings_->key.attempt));
}

Behavior AttemptActor::make_behavior() {
  guard_handlers(this, [](const std::string&) {});
  on_actor_down(this, [this](const caf::actor_addr& address) { task_down(address); });
  refuse_unknown_messages(this, [](const std::string&) {});
  monitor(settings_->worker);
  send_later(this, kReportInterval, ReportNumbers{});
  return {
      [this](BeginAttempt& begin) { deploy(begin); },
      [this](const TasksDeployed& done) { deployed(done); },
      [this](const CommandArrived& arrived) { command(arrived.command); },
      [this](const PeersConnected& connected) { peers_connected(connected); },
      [this](const PeerLost& lost) { peer_lost(lost); },
      [this](const CancelAttempt& cancel) { cancel_all(cancel.reason); },
      [this](ReportNumbers) {
        report_numbers();
        send_later(this, kReportInterval, ReportNumbers{});
      },
      [this](const DetailsDue& due) { look(due); },
      [this](const TaskStuck& stuck) {
        const auto found = tasks_.find(stuck.task);
        if (found == tasks_.end() || found->second.ended) return;
        settings_->on_stuck("task " + display_name(stuck.task) +
                            " was told to end and is still in user code");
      },
      // -- from tasks --
      [this](const TaskOpened& opened) {
        report(opened.task, [](proto::TaskReport& to) { to.set_opened(true); });
      },
      [this](const TaskFinished& finished) {
        report_numbers();
        report(finished.task, [](proto::TaskReport& to) { to.set_finished(true); });
        ended(finished.task);
      },
      [this](const TaskFailed& failed) {
        report_numbers();
        report_status(failed.task, failed.status);
        ended(failed.task);
      },
      [this](const TaskCancelled& cancelled) {
        report_numbers();
        report(cancelled.task, [](proto::TaskReport& to) { to.set_cancelled(true); });
        ended(cancelled.task);
      },
      [this](const CommittablesReady& ready) {
        report(sender_task(), [&](proto::TaskReport& to) {
          auto& committables = *to.mutable_committables();
          committables.set_sink(ready.sink.value);
          for (const auto& each : ready.committables)
            to_proto(each, *committables.add_committables());
        });
      },
      [this](const AlignmentReported& reported) {
        report(reported.task,
               [&](proto::TaskReport& to) { to.set_alignment_ms(reported.watermark.ms); });
      },
      [this](const CheckpointAcknowledged& ack) { report_checkpoint(ack.task, ack.outcome); },
      [this](const TaskReachedEnd& end) {
        report(end.task, [](proto::TaskReport& to) { to.set_reached_end(true); });
      },
      [this](const CheckpointWanted& wanted) {
        report(wanted.task, [&](auto& to) { to.set_checkpoint_wanted(wanted.after.value); });
      },
      [this](const CompletionConfirmed& confirmed) {
        report(confirmed.task, [&](auto& to) { to.set_completion_confirmed(confirmed.id.value); });
      },
      [this](const RequestSplit& request) {
        report(sender_task(),
               [&](proto::TaskReport& to) { to.set_request_split(request.told_none); });
      },
  };
}

void AttemptActor::on_exit() {
  for (const auto& [id, task] : tasks_) {
    if (task.actor && !task.ended) send(task.actor, CancelTask{});
  }
  send(settings_->hub, AttemptGone{settings_->key});
  send(settings_->worker, AttemptOver{settings_->key});
  tasks_.clear();
  settings_->worker = nullptr;
  settings_->task_manager = nullptr;
  settings_->hub = nullptr;
  settings_->manager = nullptr;
}

// ---- deployment ---------------------------------------------------------------------------------

void AttemptActor::deploy(BeginAttempt& begin) {
  DeployTasks deploy;
  deploy.plan = settings_->job.plan;
  deploy.metrics = settings_->job.metrics;
  deploy.attempt = AttemptId{settings_->key.attempt};
  deploy.tasks = std::move(begin.tasks);
  deploy.master = caf::actor_cast<ActorHandle>(this);
  deploy.checkpoints = settings_->job.checkpoints;
  deploy.restore = settings_->job.restore;
  send(settings_->task_manager, std::move(deploy));
}

void AttemptActor::deployed(const TasksDeployed& done) {
  proto::TasksDeployed answer;
  TasksPlaced placed;
  placed.key = settings_->key;
  for (const auto& [id, actor] : done.tasks) {
    tasks_[id].actor = actor;
    task_of_[actor.address()] = id;
    monitor(actor);
    placed.tasks.emplace_back(id, actor);
    to_proto(id, *answer.add_tasks());
  }
  for (const TaskId id : done.missing) to_proto(id, *answer.add_missing());
  to_proto(done.status, *answer.mutable_status());
  deployed_ = true;
  // First the hub, so that channels which others open find their tasks.
  send(settings_->hub, std::move(placed));
  send_manager(answer);
  if (cancelled_) cancel_all("");
  if (tasks_.empty()) quit();
}

void AttemptActor::command(const proto::TaskCommand& command) {
  const TaskId id = from_proto(command.task());
  const auto found = tasks_.find(id);
  if (found == tasks_.end() || found->second.ended) return;
  const ActorHandle& task = found->second.actor;
  switch (command.command_case()) {
    case proto::TaskCommand::kOpen:
      return open(id, command.open());
    case proto::TaskCommand::kStart:
      return send(task, StartTask{});
    case proto::TaskCommand::kStopSource:
      return send(task, StopSource{command.stop_source()});
    case proto::TaskCommand::kCancel:
      return cancel(id);
    case proto::TaskCommand::kEnd:
      return send(task, EndTask{});
    case proto::TaskCommand::kLimitWatermarkMs:
      return send(task, LimitWatermark{EventTime{command.limit_watermark_ms()}});
    case proto::TaskCommand::kReportAlignment:
      return send(task, ReportAlignment{});
    case proto::TaskCommand::kTriggerCheckpoint:
      return send(task, TriggerCheckpoint{from_proto(command.trigger_checkpoint())});
    case proto::TaskCommand::kCheckpointCompleted:
      return send(task, CheckpointCompleted{CheckpointId{command.checkpoint_completed().id()},
                                            command.checkpoint_completed().confirm()});
    case proto::TaskCommand::kCheckpointAborted:
      return send(task, CheckpointAborted{CheckpointId{command.checkpoint_aborted()}});
    case proto::TaskCommand::kLook:
      return look({id, settings_->job.metrics->ask_for_details(id), kDetailsLooksMax});
    case proto::TaskCommand::kAddSplits: {
      AddSplits add;
      add.no_more = command.add_splits().no_more();
      for (const auto& split : command.add_splits().splits()) {
        add.splits.push_back(from_proto(split));
      }
      return send(task, std::move(add));
    }
    case proto::TaskCommand::COMMAND_NOT_SET:
      // Of a newer version: an attempt that lacks a command must not go on.
      report_status(id, Status::failed_precondition("a command this version does not know"));
      return cancel(id);
  }
}

void AttemptActor::open(TaskId id, const proto::OpenTask& opening) {
  TaskEntry& entry = tasks_[id];
  entry.opening = opening;
  const ExecutionTask& task = settings_->job.plan->graph.task(id);
  const auto is_known = [&](int end) { return end >= 0 && end < opening.task_managers_size(); };
  const bool fits = opening.outputs_size() == static_cast<int>(task.outputs.size()) &&
                    opening.inputs_size() == static_cast<int>(task.inputs.size()) &&
                    std::all_of(opening.outputs().begin(), opening.outputs().end(), is_known) &&
                    std::all_of(opening.inputs().begin(), opening.inputs().end(), is_known);
  if (!fits) {
    report_status(id, Status::internal("the channels of " + display_name(id) +
                                       " are not those of the JobManager's graph"));
    return cancel(id);
  }
  std::set<int> others;
  const auto add_others = [&](const auto& ends) {
    for (const int end : ends) {
      if (opening.task_managers(end).incarnation() != settings_->incarnation) others.insert(end);
    }
  };
  add_others(opening.outputs());
  add_others(opening.inputs());
  ConnectPeers connect;
  connect.task = id;
  for (const int other : others) {
    const auto& peer = opening.task_managers(other);
    connect.peers.push_back({peer.host(), peer.port(), peer.incarnation()});
  }
  entry.peers = connect.peers;
  if (connect.peers.empty()) {
    peers_connected({id, Status::ok(), {}});
  } else {
    send(settings_->hub, std::move(connect));
  }
}

void AttemptActor::peers_connected(const PeersConnected& connected) {
  const auto found = tasks_.find(connected.task);
  if (found == tasks_.end() || found->second.ended || cancelled_) return;
  if (!connected.status.is_ok()) {
    report_status(connected.task, connected.status);
    cancel(connected.task);
    return;
  }
  std::map<std::string, std::shared_ptr<PeerLink>> links;
  for (size_t i = 0; i < connected.links.size(); ++i) {
    links[found->second.peers[i].incarnation] = connected.links[i];
  }
  send(found->second.actor, OpenTask{make_peers(connected.task, found->second, links)});
}

void AttemptActor::peer_lost(const PeerLost& lost) {
  for (const auto& [id, task] : tasks_) {
    const bool concerned =
        std::any_of(task.peers.begin(), task.peers.end(),
                    [&](const Endpoint& peer) { return peer.incarnation == lost.incarnation; });
    if (concerned && !task.ended) send(task.actor, ChannelLost{lost.status});
  }
}

std::shared_ptr<TaskPeers> AttemptActor::make_peers(
    TaskId id, const TaskEntry& entry,
    const std::map<std::string, std::shared_ptr<PeerLink>>& links) {
  const ExecutionGraph& graph = settings_->job.plan->graph;
  const ExecutionTask& task = graph.task(id);
  const ActorHandle self = caf::actor_cast<ActorHandle>(this);
  auto peers = std::make_shared<TaskPeers>();
  peers->master = self;
  peers->enumerator = self;
  if (entry.opening.has_coordinator()) peers->coordinator = self;
  std::map<std::string, proto::OpenChannels> openings;
  for (size_t i = 0; i < task.outputs.size(); ++i) {
    const ChannelEnd& receiver = task.outputs[i];
    TaskPeers::End end;
    end.channel = receiver.channel;
    const int at = entry.opening.outputs(static_cast<int>(i));
    const std::string& peer = entry.opening.task_managers(at).incarnation();
    if (peer == settings_->incarnation) {
      end.task = tasks_[receiver.task].actor;
    } else {
      const uint64_t token = splitmix64(next_token_++);
      const auto& link = links.at(peer);
      end.remote = std::make_shared<RemoteOutput>(token, link, settings_->clock);
      send(settings_->hub,
           OutputOpened{settings_->key, token, entry.actor, static_cast<int>(i), link});
      auto& opening = *openings[peer].add_channels();
      opening.set_token(token);
      to_proto(receiver.task, *opening.mutable_receiver());
      opening.set_input_channel(receiver.channel);
    }
    peers->outputs.push_back(std::move(end));
  }
  for (size_t i = 0; i < task.inputs.size(); ++i) {
    const ChannelEnd& sender = task.inputs[i].source;
    TaskPeers::End end;
    end.channel = sender.channel;
    end.type = edge_type(*settings_->job.plan, sender);
    end.window =
        initial_credits(*settings_->job.plan, sender.task)[static_cast<size_t>(sender.channel)];
    const int at = entry.opening.inputs(static_cast<int>(i));
    if (entry.opening.task_managers(at).incarnation() == settings_->incarnation) {
      end.task = tasks_[sender.task].actor;
    }
    peers->inputs.push_back(std::move(end));
  }
  for (const auto& [peer, channels] : openings) {
    auto wire = wrap(settings_->fence, channels);
    SLUICE_CHECK_MSG(wire.is_ok(), "more channels than one message names");
    links.at(peer)->open(std::move(*wire));
  }
  return peers;
}

// ---- reports ------------------------------------------------------------------------------------

template <class M>
void AttemptActor::send_manager(const M& message) {
  auto wire = wrap(settings_->fence, message);
  if (wire.is_ok()) {
    post(std::move(*wire));
  } else {
    cancel_all(wire.status().message());
  }
}

template <class M>
void AttemptActor::post(Wire<M> wire) {
  settings_->outbox->post(std::move(wire),
                          [this](auto stamped) { send(settings_->manager, std::move(stamped)); });
}

void AttemptActor::report(TaskId task, const std::function<void(proto::TaskReport&)>& fill) {
  proto::TaskReport report;
  to_proto(task, *report.mutable_task());
  fill(report);
  send_manager(report);
}

void AttemptActor::report_status(TaskId task, const Status& status) {
  report(task, [&](proto::TaskReport& to) { to_proto(status, *to.mutable_failed()); });
}

void AttemptActor::report_checkpoint(TaskId task, const SnapshotOutcome& outcome) {
  const auto fill = [&](const SnapshotOutcome& what) {
    proto::TaskReport report;
    to_proto(task, *report.mutable_task());
    to_proto(what, task, *report.mutable_checkpoint());
    return wrap(settings_->fence, report);
  };
  auto wire = fill(outcome);
  if (!wire.is_ok()) {
    SnapshotOutcome declined;
    declined.id = outcome.id;
    declined.status = wire.status();
    wire = fill(declined);
  }
  if (wire.is_ok()) post(std::move(*wire));
}

/// Reports what the task has answered, or looks again in a moment. One that is long in user code
/// does not answer, and another look asks again.
void AttemptActor::look(DetailsDue due) {
  if (!due.asked.cell) return;
  if (auto details = due.asked.cell->answer_after(due.asked.answers)) {
    return report(due.task, [&](proto::TaskReport& to) {
      to_proto(*details, *to.mutable_details());
      // The names of splits are the connector's.
      if (to.ByteSizeLong() > kWireBytesMax / 2) to.mutable_details()->clear_splits();
    });
  }
  if (due.looks_left-- > 0) send_later(this, kDetailsLook, std::move(due));
}

void AttemptActor::report_numbers() {
  proto::NumbersReported numbers;
  for (const auto& [id, task] : tasks_) fill_numbers(id, *numbers.add_tasks());
  const auto letters = settings_->job.metrics->dead_letters();
  for (; dead_letters_reported_ < letters.size(); ++dead_letters_reported_) {
    numbers.add_dead_letters(letters[dead_letters_reported_]);
  }
  auto wire = wrap(settings_->fence, numbers);
  if (wire.is_ok()) post(std::move(*wire));
}

void AttemptActor::fill_numbers(TaskId task, proto::TaskNumbers& numbers) {
  const TaskInspection look = settings_->job.metrics->inspect(task, *settings_->clock);
  to_proto(task, *numbers.mutable_task());
  numbers.set_rows_in(look.rows_in);
  numbers.set_rows_out(look.rows_out);
  numbers.set_bytes_out(look.bytes_out);
  numbers.set_busy_ns(look.busy_ns);
  numbers.set_back_pressured_ns(look.back_pressured_ns);
  numbers.set_idle_ns(look.idle_ns);
  numbers.set_state_bytes(look.state_bytes);
  numbers.set_watermark_ms(look.watermark);
  numbers.set_finished(settings_->job.metrics->has_finished(task));
  numbers.set_queued_batches(look.queued);
  numbers.set_mailbox(look.mailbox);
  numbers.set_activity(static_cast<int>(look.activity));
  numbers.set_activity_since_ms(look.activity_since);
  auto& before = reported_[task];
  const auto groups = settings_->job.metrics->groups_of(task);
  before.resize(groups.size());
  for (size_t stage = 0; stage < groups.size(); ++stage) {
    auto& added = *numbers.add_stages()->mutable_added();
    groups[stage]->for_each_counter([&](const std::string& name, int64_t value) {
      int64_t& last = before[stage][name];
      if (value != last) added[name] = value - last;
      last = value;
    });
  }
}

// ---- the end ------------------------------------------------------------------------------------

void AttemptActor::ended(TaskId task) {
  tasks_[task].ended = true;
  const bool all = std::all_of(tasks_.begin(), tasks_.end(),
                               [](const auto& entry) { return entry.second.ended; });
  if (all) quit();
}

void AttemptActor::cancel(TaskId task) {
  send(tasks_[task].actor, CancelTask{});
  // Earlier than the JobManager gives the job up: with this process gone, the job can go on.
  const Duration wait = settings_->job.plan->options.get(options::kTaskCancellationTimeout);
  send_later(this, wait * 3 / 4, TaskStuck{task});
}

void AttemptActor::cancel_all(const std::string& /*reason*/) {
  cancelled_ = true;
  // Tasks that are being spawned are cancelled when they are there.
  if (!deployed_) return;
  for (const auto& [id, task] : tasks_) {
    if (!task.ended) cancel(id);
  }
}

void AttemptActor::task_down(const caf::actor_addr& address) {
  if (address == settings_->worker.address()) {
    cancel_all("the TaskManager ends");
    return;
  }
  const auto found = task_of_.find(address);
  if (found == task_of_.end() || tasks_[found->second].ended) return;
  report_status(found->second, Status::internal("task " + display_name(found->second) +
                                                " ended without a reason"));
  ended(found->second);
}

TaskId AttemptActor::sender_task() {
  const auto found = task_of_.find(caf::actor_cast<caf::actor_addr>(current_sender()));
  SLUICE_CHECK_MSG(found != task_of_.end(), "a message of no task");
  return found->second;
}

}  // namespace sluice
