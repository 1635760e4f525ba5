#include "actors/job_metrics.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sluice {
namespace {

// Names under which operators register the numbers of the summary.
constexpr const char* kRecordsIn = "records_in";
constexpr const char* kRecordsOut = "records_out";
constexpr const char* kDeadLetter = "dead_letter";
constexpr const char* kLate = "late";
constexpr const char* kLatency = "latency.us";
constexpr std::string_view kAccumulatorPrefix = "accumulator.";

/// Nodes that can be reached from a source by main outputs alone.
std::vector<bool> job_metrics_main_nodes(const LogicalGraph& graph) {
  std::vector<bool> is_main(static_cast<size_t>(graph.size()));
  for (const auto& node : graph.nodes()) {
    bool main = node->kind == NodeKind::kSource;
    for (const auto& edge : node->inputs) {
      main = main || (edge.from_output == 0 && is_main[static_cast<size_t>(edge.from.value)]);
    }
    is_main[static_cast<size_t>(node->id.value)] = main;
  }
  return is_main;
}

void add(VertexProgress& sum, const VertexProgress& one) {
  sum.rows_in += one.rows_in;
  sum.rows_out += one.rows_out;
  sum.bytes_out += one.bytes_out;
  sum.busy_ns += one.busy_ns;
  sum.back_pressured_ns += one.back_pressured_ns;
  sum.idle_ns += one.idle_ns;
  sum.state_bytes += one.state_bytes;
  sum.state_bytes_max += one.state_bytes_max;
  sum.watermark = std::min(sum.watermark, one.watermark);
}

}  // namespace

JobMetrics::JobMetrics(std::shared_ptr<const JobPlan> plan)
    : plan_(std::move(plan)), is_main_sink_(job_metrics_main_nodes(*plan_->logical)) {
  for (const auto& node : plan_->logical->nodes()) {
    if (node->kind != NodeKind::kSink) is_main_sink_[static_cast<size_t>(node->id.value)] = false;
  }
  for (const auto& task : plan_->graph.tasks()) {
    TaskNumbers numbers;
    const auto& vertex = plan_->graph.chained().vertex(task.id.vertex);
    for (size_t i = 0; i < vertex.stages.size(); ++i) {
      numbers.groups.push_back(std::make_unique<MetricGroup>());
    }
    tasks_.push_back(std::move(numbers));
  }
}

std::vector<MetricGroup*> JobMetrics::groups_of(TaskId task) {
  std::vector<MetricGroup*> groups;
  for (auto& group : tasks_[plan_->graph.index_of(task)].groups) groups.push_back(group.get());
  return groups;
}

void JobMetrics::attach(TaskId task, const TaskProgress* progress, std::function<void()> wake,
                        std::shared_ptr<const ActorGauge> gauge) {
  const std::lock_guard lock(mutex_);
  TaskNumbers& numbers = tasks_[plan_->graph.index_of(task)];
  numbers.live = progress;
  numbers.wake = std::move(wake);
  numbers.gauge = std::move(gauge);
  numbers.was_live = true;
  numbers.finished = false;
}

void JobMetrics::detach(TaskId task, bool finished) {
  const std::lock_guard lock(mutex_);
  TaskNumbers& numbers = tasks_[plan_->graph.index_of(task)];
  numbers.last = numbers_of(numbers);
  numbers.live = nullptr;
  numbers.wake = nullptr;
  numbers.finished = finished;
}

void JobMetrics::keep_dead_letter(std::string_view place, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  if (dead_letters_.size() >= kDeadLettersKept) return;
  dead_letters_.push_back(std::string(place) + ": " + std::string(reason));
}

void JobMetrics::add_checkpoint(int64_t duration_ms) {
  const std::lock_guard lock(mutex_);
  ++checkpoints_;
  checkpoint_ms_sum_ += duration_ms;
}

std::vector<std::string> JobMetrics::dead_letters() const {
  const std::lock_guard lock(mutex_);
  return dead_letters_;
}

void JobMetrics::take_report(TaskId task, const FarTask& look,
                             const std::vector<std::map<std::string, int64_t>>& added) {
  const std::lock_guard lock(mutex_);
  TaskNumbers& numbers = tasks_[plan_->graph.index_of(task)];
  numbers.last = look.progress;
  numbers.finished = look.finished;
  numbers.far = look;
  numbers.reported = true;
  for (size_t stage = 0; stage < added.size() && stage < numbers.groups.size(); ++stage) {
    for (const auto& [name, value] : added[stage]) numbers.groups[stage]->counter(name).add(value);
  }
}

void JobMetrics::place(TaskId task, const std::string& node,
                       std::shared_ptr<TaskDetailsCell> details, std::function<void()> ask) {
  const std::lock_guard lock(mutex_);
  TaskNumbers& numbers = tasks_[plan_->graph.index_of(task)];
  numbers.far = {};
  numbers.far.node = node;
  numbers.far_details = std::move(details);
  numbers.wake = std::move(ask);
  numbers.reported = false;
  numbers.finished = false;
}

void JobMetrics::take_dead_letter(const std::string& letter) {
  const std::lock_guard lock(mutex_);
  if (dead_letters_.size() < kDeadLettersKept) dead_letters_.push_back(letter);
}

VertexProgress JobMetrics::numbers_of(const TaskNumbers& task) const {
  if (task.live == nullptr) return task.last;
  const TaskProgress& live = *task.live;
  VertexProgress numbers;
  numbers.rows_in = live.rows_in.load(std::memory_order_relaxed);
  numbers.rows_out = live.rows_out.load(std::memory_order_relaxed);
  numbers.bytes_out = live.bytes_out.load(std::memory_order_relaxed);
  numbers.busy_ns = live.busy_ns.load(std::memory_order_relaxed);
  numbers.back_pressured_ns = live.back_pressured_ns.load(std::memory_order_relaxed);
  numbers.idle_ns = live.idle_ns.load(std::memory_order_relaxed);
  numbers.state_bytes = live.state_bytes.load(std::memory_order_relaxed);
  numbers.state_bytes_max = live.state_bytes_max.load(std::memory_order_relaxed);
  numbers.watermark = EventTime{live.watermark_ms.load(std::memory_order_relaxed)};
  return numbers;
}

std::vector<TaskInspection> JobMetrics::inspect(const Clock& clock, bool details) const {
  std::vector<AskedDetails> asked(tasks_.size());
  std::vector<TaskInspection> looks;
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < tasks_.size(); ++i) {
      looks.push_back(inspect_task(i, clock.steady_ns(), clock.wall_ms()));
      if (details) asked[i] = ask(tasks_[i]);
    }
  }
  const int64_t deadline_ns =
      clock.steady_ns() + std::chrono::duration_cast<std::chrono::nanoseconds>(kAnswerWait).count();
  for (size_t i = 0; i < asked.size(); ++i) {
    if (!asked[i].cell) continue;
    const int64_t left_ns = std::max<int64_t>(0, deadline_ns - clock.steady_ns());
    looks[i].details = asked[i].cell->wait(asked[i].answers, Duration(left_ns / 1'000'000));
    inspect_channels(i, looks[i].details);
  }
  return looks;
}

TaskInspection JobMetrics::inspect(TaskId task, const Clock& clock) const {
  const std::lock_guard lock(mutex_);
  return inspect_task(plan_->graph.index_of(task), clock.steady_ns(), clock.wall_ms());
}

bool JobMetrics::has_finished(TaskId task) const {
  const std::lock_guard lock(mutex_);
  return tasks_[plan_->graph.index_of(task)].finished;
}

JobMetrics::AskedDetails JobMetrics::ask_for_details(TaskId task) const {
  const std::lock_guard lock(mutex_);
  return ask(tasks_[plan_->graph.index_of(task)]);
}

JobMetrics::AskedDetails JobMetrics::ask(const TaskNumbers& task) const {
  std::shared_ptr<TaskDetailsCell> cell;
  if (task.live != nullptr) cell = task.live->details;
  if (!task.far.node.empty() && !task.finished) cell = task.far_details;
  if (!cell) return {};
  const uint64_t answers = cell->ask();
  if (task.wake) task.wake();
  return {std::move(cell), answers};
}

TaskInspection JobMetrics::inspect_task(size_t index, int64_t steady_now_ns,
                                        int64_t wall_now_ms) const {
  const ExecutionTask& task = plan_->graph.tasks()[index];
  const TaskNumbers& numbers = tasks_[index];
  const VertexProgress progress = numbers_of(numbers);
  TaskInspection look;
  look.vertex = task.id.vertex.value;
  look.subtask = task.id.subtask;
  look.name = plan_->graph.display_name(task.id);
  look.rows_in = progress.rows_in;
  look.rows_out = progress.rows_out;
  look.bytes_out = progress.bytes_out;
  look.watermark = progress.watermark.ms;
  look.busy_ns = progress.busy_ns;
  look.back_pressured_ns = progress.back_pressured_ns;
  look.idle_ns = progress.idle_ns;
  look.node = numbers.far.node;
  if (!look.node.empty()) {
    look.state = numbers.finished ? "FINISHED" : numbers.reported ? "RUNNING" : "DEPLOYING";
    look.state_bytes = progress.state_bytes;
    look.mailbox = numbers.far.mailbox;
    look.queued = numbers.far.queued;
    look.activity = numbers.far.activity;
    look.activity_since = numbers.far.activity_since;
    return look;
  }
  if (numbers.live == nullptr) {
    look.state = numbers.finished ? "FINISHED" : numbers.was_live ? "ENDED" : "CREATED";
    return look;
  }
  const TaskTimes times = times_of(*numbers.live, steady_now_ns);
  look.state = times.activity == TaskActivity::kNone ? "OPEN" : "RUNNING";
  look.activity = times.activity;
  look.activity_since = wall_now_ms - (steady_now_ns - times.activity_since_ns) / 1'000'000;
  look.busy_ns = times.busy_ns;
  look.back_pressured_ns = times.back_pressured_ns;
  look.idle_ns = times.idle_ns;
  look.state_bytes = progress.state_bytes;
  look.queued = numbers.live->queued_batches.load(std::memory_order_relaxed);
  if (numbers.gauge) look.mailbox = numbers.gauge->mailbox.load(std::memory_order_relaxed);
  return look;
}

// The task knows its channels by number, the plan knows who is at the other end.
void JobMetrics::inspect_channels(size_t index, TaskDetails& details) const {
  const ExecutionTask& task = plan_->graph.tasks()[index];
  for (size_t i = 0; i < details.inputs.size() && i < task.inputs.size(); ++i) {
    details.inputs[i].from_vertex = task.inputs[i].source.task.vertex.value;
    details.inputs[i].from_subtask = task.inputs[i].source.task.subtask;
  }
  const std::vector<uint32_t> granted = initial_credits(*plan_, task.id);
  for (size_t i = 0; i < details.outputs.size() && i < task.outputs.size(); ++i) {
    OutputChannelLook& look = details.outputs[i];
    look.to_vertex = task.outputs[i].task.vertex.value;
    look.to_subtask = task.outputs[i].task.subtask;
    look.in_flight = std::max<int64_t>(0, static_cast<int64_t>(granted[i]) - look.credit);
  }
}

JobProgress JobMetrics::progress() const {
  const std::lock_guard lock(mutex_);
  JobProgress progress;
  for (const auto& vertex : plan_->graph.chained().vertices) {
    VertexProgress sum;
    sum.name = vertex.name;
    sum.parallelism = vertex.parallelism;
    sum.watermark = kMaxTime;
    for (int subtask = 0; subtask < vertex.parallelism; ++subtask) {
      const TaskNumbers& task = tasks_[plan_->graph.index_of({vertex.id, subtask})];
      add(sum, numbers_of(task));
      sum.finished += task.finished ? 1 : 0;
      if (!vertex.is_source) continue;
      task.groups.front()->for_each_counter([&](const std::string& name, int64_t value) {
        if (name == kRecordsIn) progress.records_in += value;
      });
    }
    progress.vertices.push_back(std::move(sum));
  }
  progress.records_out = sum_records_out();
  return progress;
}

int64_t JobMetrics::sum_records_out() const {
  int64_t sum = 0;
  for (const auto& task : plan_->graph.tasks()) {
    const auto& vertex = plan_->graph.chained().vertex(task.id.vertex);
    const TaskNumbers& numbers = tasks_[plan_->graph.index_of(task.id)];
    for (size_t stage = 0; stage < vertex.stages.size(); ++stage) {
      if (!is_main_sink_[static_cast<size_t>(vertex.stages[stage].node.value)]) continue;
      numbers.groups[stage]->for_each_counter([&](const std::string& name, int64_t value) {
        if (name == kRecordsOut) sum += value;
      });
    }
  }
  return sum;
}

void JobMetrics::summarize(JobResult& result) const {
  const std::lock_guard lock(mutex_);
  result.records_out = sum_records_out();
  result.checkpoints = checkpoints_;
  if (checkpoints_ > 0) {
    result.checkpoint_ms =
        static_cast<double>(checkpoint_ms_sum_) / static_cast<double>(checkpoints_);
  }
  Histogram latency;
  for (const auto& task : tasks_) {
    result.state_bytes += numbers_of(task).state_bytes_max;
    for (const auto& group : task.groups) {
      group->for_each_histogram([&](const std::string& name, const Histogram& histogram) {
        if (name == kLatency) latency.merge(histogram);
      });
      group->for_each_counter([&](const std::string& name, int64_t value) {
        if (name == kRecordsIn) result.records_in += value;
        if (name == kDeadLetter) result.dead_letter += value;
        if (name == kLate) result.late += value;
        if (name.starts_with(kAccumulatorPrefix)) {
          result.accumulators[name.substr(kAccumulatorPrefix.size())] += value;
        }
      });
    }
  }
  result.latency = {latency.count(), latency.quantile(0.5), latency.quantile(0.99),
                    latency.quantile(0.9999), latency.max()};
}

}  // namespace sluice
