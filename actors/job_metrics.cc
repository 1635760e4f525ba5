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

void JobMetrics::attach(TaskId task, const TaskProgress* progress) {
  const std::lock_guard lock(mutex_);
  tasks_[plan_->graph.index_of(task)].live = progress;
}

void JobMetrics::detach(TaskId task, bool finished) {
  const std::lock_guard lock(mutex_);
  TaskNumbers& numbers = tasks_[plan_->graph.index_of(task)];
  numbers.last = numbers_of(numbers);
  numbers.live = nullptr;
  numbers.finished = finished;
}

void JobMetrics::keep_dead_letter(std::string_view place, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  if (dead_letters_.size() >= kDeadLettersKept) return;
  dead_letters_.push_back(std::string(place) + ": " + std::string(reason));
}

std::vector<std::string> JobMetrics::dead_letters() const {
  const std::lock_guard lock(mutex_);
  return dead_letters_;
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
  numbers.watermark = EventTime{live.watermark_ms.load(std::memory_order_relaxed)};
  return numbers;
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
  for (const auto& task : tasks_) {
    for (const auto& group : task.groups) {
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
}

}  // namespace sluice
