// Watches one task from inside for inspection: when watermarks last rose and records last came,
// and the answer to whoever asks for details.
//
// Used by the task's own thread, at the start of a turn: a few times per second, and when somebody
// asks. What is noticed in a look has happened in an earlier turn, so times are late by at most
// kInterval of work and never by the time the task stood still.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/clock.h"
#include "core/inspection.h"
#include "operators/input_gate.h"
#include "operators/output_edge.h"
#include "operators/source_operator.h"
#include "operators/task_details_cell.h"

namespace sluice {

class TaskWatch {
 public:
  static constexpr int64_t kIntervalNs = 250'000'000;

  /// All outlive the watch.
  TaskWatch(const InputGate& gate, const std::vector<std::unique_ptr<OutputEdge>>& edges,
            const Clock& clock, TaskDetailsCell& cell)
      : gate_(gate), edges_(edges), clock_(clock), cell_(cell) {}
  ~TaskWatch() { cell_.close(); }
  TaskWatch(const TaskWatch&) = delete;
  TaskWatch& operator=(const TaskWatch&) = delete;

  /// `source`: of a source task, else null.
  void open(const SourceOperatorBase* source) { source_ = source; }

  bool is_due(int64_t now_ns) const { return now_ns >= next_look_ns_ || cell_.is_wanted(); }
  /// `worked_until_ns`: end of the turn before this one.
  void look(int64_t now_ns, int64_t worked_until_ns);

 private:
  struct SplitTimes {
    int64_t watermark = kMinTime.ms;
    int64_t since = 0;
    int64_t records = 0;
    int64_t last_record = 0;
    bool seen = false;
  };
  void look_at_channels(int64_t changed_ms);
  void look_at_splits(int64_t changed_ms);
  void look_at_outputs();

  const InputGate& gate_;
  const std::vector<std::unique_ptr<OutputEdge>>& edges_;
  const Clock& clock_;
  TaskDetailsCell& cell_;
  const SourceOperatorBase* source_ = nullptr;
  int64_t next_look_ns_ = 0;
  TaskDetails details_;  // Of the last look.
  std::unordered_map<std::string, SplitTimes> splits_;
};

}  // namespace sluice
