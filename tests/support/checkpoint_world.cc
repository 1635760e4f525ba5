#include "tests/support/checkpoint_world.h"

#include <algorithm>

#include "core/key_group.h"
#include "graph/execution_graph.h"
#include "state/api/timer_cell.h"

namespace sluice {

const char* planted_bug_name(PlantedBug bug) {
  switch (bug) {
    case PlantedBug::kNone:
      return "none";
    case PlantedBug::kAckBeforeUpload:
      return "acknowledge before upload";
    case PlantedBug::kNoAlignmentOnOne:
      return "no alignment on one channel";
    case PlantedBug::kBarrierOvertakesData:
      return "aligned barrier overtakes data";
    case PlantedBug::kTimersMissing:
      return "timers missing in the snapshot";
    case PlantedBug::kKeyGroupOffByOne:
      return "off-by-one key group";
    case PlantedBug::kCommitBeforeComplete:
      return "commit before complete";
    case PlantedBug::kForgetChannelState:
      return "forget recorded channel state";
    case PlantedBug::kForgetInputQueues:
      return "forget what waits in channels";
    case PlantedBug::kIdsReused:
      return "reuse of checkpoint ids";
    case PlantedBug::kAttemptReused:
      return "reuse of attempt id";
    case PlantedBug::kSplitsNotHeld:
      return "splits given out after the enumerator's snapshot";
    case PlantedBug::kRestoreOlder:
      return "restore an older checkpoint";
    case PlantedBug::kCompleteWithOneMissing:
      return "complete with one acknowledgement missing";
    case PlantedBug::kDropOneInFlight:
      return "recovery drops data in flight";
  }
  return "?";
}

namespace {

constexpr const char* kInFlight = "in-flight";
// Offset of the place in an item of data in flight (docs/formats.md), and two of its values.
constexpr size_t kPlaceAt = 1;
constexpr char kPlaceChannel = 2;
constexpr char kPlaceWatermarks = 3;

class StoringWriter final : public SnapshotWriter {
 public:
  StoringWriter(StoredOperator& to, PlantedBug bug) : to_(to), bug_(bug) {}
  Status begin_keyed_state(std::string_view name, std::string_view schema) override {
    current_ = &to_.keyed[std::string(name)];
    current_->schema = std::string(schema);
    skips_ = bug_ == PlantedBug::kTimersMissing && name == TimerCell::kStateName;
    return Status::ok();
  }
  Status put(int key_group, std::string_view key, std::string_view value) override {
    if (!skips_) current_->entries[{key_group, std::string(key)}] = std::string(value);
    return Status::ok();
  }
  Status erase(int key_group, std::string_view key) override {
    current_->entries.erase({key_group, std::string(key)});
    return Status::ok();
  }
  Status add_item(std::string_view name, Redistribution mode, std::string_view item) override {
    const bool is_data = name == kInFlight && item[kPlaceAt] != kPlaceWatermarks;
    if (is_data && bug_ == PlantedBug::kForgetChannelState) return Status::ok();
    if (is_data && bug_ == PlantedBug::kForgetInputQueues && item[kPlaceAt] == kPlaceChannel) {
      return Status::ok();
    }
    to_.items.push_back({std::string(name), mode, std::string(item)});
    return Status::ok();
  }

 private:
  StoredOperator& to_;
  const PlantedBug bug_;
  StoredOperator::Keyed* current_ = nullptr;
  bool skips_ = false;
};

/// The part of one subtask, as state/snapshot_reader.h distributes it.
class StoredReader final : public SnapshotReader {
 public:
  StoredReader(const std::vector<StoredOperator>& subtasks, int subtask, int parallelism,
               KeyGroupRange groups, PlantedBug bug)
      : subtasks_(subtasks),
        subtask_(subtask),
        parallelism_(parallelism),
        groups_(groups),
        bug_(bug) {
    if (bug == PlantedBug::kKeyGroupOffByOne && groups_.first > 0) ++groups_.first;
  }
  std::vector<std::string> keyed_state_names() const override {
    std::set<std::string> names;
    for (const auto& stored : subtasks_) {
      for (const auto& [name, state] : stored.keyed) names.insert(name);
    }
    return {names.begin(), names.end()};
  }
  std::string schema_of(std::string_view name) const override {
    for (const auto& stored : subtasks_) {
      const auto found = stored.keyed.find(std::string(name));
      if (found != stored.keyed.end()) return found->second.schema;
    }
    return {};
  }
  Status visit_keyed_state(std::string_view name, const EntryVisitor& visitor) override {
    for (const auto& stored : subtasks_) {
      const auto found = stored.keyed.find(std::string(name));
      if (found == stored.keyed.end()) continue;
      for (const auto& [key, value] : found->second.entries) {
        if (!groups_.contains(key.first)) continue;
        SLUICE_RETURN_IF_ERROR(visitor(key.first, key.second, value));
      }
    }
    return Status::ok();
  }
  std::vector<std::string> items(std::string_view name) const override {
    std::vector<std::string> mine;
    const bool same = static_cast<int>(subtasks_.size()) == parallelism_;
    int turn = 0;
    for (size_t old = 0; old < subtasks_.size(); ++old) {
      for (const auto& item : subtasks_[old].items) {
        if (item.name != name) continue;
        const bool is_mine =
            item.mode != Redistribution::kSplit ||
            (same ? static_cast<int>(old) == subtask_ : turn++ % parallelism_ == subtask_);
        if (is_mine) mine.push_back(item.bytes);
      }
    }
    if (bug_ == PlantedBug::kDropOneInFlight && name == kInFlight && !mine.empty() &&
        mine.back()[kPlaceAt] != kPlaceWatermarks) {
      mine.pop_back();
    }
    return mine;
  }

 private:
  const std::vector<StoredOperator>& subtasks_;
  int subtask_;
  int parallelism_;
  KeyGroupRange groups_;
  PlantedBug bug_;
};

bool holds_data(const StoredOperator& stored) {
  return std::any_of(stored.items.begin(), stored.items.end(), [](const auto& item) {
    return item.name == kInFlight && item.bytes[kPlaceAt] != kPlaceWatermarks;
  });
}

}  // namespace

struct CheckpointWorld::Stored {
  CheckpointId id;
  Snapshot operators;
  std::vector<SourceSplit> unassigned;

  bool has_data() const {
    for (const auto& [uid, subtasks] : operators) {
      if (std::any_of(subtasks.begin(), subtasks.end(), holds_data)) return true;
    }
    return false;
  }
};

/// A snapshot on its way to the store.
struct CheckpointWorld::Upload {
  TaskId task;
  int attempt = 0;
  CheckpointId id;
  std::vector<OperatorSnapshot> states;
  bool finished = false;
  bool acknowledged = false;
};

struct CheckpointWorld::Node final : TaskLink {
  struct End {
    Node* to;
    int channel;
  };
  CheckpointWorld* world = nullptr;
  TaskId id;
  std::unique_ptr<Task> task;
  std::vector<std::unique_ptr<MetricGroup>> metrics;
  std::vector<std::unique_ptr<SnapshotReader>> readers;
  std::vector<End> outputs;
  std::vector<End> inputs;
  // What each operator stored for each checkpoint of this attempt.
  std::map<CheckpointId, std::vector<std::pair<std::string, StoredOperator>>> stored;
  std::map<CheckpointId, std::vector<OperatorSnapshot>> frozen;
  bool runnable = true;
  bool ended = false;
  bool end_reported = false;

  std::string mailbox() const {
    return "control>" + std::to_string(id.vertex.value) + "." + std::to_string(id.subtask);
  }
  std::string link_to(const Node& other) const {
    return std::to_string(id.vertex.value) + "." + std::to_string(id.subtask) + ">" +
           std::to_string(other.id.vertex.value) + "." + std::to_string(other.id.subtask);
  }
  void send(int channel, StreamElement element) override {
    const End& end = outputs[static_cast<size_t>(channel)];
    const PlantedBug bug = world->settings_.bug;
    const bool is_barrier = element.kind == ElementKind::kBarrier;
    if (is_barrier && bug == PlantedBug::kNoAlignmentOnOne && end.channel == 0) {
      element.barrier.kind = CheckpointKind::kAtLeastOnce;
    }
    auto& queue = world->links_[link_to(*end.to)];
    auto shared = std::make_shared<StreamElement>(std::move(element));
    auto mail = [to = end.to, in = end.channel, shared] {
      to->task->receive(in, std::move(*shared));
      to->runnable = true;
    };
    if (is_barrier && bug == PlantedBug::kBarrierOvertakesData && !queue.empty()) {
      queue.insert(queue.end() - 1, std::move(mail));
    } else {
      queue.push_back(std::move(mail));
    }
  }
  void grant(int channel, uint32_t credits, BatchPtr recycled) override {
    const End& end = inputs[static_cast<size_t>(channel)];
    world->post(link_to(*end.to), [to = end.to, out = end.channel, credits, recycled]() mutable {
      to->task->add_credit(out, credits, std::move(recycled));
      to->runnable = true;
    });
  }
  void request_split() override {
    world->post("enumerator", [this] {
      world->waiting_for_split_.push_back(id);
      world->assign_splits();
    });
  }
  void snapshot_taken(const Barrier& barrier, std::vector<OperatorSnapshot> states,
                      int64_t /*alignment_ms*/) override {
    auto upload = std::make_unique<Upload>();
    upload->task = id;
    upload->attempt = world->attempt_;
    upload->id = barrier.checkpoint;
    upload->states = std::move(states);
    upload->finished = task->has_ended();
    world->uploads_.push_back(std::move(upload));
  }
  void committables(NodeId /*node*/, std::vector<Committable> /*all*/) override {}
  void snapshot_declined(CheckpointId checkpoint, const Status& reason) override {
    world->post("coordinator", [this, checkpoint, reason, attempt = world->attempt_] {
      world->coordinator({world->clock_.wall_ms(),
                          checkpoint_event::Declined{checkpoint, id, AttemptId{attempt}, reason}});
    });
  }
};

CheckpointWorld::CheckpointWorld(WorldSettings settings, std::vector<WorldVertex> vertices,
                                 std::vector<WorldEdge> edges)
    : settings_(std::move(settings)),
      vertices_(std::move(vertices)),
      edges_(std::move(edges)),
      random_(settings_.seed),
      clock_(1'000'000),
      protocol_(std::make_unique<CheckpointProtocol>(settings_.checkpoints)),
      unassigned_(settings_.splits) {}

CheckpointWorld::~CheckpointWorld() {
  for (auto& node : nodes_) node->task->close();
}

CheckpointWorld::Node& CheckpointWorld::node(TaskId id) { return *nodes_[index_of_.at(id)]; }
Task& CheckpointWorld::task(int vertex, int subtask) {
  return *node({VertexId{vertex}, subtask}).task;
}

// ---- attempts -----------------------------------------------------------------------------------

void CheckpointWorld::start() {
  if (settings_.bug != PlantedBug::kAttemptReused || attempt_ < 0) ++attempt_;
  const bool forgets_ids =
      settings_.bug == PlantedBug::kIdsReused || settings_.bug == PlantedBug::kAttemptReused;
  if (forgets_ids) {
    protocol_ = std::make_unique<CheckpointProtocol>(settings_.checkpoints);
    next_id_ = 1;
  }
  const Stored* from = complete_.empty() ? nullptr : complete_.back().get();
  if (settings_.bug == PlantedBug::kRestoreOlder && complete_.size() > 1) {
    from = complete_[complete_.size() - 2].get();
  }
  unassigned_ = from != nullptr ? from->unassigned : settings_.splits;
  if (from != nullptr) {
    ++restores_;
    restores_with_data_ += from->has_data() ? 1 : 0;
  }
  make_tasks(from);
  connect();
  running_ = true;
  checkpoint_event::TasksRunning running;
  for (const auto& node : nodes_) {
    running.tasks.push_back({node->id, AttemptId{attempt_},
                             vertices_[static_cast<size_t>(node->id.vertex.value)].is_source,
                             false});
  }
  coordinator({clock_.wall_ms(), std::move(running)});
}

TaskSpec CheckpointWorld::spec_of(int vertex, int subtask) {
  const WorldVertex& from = vertices_[static_cast<size_t>(vertex)];
  TaskSpec spec = from.make();
  spec.id = {VertexId{vertex}, subtask};
  spec.is_source = from.is_source;
  spec.input_count = from.is_source ? 0 : from.input_count;
  spec.info.operator_name = from.uid;
  spec.info.operator_uid = from.uid;
  spec.info.subtask = subtask;
  spec.info.parallelism = from.parallelism;
  spec.info.max_parallelism = from.max_parallelism;
  spec.info.attempt = attempt_;
  for (size_t i = 0; i < spec.stages.size(); ++i) {
    spec.stages[i].uid = from.uid + "-" + std::to_string(i);
  }
  return spec;
}

std::unique_ptr<SnapshotReader> CheckpointWorld::reader_of(const Stored& stored,
                                                           const std::string& uid, int subtask,
                                                           int parallelism, int max_parallelism) {
  const auto found = stored.operators.find(uid);
  if (found == stored.operators.end()) return nullptr;
  return std::make_unique<StoredReader>(found->second, subtask, parallelism,
                                        key_group_range_of(subtask, parallelism, max_parallelism),
                                        settings_.bug);
}

void CheckpointWorld::make_tasks(const Stored* from) {
  nodes_.clear();
  index_of_.clear();
  for (size_t v = 0; v < vertices_.size(); ++v) {
    const WorldVertex& vertex = vertices_[v];
    for (int subtask = 0; subtask < vertex.parallelism; ++subtask) {
      auto node = std::make_unique<Node>();
      node->world = this;
      TaskSpec spec = spec_of(static_cast<int>(v), subtask);
      node->id = spec.id;
      TaskServices services;
      services.clock = &clock_;
      services.io = &io_;
      services.wake = [raw = node.get()] { raw->runnable = true; };
      services.checkpointing = true;
      services.restored_finished = from != nullptr;
      for (const StageSpec& stage : spec.stages) {
        node->metrics.push_back(std::make_unique<MetricGroup>());
        services.metrics.push_back(node->metrics.back().get());
        if (from == nullptr) continue;
        node->readers.push_back(
            reader_of(*from, stage.uid, subtask, vertex.parallelism, vertex.max_parallelism));
        services.restored.push_back(node->readers.back().get());
        const auto& stored = from->operators.at(stage.uid);
        const bool finished = std::all_of(stored.begin(), stored.end(),
                                          [](const StoredOperator& s) { return s.finished; });
        services.restored_finished = services.restored_finished && finished;
      }
      // Edges out of and into the task; channels are numbered by edge, then by partner.
      for (const WorldEdge& edge : edges_) {
        if (edge.from == static_cast<int>(v)) {
          const int to_parallelism = vertices_[static_cast<size_t>(edge.to)].parallelism;
          const SubtaskRange range =
              targets_of(edge.partitioning, subtask, vertex.parallelism, to_parallelism);
          OutputEdgeSpec out;
          out.from_stage = static_cast<int>(spec.stages.size()) - 1;
          out.partitioning = edge.partitioning;
          out.selector = edge.selector;
          out.type = edge.type;
          out.first_channel = spec.output_channel_count();
          out.channels = range.last - range.first + 1;
          out.max_parallelism = vertices_[static_cast<size_t>(edge.to)].max_parallelism;
          spec.edges.push_back(out);
        }
        if (edge.to != static_cast<int>(v)) continue;
        const int from_parallelism = vertices_[static_cast<size_t>(edge.from)].parallelism;
        for (int sender = 0; sender < from_parallelism; ++sender) {
          const SubtaskRange range =
              targets_of(edge.partitioning, sender, from_parallelism, vertex.parallelism);
          if (subtask < range.first || subtask > range.last) continue;
          spec.input_channels.push_back(
              {edge.input, settings_.credit, static_cast<int>(spec.input_edges.size()), sender});
        }
        spec.input_edges.push_back({edge.input, edge.partitioning, edge.selector, edge.type});
      }
      node->task = std::make_unique<Task>(std::move(spec), std::move(services), *node);
      index_of_[node->id] = nodes_.size();
      nodes_.push_back(std::move(node));
    }
  }
}

void CheckpointWorld::connect() {
  for (const WorldEdge& edge : edges_) {
    const int from_parallelism = vertices_[static_cast<size_t>(edge.from)].parallelism;
    const int to_parallelism = vertices_[static_cast<size_t>(edge.to)].parallelism;
    for (int sender = 0; sender < from_parallelism; ++sender) {
      Node& from = node({VertexId{edge.from}, sender});
      const SubtaskRange range =
          targets_of(edge.partitioning, sender, from_parallelism, to_parallelism);
      for (int target = range.first; target <= range.last; ++target) {
        Node& to = node({VertexId{edge.to}, target});
        from.outputs.push_back({&to, static_cast<int>(to.inputs.size())});
        to.inputs.push_back({&from, static_cast<int>(from.outputs.size()) - 1});
      }
    }
  }
  for (auto& node : nodes_) {
    const Status opened = node->task->open();
    if (!opened.is_ok()) {
      failure_ = opened;
      continue;
    }
    for (size_t i = 0; i < node->outputs.size(); ++i) {
      node->task->add_credit(static_cast<int>(i), settings_.credit, BatchPtr());
    }
  }
}

void CheckpointWorld::fail(const std::string& why) {
  if (!running_) return;
  running_ = false;
  coordinator({clock_.wall_ms(), checkpoint_event::TasksStopping{why}});
  for (auto& node : nodes_) node->task->close();
  if (settings_.bug == PlantedBug::kAttemptReused) {
    // Answers under way are taken for those of the next attempt.
    for (auto& [name, queue] : links_) {
      if (name != "coordinator") queue.clear();
    }
  } else {
    // What the coordinator asked of the storage is answered all the same.
    auto ids = std::move(links_["ids"]);
    links_.clear();
    links_["ids"] = std::move(ids);
    uploads_.clear();
  }
  waiting_for_split_.clear();
  held_for_.clear();
  nodes_.clear();
}

// ---- steps --------------------------------------------------------------------------------------

bool CheckpointWorld::run(int64_t steps_max) {
  for (int64_t i = 0; i < steps_max; ++i) {
    if (!step()) return done_;
  }
  return false;
}

bool CheckpointWorld::step() {
  if (done_ || !failure_.is_ok()) return false;
  ++steps_;
  if (!running_) start();
  std::vector<std::function<void()>> choices;
  for (auto& [name, queue] : links_) {
    if (queue.empty()) continue;
    choices.push_back([&queue = queue] {
      auto mail = std::move(queue.front());
      queue.pop_front();
      mail();
    });
  }
  for (auto& node : nodes_) {
    if (node->runnable && !node->ended)
      choices.push_back([this, raw = node.get()] { run_task(*raw); });
  }
  for (size_t i = 0; i < uploads_.size(); ++i) choices.push_back([this, i] { upload(i); });
  // Time passes now and then, and when there is nothing else to do.
  if (choices.empty() || random_.one_in(60)) {
    tick();
    return true;
  }
  choices[random_.below(choices.size())]();
  return !done_ && failure_.is_ok();
}

void CheckpointWorld::tick() {
  clock_.advance(Duration(random_.between(1, 4)));
  if (protocol_->next_tick_ms() <= clock_.wall_ms()) {
    coordinator({clock_.wall_ms(), checkpoint_event::Tick{}});
  }
  for (auto& node : nodes_) {
    if (!node->ended && node->task->next_wakeup_ms() <= clock_.wall_ms()) node->runnable = true;
  }
}

void CheckpointWorld::run_task(Node& node) {
  node.runnable = false;  // It may be woken while it runs.
  switch (node.task->run(0)) {
    case RunState::kMore:
      node.runnable = true;
      return;
    case RunState::kWaiting:
      return;
    case RunState::kFinished:
      node.ended = true;
      if (!std::exchange(node.end_reported, true)) {
        post("coordinator", [this, id = node.id, attempt = attempt_] {
          coordinator({clock_.wall_ms(), checkpoint_event::TaskFinished{id, AttemptId{attempt}}});
        });
      }
      return;
    case RunState::kFailed:
      failure_ = node.task->status();
      return;
  }
}

void CheckpointWorld::assign_splits() {
  if (!held_for_.empty() && settings_.bug != PlantedBug::kSplitsNotHeld) return;
  while (!waiting_for_split_.empty()) {
    const TaskId id = waiting_for_split_.front();
    waiting_for_split_.pop_front();
    std::vector<SourceSplit> splits;
    if (!unassigned_.empty()) {
      splits.push_back(unassigned_.front());
      unassigned_.erase(unassigned_.begin());
    }
    post(node(id).mailbox(), [this, id, splits] {
      node(id).task->add_splits(splits, splits.empty());
      node(id).runnable = true;
    });
  }
}

std::string CheckpointWorld::describe() const {
  std::string text = "attempt " + std::to_string(attempt_) + ", " +
                     std::to_string(protocol_->pending()) + " checkpoints pending";
  for (const CheckpointStats& stats : protocol_->pending_stats()) text += ", " + stats.to_line();
  for (auto at = protocol_->history().rbegin();
       at != protocol_->history().rend() && at < protocol_->history().rbegin() + 2; ++at) {
    text += "\n  " + at->to_line();
  }
  for (const auto& node : nodes_) {
    text += "\n  " + node->task->spec().info.display_name() + (node->ended ? " ended" : "") +
            (node->runnable ? " runnable" : "") + " wakes at " +
            std::to_string(node->task->next_wakeup_ms() - clock_.wall_ms()) + " credits";
    for (const uint32_t credit : node->task->output_credits()) text += " " + std::to_string(credit);
  }
  for (const auto& [name, queue] : links_) {
    if (!queue.empty()) text += "\n  " + name + ": " + std::to_string(queue.size());
  }
  return text;
}

// ---- checkpoints --------------------------------------------------------------------------------

void CheckpointWorld::upload(size_t which) {
  const std::unique_ptr<Upload> upload = std::move(uploads_[which]);
  uploads_.erase(uploads_.begin() + static_cast<std::ptrdiff_t>(which));
  const PlantedBug bug = settings_.bug;
  const auto answer = [&](CheckpointEvent event) {
    post("coordinator", [this, event = std::move(event)] { coordinator(event); });
  };
  if (bug == PlantedBug::kAckBeforeUpload && !upload->acknowledged) {
    upload->acknowledged = true;
    answer({clock_.wall_ms(), checkpoint_event::Acknowledged{upload->id,
                                                             upload->task,
                                                             AttemptId{upload->attempt},
                                                             {},
                                                             std::make_shared<TaskSnapshot>()}});
    uploads_.push_back(std::make_unique<Upload>(std::move(*upload)));
    return;
  }
  if (settings_.upload_fails_one_in > 0 && random_.one_in(settings_.upload_fails_one_in)) {
    answer({clock_.wall_ms(),
            checkpoint_event::Declined{upload->id, upload->task, AttemptId{upload->attempt},
                                       Status::io_error("the disk is full")}});
    return;
  }
  const auto found = index_of_.find(upload->task);
  if (found == index_of_.end()) return;
  Node& owner = node(upload->task);
  if (bug == PlantedBug::kCommitBeforeComplete) (void)owner.task->checkpoint_complete(upload->id);
  auto& stored = owner.stored[upload->id];
  for (OperatorSnapshot& state : upload->states) {
    stored.emplace_back(state.uid, StoredOperator{});
    stored.back().second.finished = upload->finished;
    StoringWriter writer(stored.back().second, bug);
    if (!state.state) continue;
    const Status written = state.state->write(writer, false);
    SLUICE_CHECK_MSG(written.is_ok(), "a snapshot in memory failed");
  }
  if (upload->acknowledged) return;
  answer({clock_.wall_ms(), checkpoint_event::Acknowledged{upload->id,
                                                           upload->task,
                                                           AttemptId{upload->attempt},
                                                           {},
                                                           std::make_shared<TaskSnapshot>()}});
}

void CheckpointWorld::publish(const checkpoint_action::Publish& action) {
  if (settings_.publish_fails_one_in > 0 && random_.one_in(settings_.publish_fails_one_in)) {
    coordinator({clock_.wall_ms(),
                 checkpoint_event::Published{action.id, Status::io_error("the disk is full")}});
    return;
  }
  auto stored = std::make_unique<Stored>();
  stored->id = action.id;
  stored->unassigned = enumerator_snapshots_[action.id];
  for (const auto& node : nodes_) {
    const auto& vertex = vertices_[static_cast<size_t>(node->id.vertex.value)];
    const size_t stages = node->task->spec().stages.size();
    for (size_t i = 0; i < stages; ++i) {
      const std::string& uid = node->task->spec().stages[i].uid;
      auto& subtasks = stored->operators[uid];
      subtasks.resize(static_cast<size_t>(vertex.parallelism));
      for (auto& [of, state] : node->stored[action.id]) {
        if (of == uid) subtasks[static_cast<size_t>(node->id.subtask)] = std::move(state);
      }
    }
    node->stored.erase(node->stored.begin(), node->stored.upper_bound(action.id));
  }
  ++completed_;
  completed_with_data_ += stored->has_data() ? 1 : 0;
  if (on_complete) on_complete(action.id, stored->operators);
  complete_.push_back(std::move(stored));
  coordinator({clock_.wall_ms(), checkpoint_event::Published{action.id, Status::ok()}});
}

void CheckpointWorld::coordinator(CheckpointEvent event) {
  event.now_ms = clock_.wall_ms();
  for (const CheckpointAction& action : protocol_->step(event)) act(action);
}

void CheckpointWorld::act(const CheckpointAction& action) {
  namespace act = checkpoint_action;
  const auto later = [this](auto what) {
    post("coordinator", [this, what] { coordinator({clock_.wall_ms(), what}); });
  };
  if (std::get_if<act::ReserveIds>(&action) != nullptr) {
    next_id_ += 16;
    post("ids", [this, first = next_id_ - 16, end = next_id_] {
      coordinator({clock_.wall_ms(), checkpoint_event::IdsReserved{{first}, {end}}});
    });
  } else if (const auto* take = std::get_if<act::SnapshotCoordinators>(&action)) {
    post("enumerator", [this, later, id = take->barrier.checkpoint] {
      enumerator_snapshots_[id] = unassigned_;
      held_for_.insert(id);
      later(checkpoint_event::CoordinatorsSnapshotted{id, Status::ok()});
    });
  } else if (const auto* release = std::get_if<act::ReleaseCoordinators>(&action)) {
    post("enumerator", [this, id = release->id] {
      held_for_.erase(held_for_.begin(), held_for_.upper_bound(id));
      assign_splits();
    });
  } else if (const auto* trigger = std::get_if<act::TriggerTasks>(&action)) {
    for (const TaskId id : trigger->tasks) {
      // Behind the splits that were given out before.
      post(node(id).mailbox(), [this, id, barrier = trigger->barrier] {
        node(id).task->trigger_checkpoint(barrier);
        node(id).runnable = true;
        node(id).ended = false;
      });
    }
    if (settings_.bug == PlantedBug::kCompleteWithOneMissing) {
      later(checkpoint_event::Acknowledged{trigger->barrier.checkpoint,
                                           nodes_.back()->id,
                                           AttemptId{attempt_},
                                           {},
                                           std::make_shared<TaskSnapshot>()});
    }
  } else if (const auto* publication = std::get_if<act::Publish>(&action)) {
    post("storage", [this, what = *publication, attempt = attempt_] {
      if (running_ && attempt == attempt_) publish(what);
    });
  } else if (const auto* complete = std::get_if<act::NotifyComplete>(&action)) {
    for (const auto& node : nodes_) {
      post(node->mailbox(), [this, raw = node.get(), what = *complete, later, attempt = attempt_] {
        const Status done = raw->task->checkpoint_complete(what.id);
        if (!done.is_ok()) failure_ = done;
        if (what.confirm) {
          later(checkpoint_event::CompletionConfirmed{what.id, raw->id, AttemptId{attempt}});
        }
      });
    }
  } else if (const auto* abort = std::get_if<act::Abort>(&action)) {
    for (const auto& node : nodes_) {
      post(node->mailbox(), [raw = node.get(), id = abort->id] {
        raw->task->checkpoint_aborted(id);
        raw->runnable = true;
      });
    }
  } else if (const auto* failed = std::get_if<act::FailJob>(&action)) {
    post("storage", [this, why = failed->status.message(), attempt = attempt_] {
      if (attempt == attempt_) fail(why);
    });
  } else if (std::get_if<act::JobDone>(&action) != nullptr) {
    done_ = true;
  }
}

}  // namespace sluice
