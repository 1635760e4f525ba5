#include "actors/cluster_process.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unistd.h>
#include <utility>

#include "actors/checkpoint_retention.h"
#include "actors/cluster_gate_actor.h"
#include "actors/embedded_client.h"
#include "actors/heartbeat_actors.h"
#include "actors/heartbeat_options.h"
#include "actors/io_runner.h"
#include "actors/job_log.h"
#include "actors/job_manager_actor.h"
#include "actors/job_preparation.h"
#include "actors/job_store.h"
#include "actors/leader_epoch.h"
#include "actors/lease.h"
#include "actors/node_system.h"
#include "actors/peer_hub_actor.h"
#include "actors/reactive_scaling.h"
#include "actors/task_manager_actor.h"
#include "actors/worker_actor.h"
#include "core/clock.h"
#include "core/process_memory.h"

namespace sluice {
namespace {

/// Threads of a JobManager: it only passes messages on.
constexpr size_t kManagerThreads = 2;
/// How long TaskManagers may take to end when they are told to: when they have, what was said last
/// has arrived.
constexpr Duration kLastWords{300};

NodeSettings node_settings(const ClusterSettings& cluster, size_t threads) {
  NodeSettings node;
  node.bind_host = cluster.bind.host;
  node.port = cluster.bind.port;
  node.scheduler_threads = threads;
  node.cluster = cluster.cluster;
  node.certificate = cluster.bind.certificate;
  node.key = cluster.bind.key;
  node.ca = cluster.bind.ca;
  node.insecure = cluster.insecure;
  return node;
}

void warn_if_open(const ClusterSettings& cluster, const JobSettings& settings) {
  if (is_loopback(cluster.bind.host) || !cluster.bind.ca.empty() || !settings.on_note) return;
  settings.on_note("INSECURE: everybody who reaches " + cluster.bind.host +
                   " can take part in this cluster and run code");
}

// ---- JobManager ---------------------------------------------------------------------------------

/// The actors of a JobManager process; they live until it ends.
class ManagerNode final : public SteeredCluster {
 public:
  ManagerNode(const ClusterSettings& cluster, const JobSettings& settings, JobIdentity identity,
              int64_t epoch)
      : io_(static_cast<size_t>(settings.options.get(options::kIoThreads))),
        node_(node_settings(cluster, kManagerThreads)) {
    Fence fence;
    fence.cluster = cluster.cluster;
    fence.incarnation = make_incarnation();
    fence.leader_epoch = epoch;
    JobManagerActor::Settings manager;
    manager.clock = &system_clock();
    manager.io = &io_;
    manager.wait_for_slots = true;
    job_manager_ = node_.actors().spawn<JobManagerActor>(manager);
    HeartbeatWatchActor::Settings watch;
    watch.clock = &system_clock();
    watch.fence = fence;
    watch.interval = settings.options.get(options::kHeartbeatInterval);
    watch.timeout = settings.options.get(options::kHeartbeatTimeout);
    watch_ = spawn_heartbeat_watch(node_.actors(), watch);
    auto gate = std::make_shared<ClusterGateActor::Settings>();
    gate->node = &node_;
    gate->clock = &system_clock();
    gate->fence = fence;
    gate->identity = std::move(identity);
    gate->job_manager = job_manager_;
    gate->heartbeat_watch = watch_;
    gate->directory = tasks_;
    gate->heartbeat_interval = watch.interval;
    gate->lease = lease_of(watch.timeout);
    gate->on_note = settings.on_note;
    gate_ = node_.actors().spawn<ClusterGateActor>(std::move(gate));
  }
  ManagerNode(const ManagerNode&) = delete;
  ManagerNode& operator=(const ManagerNode&) = delete;

  Result<int> listen() { return node_.publish(gate_); }
  void submit(SubmitJob job) { send_from_outside(job_manager_, std::move(job)); }
  void start_jobs() override { send_from_outside(job_manager_, StartJob{}); }
  void stop_jobs(StopJob stop) override { send_from_outside(job_manager_, std::move(stop)); }
  void cancel_jobs() override { send_from_outside(job_manager_, CancelJob{}); }
  void inspect(InspectJob inspect) override { send_from_outside(job_manager_, std::move(inspect)); }
  void snapshot(SnapshotJob snapshot) override {
    send_from_outside(job_manager_, std::move(snapshot));
  }
  const ActorDirectory& directory() const override { return *node_.directory(); }
  std::vector<TaskManagerInspection> task_managers() const { return tasks_->task_managers(); }
  void end_workers(const std::string& reason) { send_from_outside(gate_, EndWorkers{reason}); }

 private:
  ThreadPoolIoRunner io_;
  NodeSystem node_;
  const std::shared_ptr<TaskDirectory> tasks_ = std::make_shared<TaskDirectory>();
  ActorHandle job_manager_;
  ActorHandle watch_;
  ActorHandle gate_;
};

/// An earlier run of this cluster's job, if one is remembered.
Result<std::optional<JobResult>> find_earlier_run(const JobStore& store, JobSettings& settings) {
  SLUICE_ASSIGN_OR_RETURN(auto record, store.find(settings.name));
  if (!record) return std::optional<JobResult>();
  if (record->ended) {
    if (settings.on_note) settings.on_note("the job has ended in an earlier run");
    return std::optional<JobResult>(std::move(record->result));
  }
  if (record->parallelism > 0) {
    settings.options.put(options::kParallelism, static_cast<int64_t>(record->parallelism));
  }
  const bool checkpointing = settings.options.get(options::kCheckpointInterval).count() > 0;
  // Also with a savepoint to start from: it became the first checkpoint of the earlier run.
  if (checkpointing) settings.restore.from = "latest";
  if (settings.on_note) settings.on_note("going on with the job of an earlier JobManager");
  return std::optional<JobResult>();
}

void wait_a_moment(Duration time) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, time);
}

void wait_for_workers_to_go(const ManagerNode& node) {
  constexpr Duration kLook{1};
  const int64_t end_ns = system_clock().steady_ns() + kLastWords.count() * 1'000'000;
  while (!node.task_managers().empty() && system_clock().steady_ns() < end_ns) wait_a_moment(kLook);
}

int most_parallelism(const JobPlan& plan) {
  int most = kMaxParallelismLimit;
  for (const ChainedVertex& vertex : plan.graph.chained().vertices) {
    most = std::min(most, vertex.max_parallelism);
  }
  return most;
}

/// Whether and to what the job is to be rescaled once it has stopped.
class RescaleRequest {
 public:
  Status ask(int parallelism, const JobPlan& plan, bool by_cancel) {
    if (!plan.checkpointing()) {
      return Status::failed_precondition("the job takes no checkpoints, so it cannot be rescaled");
    }
    const int most = most_parallelism(plan);
    if (parallelism < 1 || parallelism > most) {
      return Status::invalid_argument("parallelism " + std::to_string(parallelism) +
                                      " is not in 1.." + std::to_string(most));
    }
    const std::lock_guard lock(mutex_);
    if (asked_.parallelism > 0) return Status::failed_precondition("a rescale is under way");
    asked_ = {parallelism, by_cancel};
    return Status::ok();
  }
  struct Asked {
    int parallelism = 0;  // 0: nothing.
    bool by_cancel = false;
  };
  /// The job does not run: what there is to go on from is its newest checkpoint.
  void by_cancel() {
    const std::lock_guard lock(mutex_);
    asked_.by_cancel = asked_.parallelism > 0;
  }
  /// Afterwards there may be another one.
  Asked take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(asked_, {});
  }

 private:
  std::mutex mutex_;
  Asked asked_;
};

using Refused = std::function<void(const Status&)>;

/// Stops the job for a rescale, or gives it up when it does not run: it goes on from its newest
/// checkpoint then. `on_refused` is called later if the job cannot stop now.
Status begin_rescale(ManagerNode& node, const std::shared_ptr<RescaleRequest>& request,
                     const JobPlan& plan, int parallelism, bool by_cancel,
                     const Refused& on_refused = nullptr) {
  SLUICE_RETURN_IF_ERROR(request->ask(parallelism, plan, by_cancel));
  if (by_cancel) {
    node.cancel_jobs();
    return Status::ok();
  }
  StopJob stop;
  stop.on_refused = [&node, request, on_refused](const Status& status) {
    if (status.code() == StatusCode::kFailedPrecondition) {
      request->by_cancel();
      node.cancel_jobs();
      return;
    }
    (void)request->take();
    if (on_refused) on_refused(status);
  };
  node.stop_jobs(std::move(stop));
  return Status::ok();
}

/// A rescale that somebody asked for: ok once the job has stopped for it.
Status rescale_and_wait(ManagerNode& node, const std::shared_ptr<RescaleRequest>& request,
                        const JobPlan& plan, int parallelism, JobOutcome& outcome) {
  constexpr Duration kLook{20};
  constexpr int kLooksMax = 3000;
  const auto refused = std::make_shared<Awaited<Status>>();
  SLUICE_RETURN_IF_ERROR(begin_rescale(node, request, plan, parallelism, false,
                                       [refused](const Status& status) { refused->set(status); }));
  for (int look = 0; look < kLooksMax; ++look) {
    if (const auto status = refused->wait(kLook)) return *status;
    if (outcome.get()) return Status::ok();
  }
  return Status::deadline_exceeded("the job has not stopped for the rescale yet");
}

/// Lets the parallelism of a run follow the slots there are; a thread of its own until it goes.
class SlotWatch {
 public:
  SlotWatch(ManagerNode& node, std::shared_ptr<const JobPlan> plan,
            std::shared_ptr<RescaleRequest> request,
            std::function<void(const std::string&)> on_note)
      : node_(node),
        plan_(std::move(plan)),
        request_(std::move(request)),
        on_note_(std::move(on_note)),
        scaling_(most_parallelism(*plan_), kSettleTime),
        thread_([this] { watch(); }) {}
  ~SlotWatch() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    stopped_.notify_all();
    thread_.join();
  }
  SlotWatch(const SlotWatch&) = delete;
  SlotWatch& operator=(const SlotWatch&) = delete;

 private:
  static constexpr Duration kLook{200};
  static constexpr Duration kSettleTime{1000};

  void watch() {
    std::unique_lock lock(mutex_);
    while (!stopped_.wait_for(lock, kLook, [this] { return stopping_; })) look();
  }
  void look() {
    int64_t slots = 0;
    for (const TaskManagerInspection& each : node_.task_managers()) slots += each.slots;
    const int parallelism = plan_->graph.chained().slot_count();
    const auto decision = scaling_.decide(system_clock().steady_ns(), slots, parallelism);
    if (decision.step == ReactiveScaling::Step::kNone) return;
    const bool by_cancel = decision.step == ReactiveScaling::Step::kRestart;
    const Status begun = begin_rescale(node_, request_, *plan_, decision.parallelism, by_cancel);
    // Refused: one is under way, or it is asked for again at the next look.
    if (begun.is_ok() && on_note_) {
      on_note_("there are " + std::to_string(slots) + " slots: going on with parallelism " +
               std::to_string(decision.parallelism));
    }
  }

  ManagerNode& node_;
  const std::shared_ptr<const JobPlan> plan_;
  const std::shared_ptr<RescaleRequest> request_;
  const std::function<void(const std::string&)> on_note_;
  ReactiveScaling scaling_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;
};

void add_run(JobResult& total, const JobResult& run) {
  JobResult sum = run;
  sum.records_in += total.records_in;
  sum.records_out += total.records_out;
  sum.late += total.late;
  sum.dead_letter += total.dead_letter;
  sum.seconds += total.seconds;
  sum.restarts += total.restarts;
  for (const auto& [name, value] : total.accumulators) sum.accumulators[name] += value;
  total = std::move(sum);
}

/// One run of the job from submission to its end.
JobResult run_once(ManagerNode& node, const PreparedJob& job, const JobSettings& settings,
                   const std::shared_ptr<RescaleRequest>& rescale, bool reactive,
                   const std::shared_ptr<JobLog>& log) {
  const auto outcome = std::make_shared<JobOutcome>();
  node.submit({job.plan, job.metrics,
               [outcome](JobResult result) { outcome->set(std::move(result)); }, job.checkpoints,
               settings.on_note, /*is_held=*/true});
  if (settings.control != nullptr) {
    auto& control = settings.control->impl();
    control.listen([&node, note = settings.on_note](auto request) { steer(node, request, note); });
  }
  const auto ask = [&node, rescale, outcome, plan = job.plan](int parallelism) {
    return rescale_and_wait(node, rescale, *plan, parallelism, *outcome);
  };
  EmbeddedClient client({&node, job.plan, job.metrics, job.checkpoints, log, outcome,
                         &system_clock(), ask, [&node] { return node.task_managers(); }});
  std::shared_ptr<void> served =
      settings.serve ? settings.serve(client, settings.on_note) : nullptr;
  node.start_jobs();
  std::optional<SlotWatch> watch;
  if (reactive) watch.emplace(node, job.plan, rescale, settings.on_note);
  JobResult result = wait_for_end(*outcome, settings, *job.metrics);
  watch.reset();
  served.reset();
  if (settings.control != nullptr) settings.control->impl().listen(nullptr);
  result.first_dead_letters = job.metrics->dead_letters();
  return result;
}

/// Waits until the actors of the run have let go of the checkpoint directory.
bool is_released(const PreparedJob& job) {
  constexpr int kLooksMax = 2000;
  for (int look = 0; look < kLooksMax && job.checkpoints.use_count() > 1; ++look) {
    wait_a_moment(Duration(5));
  }
  return job.checkpoints.use_count() == 1;
}

/// The next run can take the checkpoint directory.
void release(PreparedJob& job) {
  (void)is_released(job);
  job = {};
}

/// The job has ended, and will not be started again.
void end_checkpoints_of(const PreparedJob& job, const JobResult& result, const Note& note) {
  if (!job.checkpoints->storage || keeps_checkpoints(job.plan->options, result)) return;
  if (is_released(job)) {
    end_checkpoints(*job.checkpoints, job.plan->options, result, note);
  } else if (note) {
    note("checkpoints of the job are left: they are still in use");
  }
}

}  // namespace

Result<JobResult> run_job_manager(const JobBuild& build, const JobSettings& given,
                                  const ClusterSettings& cluster) {
  JobSettings settings = given;
  const auto log = std::make_shared<JobLog>();
  settings.on_note = [log, on_note = given.on_note](const std::string& text) {
    log->add(system_clock().wall_ms(), text);
    if (on_note) on_note(text);
  };
  SLUICE_RETURN_IF_ERROR(check_node_settings(node_settings(cluster, kManagerThreads)));
  SLUICE_ASSIGN_OR_RETURN(
      const Leadership leadership,
      take_leadership(local_file_system(), cluster.ha_directory,
                      cluster.bind.host + ", process " + std::to_string(getpid()), system_clock()));
  JobStore store(local_file_system(), cluster.ha_directory);
  SLUICE_ASSIGN_OR_RETURN(const auto earlier, find_earlier_run(store, settings));
  if (earlier) return *earlier;
  if (cluster.reactive && settings.options.get(options::kCheckpointInterval).count() == 0) {
    return Status::invalid_argument("--reactive needs checkpoints: the job goes on from them");
  }
  // The first slot is enough to begin; then the others count.
  if (cluster.reactive && settings.options.get(options::kParallelism) == 0) {
    settings.options.put(options::kParallelism, int64_t{1});
  }
  // Decided here, so that every process makes the same plan.
  if (settings.options.get(options::kParallelism) == 0) {
    settings.options.put(options::kParallelism, static_cast<int64_t>(machine_cores()));
  }
  SLUICE_ASSIGN_OR_RETURN(LogicalGraph graph, build(settings.options));
  const JobIdentity identity = identity_of(graph, cluster.job_words);
  SLUICE_ASSIGN_OR_RETURN(PreparedJob job,
                          prepare_job(std::move(graph), settings, machine_cores()));
  SLUICE_RETURN_IF_ERROR(check_sendable(*job.plan));
  // Never destroyed: the end of a process is not the place to wait for connections.
  auto& node =
      *std::make_unique<ManagerNode>(cluster, settings, identity, leadership.epoch).release();
  SLUICE_ASSIGN_OR_RETURN(const int port, node.listen());
  SLUICE_RETURN_IF_ERROR(store.started(settings.name));
  warn_if_open(cluster, settings);
  if (cluster.on_listening) cluster.on_listening(port);
  JobResult total;
  for (;;) {
    const auto rescale = std::make_shared<RescaleRequest>();
    const JobResult run = run_once(node, job, settings, rescale, cluster.reactive, log);
    add_run(total, run);
    const auto [parallelism, by_cancel] = rescale->take();
    // Without a savepoint the job has ended by itself, or failed. With one it may have failed in
    // committing: the next run commits the rest.
    const bool has_stopped = run.status != JobStatus::kCancelled && !run.savepoint.empty();
    const bool given_up = by_cancel && run.status == JobStatus::kCancelled;
    if (parallelism == 0 || !(has_stopped || given_up)) break;
    settings.options.put(options::kParallelism, static_cast<int64_t>(parallelism));
    settings.restore = {.from = "latest"};
    SLUICE_RETURN_IF_ERROR(store.started(settings.name, parallelism));
    release(job);
    SLUICE_ASSIGN_OR_RETURN(LogicalGraph again, build(settings.options));
    SLUICE_ASSIGN_OR_RETURN(
        job, prepare_job(std::move(again), settings, machine_cores(), run.savepoint));
    if (settings.on_note) {
      settings.on_note("rescaled to parallelism " + std::to_string(parallelism));
    }
  }
  const Status remembered = store.ended(total);
  if (!remembered.is_ok() && settings.on_note) {
    settings.on_note("the end of the job is not remembered: " + remembered.message());
  }
  node.end_workers("the job has ended");
  // Otherwise another JobManager may have to go on from them.
  if (remembered.is_ok()) end_checkpoints_of(job, total, settings.on_note);
  wait_for_workers_to_go(node);
  return total;
}

// ---- TaskManager --------------------------------------------------------------------------------

namespace {

/// Why a TaskManager's process is to end.
class EndSignal {
 public:
  void set(const Status& reason) {
    const std::lock_guard lock(mutex_);
    if (!reason_) reason_ = reason;
    changed_.notify_all();
  }
  Status wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reason_.has_value(); });
    return *reason_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Status> reason_;
};

[[noreturn]] void end_fenced(const std::string& name, const std::string& why) {
  std::fprintf(stderr, "%s: this process ends: %s\n", name.c_str(), why.c_str());
  std::fflush(nullptr);
  _exit(kExitFenced);
}

/// The task that has been in one call for longer than `limit`, or "".
std::string stuck_task(const ActorDirectory& directory, int64_t now_ms, Duration limit) {
  for (const ActorInspection& actor : directory.actors()) {
    if (actor.kind != "task" || !actor.running || now_ms - actor.active < limit.count()) continue;
    return "task " + actor.label + " has not come back from user code for " +
           to_text(Duration(now_ms - actor.active));
  }
  return "";
}

/// Spawns the actors of a TaskManager; they live until the process ends.
Status start_worker(NodeSystem& node, ThreadPoolIoRunner& io, const GraphBuilder& build,
                    const JobIdentity& identity, const JobSettings& settings,
                    const ClusterSettings& cluster, const std::shared_ptr<EndSignal>& end) {
  const std::string name = settings.name;
  auto worker = std::make_shared<WorkerActor::Settings>();
  worker->own.incarnation = make_incarnation();
  PeerHubActor::Settings hub;
  hub.dial = [&node](const Endpoint& peer, const ActorHandle& to) { node.dial(peer, to); };
  hub.cluster = cluster.cluster;
  hub.incarnation = worker->own.incarnation;
  hub.network = node.network_thread();
  worker->hub = node.actors().spawn<PeerHubActor>(hub);
  SLUICE_ASSIGN_OR_RETURN(const int port, node.publish(worker->hub));
  const bool is_elsewhere = !cluster.advertise.host.empty();
  worker->own.host = is_elsewhere ? cluster.advertise.host : cluster.bind.host;
  worker->own.port = cluster.advertise.port > 0 ? cluster.advertise.port : port;
  send_from_outside(worker->hub, OwnEndpoint{worker->own});
  worker->node = &node;
  worker->clock = &system_clock();
  worker->io = &io;
  worker->files = &local_file_system();
  worker->manager = {cluster.manager.host, cluster.manager.port, ""};
  worker->cluster = cluster.cluster;
  worker->slots = cluster.slots > 0 ? cluster.slots : machine_cores();
  worker->identity = identity;
  worker->build = build;
  worker->on_end = [end](const Status& reason) { end->set(reason); };
  worker->on_stuck = [name](const std::string& why) { end_fenced(name, why); };
  worker->on_note = settings.on_note;
  HeartbeatActor::Settings heartbeat;
  heartbeat.clock = &system_clock();
  heartbeat.on_frozen = [name] {
    end_fenced(name, "it stood still for longer than its lease, others may have its tasks");
  };
  heartbeat.resident_bytes = resident_memory_bytes;
  heartbeat.look_for_stuck = [name, actors = node.directory(),
                              limit = settings.options.get(options::kTaskStuckTimeout)] {
    const std::string stuck = stuck_task(*actors, system_clock().wall_ms(), limit);
    if (!stuck.empty()) end_fenced(name, stuck);
  };
  worker->heartbeat = spawn_heartbeat(node.actors(), heartbeat);
  TaskManagerActor::Settings tasks;
  tasks.clock = &system_clock();
  tasks.io = &io;
  tasks.slots = worker->slots;
  tasks.job_manager = node.actors().spawn<WorkerActor>(std::move(worker));
  node.actors().spawn<TaskManagerActor>(std::move(tasks));
  if (cluster.on_listening) cluster.on_listening(port);
  return Status::ok();
}

}  // namespace

Status run_task_manager(const JobBuild& build, const JobSettings& settings,
                        const ClusterSettings& cluster) {
  const NodeSettings node = node_settings(cluster, scheduler_threads(settings.options));
  SLUICE_RETURN_IF_ERROR(check_node_settings(node));
  const bool binds_all = node.bind_host == "0.0.0.0" || node.bind_host == "::";
  if (binds_all && cluster.advertise.host.empty()) {
    return Status::invalid_argument(
        "--bind " + node.bind_host +
        ": give the address at which other TaskManagers reach this one, or --advertise it");
  }
  SLUICE_ASSIGN_OR_RETURN(const LogicalGraph graph, build(settings.options));
  warn_if_open(cluster, settings);
  // The actors live until the process ends: user code may be anywhere, and destructors of threads
  // that are still in it would wait for ever.
  static auto& system = *std::make_unique<NodeSystem>(node).release();
  static auto& io = *std::make_unique<ThreadPoolIoRunner>(
                         static_cast<size_t>(settings.options.get(options::kIoThreads)))
                         .release();
  const auto end = std::make_shared<EndSignal>();
  SLUICE_RETURN_IF_ERROR(start_worker(system, io, build, identity_of(graph, cluster.job_words),
                                      settings, cluster, end));
  if (settings.control != nullptr) {
    settings.control->impl().listen([end](JobControl::Impl::Request request) {
      if (request == JobControl::Impl::Request::kSavepoint) return;
      end->set(Status::cancelled("the TaskManager was told to end"));
    });
  }
  Status reason = end->wait();
  if (settings.control != nullptr) settings.control->impl().listen(nullptr);
  return reason;
}

}  // namespace sluice
