// A job of two pipelines without a channel between them, of which one fails again and again:
//
//   steady:  numbers ═hash═ count per key ─ files
//   failing: numbers ═hash═ count per key, throws at planned numbers ─ files
//
// Both write "key:count" once for each count of each key. What happened is kept as empty files in
// DIR/steady-notes and DIR/failing-notes, which attempts in any process see:
// "opened-SUBTASK-ATTEMPT" for each task that was opened, "failed-NUMBER" for each planned failure,
// which happens once.
#pragma once

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "api/stream.h"
#include "connectors/files/file_sink.h"
#include "connectors/generator.h"
#include "core/file_system.h"

namespace sluice::two_pipelines {

constexpr int64_t kKeys = 7;

struct Plan {
  std::string directory;
  int64_t numbers = 6000;
  int64_t numbers_per_second = 6000;
  /// Multiples of 100 and of kKeys: numbers of one key fail in one task, so never two at a time.
  std::set<int64_t> steady_fails_at;
  std::set<int64_t> failing_fails_at;
  /// The first restart of the failing pipeline fails, too.
  bool fails_in_open = false;
};

/// False when it had been noted before.
inline bool note(const std::string& directory, const std::string& what) {
  FileSystem& files = local_file_system();
  if (!files.make_directories(directory).is_ok()) throw std::runtime_error("no " + directory);
  auto file = files.open_write(join_path(directory, what), WriteMode::kCreateNew);
  if (file.is_ok()) return true;
  if (file.status().code() == StatusCode::kAlreadyExists) return false;
  throw std::runtime_error(file.status().to_string());
}

class CountPerKey final : public KeyedProcessFunction<int64_t, int64_t, std::string> {
 public:
  CountPerKey(std::string notes, std::set<int64_t> fails_at, bool fails_in_open)
      : notes_(std::move(notes)), fails_at_(std::move(fails_at)), fails_in_open_(fails_in_open) {}

  void open(RuntimeContext& context) override {
    count_ = context.get_state(ValueStateDescriptor<int64_t>{"count"});
    note(notes_,
         "opened-" + std::to_string(context.subtask()) + "-" + std::to_string(context.attempt()));
    const bool is_restart = context.attempt() > 0;
    if (fails_in_open_ && is_restart && note(notes_, "failed-open")) {
      throw std::runtime_error("planned failure in open");
    }
  }
  void process_element(const int64_t& number, Context& context,
                       Collector<std::string>& out) override {
    const bool may_fail = number % 100 == 0 && fails_at_.count(number) > 0;
    if (may_fail && note(notes_, "failed-" + std::to_string(number))) {
      throw std::runtime_error("planned failure at " + std::to_string(number));
    }
    const int64_t count = count_.value_or(0) + 1;
    count_.update(count);
    out.collect(std::to_string(context.current_key()) + ":" + std::to_string(count));
  }

 private:
  std::string notes_;
  std::set<int64_t> fails_at_;
  bool fails_in_open_;
  ValueState<int64_t> count_;
};

inline void build(StreamEnvironment& env, const Plan& plan) {
  const auto add = [&](const std::string& name, const std::set<int64_t>& fails_at, bool in_open) {
    env.from_source(generate({.count = plan.numbers, .rows_per_second = plan.numbers_per_second},
                             [](int64_t n) { return n; }))
        .uid(name + "-numbers")
        .key_by([](int64_t n) { return n % kKeys; })
        .process(CountPerKey(join_path(plan.directory, name + "-notes"), fails_at, in_open))
        .uid(name + "-count")
        .sink_to(text_files(join_path(plan.directory, name)))
        .uid(name + "-files");
  };
  add("steady", plan.steady_fails_at, false);
  add("failing", plan.failing_fails_at, plan.fails_in_open);
}

inline std::vector<std::string> expected_rows(const Plan& plan) {
  std::vector<std::string> rows;
  for (int64_t n = 0; n < plan.numbers; ++n) {
    rows.push_back(std::to_string(n % kKeys) + ":" + std::to_string(n / kKeys + 1));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace sluice::two_pipelines
