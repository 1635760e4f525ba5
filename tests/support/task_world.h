// Several tasks connected in one thread, without actors: elements and credits wait in queues and
// are delivered in an order drawn from a seed. Counts what is in flight, so tests can assert
// bounds.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/random.h"
#include "operators/task.h"
#include "tests/support/operator_harness.h"

namespace sluice {

class TaskWorld {
 public:
  explicit TaskWorld(uint64_t seed = 1) : random_(seed) {}

  ManualClock& clock() { return clock_; }

  /// Adds a task; its index is the return value. `services` gets clock, metrics and wake.
  int add(TaskSpec spec, TaskServices services = {}) {
    const int index = static_cast<int>(nodes_.size());
    auto node = std::make_unique<Node>();
    node->world = this;
    node->index = index;
    for (size_t i = 0; i < spec.stages.size(); ++i) {
      node->metrics.push_back(std::make_unique<MetricGroup>());
      services.metrics.push_back(node->metrics.back().get());
    }
    services.clock = &clock_;
    services.io = &io_;
    Node* raw = node.get();
    services.wake = [raw] { raw->runnable = true; };
    node->task = std::make_unique<Task>(std::move(spec), std::move(services), *raw);
    nodes_.push_back(std::move(node));
    return index;
  }
  /// Output channel `out` of `from` is input channel `in` of `to`.
  void connect(int from, int out, int to, int in, uint32_t credit) {
    node(from).outputs[out] = {to, in};
    node(to).inputs[in] = {from, out};
    node(from).task->add_credit(out, credit, BatchPtr());
  }
  Task& task(int index) { return *node(index).task; }
  MetricGroup& metrics(int index, int stage) {
    return *node(index).metrics[static_cast<size_t>(stage)];
  }

  /// One seeded step: deliver a mail or run a task. False when nothing can happen.
  bool step() {
    std::vector<int> ready;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i]->mail.empty() || nodes_[i]->runnable) ready.push_back(static_cast<int>(i));
    }
    if (ready.empty()) return false;
    Node& chosen = node(ready[random_.below(ready.size())]);
    const bool deliver = !chosen.mail.empty() && (!chosen.runnable || random_.one_in(2));
    if (deliver) {
      auto mail = std::move(chosen.mail.front());
      chosen.mail.pop_front();
      mail();
      chosen.runnable = true;
      return true;
    }
    const RunState state = chosen.task->run(chosen.budget_ns);
    chosen.state = state;
    chosen.runnable = state == RunState::kMore;
    return true;
  }
  /// Steps until nothing moves; true when every task has finished.
  bool run(int64_t steps_max = 10'000'000) {
    for (int64_t i = 0; i < steps_max && step(); ++i) {
    }
    for (const auto& node : nodes_) {
      if (node->state != RunState::kFinished) return false;
    }
    return true;
  }
  RunState state(int index) { return node(index).state; }
  void make_runnable(int index) { node(index).runnable = true; }
  /// Split requests are answered by this; default: no more splits.
  std::function<void(int task)> on_request_split;
  /// Most data elements that were in the mail of one task at a time.
  size_t mail_max() const { return mail_max_; }
  std::vector<std::pair<int, Committable>>& committables() { return committables_; }
  std::vector<std::pair<int, Barrier>>& snapshots() { return snapshots_; }

 private:
  struct Node final : TaskLink {
    TaskWorld* world = nullptr;
    int index = 0;
    std::unique_ptr<Task> task;
    std::vector<std::unique_ptr<MetricGroup>> metrics;
    std::map<int, std::pair<int, int>> outputs;
    std::map<int, std::pair<int, int>> inputs;
    std::deque<std::function<void()>> mail;
    bool runnable = true;
    RunState state = RunState::kMore;
    int64_t budget_ns = 0;

    void send(int channel, StreamElement element) override {
      const auto [to, in] = outputs.at(channel);
      Node& target = world->node(to);
      auto shared = std::make_shared<StreamElement>(std::move(element));
      target.mail.push_back(
          [&target, in = in, shared] { target.task->receive(in, std::move(*shared)); });
      world->mail_max_ = std::max(world->mail_max_, target.mail.size());
    }
    void grant(int channel, uint32_t credits, BatchPtr recycled) override {
      const auto [from, out] = inputs.at(channel);
      Node& target = world->node(from);
      target.mail.push_back([&target, out = out, credits, recycled]() mutable {
        target.task->add_credit(out, credits, std::move(recycled));
      });
    }
    void request_split() override {
      mail.push_back([this] {
        if (world->on_request_split) {
          world->on_request_split(index);
        } else {
          task->add_splits({}, true);
        }
      });
    }
    void snapshot_taken(const Barrier& barrier, std::vector<OperatorSnapshot> /*states*/,
                        int64_t /*alignment_ms*/) override {
      world->snapshots_.push_back({index, barrier});
    }
    void committables(NodeId /*node*/, std::vector<Committable> all) override {
      for (auto& one : all) world->committables_.push_back({index, std::move(one)});
    }
    void snapshot_declined(CheckpointId /*checkpoint*/, const Status& /*reason*/) override {}
  };
  Node& node(int index) { return *nodes_[static_cast<size_t>(index)]; }

  Random random_;
  ManualClock clock_;
  InlineIoRunner io_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::pair<int, Committable>> committables_;
  std::vector<std::pair<int, Barrier>> snapshots_;
  size_t mail_max_ = 0;
};

}  // namespace sluice
