// StreamEnvironment: where a job begins. Its sources are the roots of the job's graph.
//
//   StreamEnvironment env;
//   env.set_parallelism(2);
//   env.from_elements<int64_t>({1, 2, 3}).map([](int64_t n) { return n * n; }).print();
//   auto result = env.execute("squares");
//
// A SLUICE_JOB gets its environment from the entry point and only builds; the entry point runs the
// job. In a program of one's own or in a test execute() runs it in this process: include
// "api/execute.h", which brings the engine in, and link //api:execute.
//
// A handle: copies mean the same job. One thread.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/collection_source.h"
#include "api/data_stream.h"
#include "api/job_draft.h"
#include "operators/source_operator.h"
#include "operators/watermark_strategy.h"

namespace sluice {

struct JobResult;  // actors/cluster_client.h

enum class RuntimeMode {
  kStreaming,
  /// For bounded inputs only; results are those of streaming at its end.
  kBatch,
};

class StreamEnvironment {
 public:
  StreamEnvironment() : plan_(std::make_shared<JobDraft>()) {}

  // -- settings --

  /// Parallel instances of every operator that does not say otherwise; without it one per core.
  StreamEnvironment& set_parallelism(int parallelism);
  /// Key groups of keyed operators (1..32768), the bound of all future parallelism.
  StreamEnvironment& set_max_parallelism(int max_parallelism);
  StreamEnvironment& set_runtime_mode(RuntimeMode mode);
  /// Longest time a record waits in a batch that is not full.
  StreamEnvironment& set_buffer_timeout(Duration timeout);
  /// Every operator in a task of its own, for debugging.
  StreamEnvironment& disable_operator_chaining();
  /// Any option of the table in docs/options.md by its key.
  StreamEnvironment& set_option(std::string_view key, std::string_view value);
  Options& options() { return plan_->options(); }

  // -- sources --

  /// Reads `source` (a Source<T> by value or shared_ptr). The strategy says how records get their
  /// times and the stream its watermarks.
  template <AnySource S>
  DataStream<SourceRecord<S>> from_source(
      S source,
      WatermarkStrategy<SourceRecord<S>> strategy = WatermarkStrategy<SourceRecord<S>>::none(),
      std::string name = "");
  /// The elements of a vector, in order (one subtask). Texts are copied.
  template <class T>
  DataStream<T> from_collection(std::vector<T> elements,
                                WatermarkStrategy<T> strategy = WatermarkStrategy<T>::none());
  /// `env.from_elements<int64_t>({1, 2, 3})`.
  template <class T>
  DataStream<T> from_elements(std::initializer_list<T> elements,
                              WatermarkStrategy<T> strategy = WatermarkStrategy<T>::none()) {
    return from_collection<T>(std::vector<T>(elements), std::move(strategy));
  }
  /// The numbers first..last, both included, read by all subtasks.
  DataStream<int64_t> from_sequence(int64_t first, int64_t last);
  /// make(0) .. make(count - 1), computed by all subtasks: a pure function of the number.
  template <class F>
  DataStream<MapResult<F, int64_t>> generator(int64_t count, F make,
                                              WatermarkStrategy<MapResult<F, int64_t>> strategy =
                                                  WatermarkStrategy<MapResult<F, int64_t>>::none());

  // -- running --

  /// Runs the job in this process to its end. A mistake in the job itself is the Status; what
  /// became of the run, failures included, is in the JobResult. Needs "api/execute.h".
  Result<JobResult> execute(std::string name = "job");
  /// The first mistake made while building.
  const Status& status() const { return plan_->status(); }
  /// Keeps a mistake found outside, unless there is one.
  void fail(Status status) { plan_->fail(std::move(status)); }
  LogicalGraph& graph() { return plan_->graph(); }
  const std::shared_ptr<JobDraft>& plan() const { return plan_; }

 private:
  std::shared_ptr<JobDraft> plan_;
};

// ---- implementation -----------------------------------------------------------------------------

template <AnySource S>
DataStream<SourceRecord<S>> StreamEnvironment::from_source(
    S source, WatermarkStrategy<SourceRecord<S>> strategy, std::string name) {
  using T = SourceRecord<S>;
  SLUICE_REQUIRE_RECORD(T);
  std::shared_ptr<const Source<T>> shared;
  if constexpr (std::is_convertible_v<S, std::shared_ptr<const Source<T>>>) {
    shared = std::move(source);
  } else {
    shared = std::make_shared<S>(std::move(source));
  }
  LogicalNode node;
  node.kind = NodeKind::kSource;
  node.name = name.empty() ? shared->name() : std::move(name);
  node.input_count = 0;
  node.bounded = shared->is_bounded();
  node.parallelism_max = shared->parallelism_max();
  node.alignment_group = strategy.alignment_group();
  node.alignment_drift_max = strategy.alignment_drift_max();
  node.factory = make_source_operator<T>(shared, std::move(strategy));
  node.enumerator_factory = [shared] { return shared->create_enumerator(); };
  const NodeId id = plan_->graph().add_node(std::move(node)).id;
  return DataStream<T>(plan_, id);
}

template <class T>
DataStream<T> StreamEnvironment::from_collection(std::vector<T> elements,
                                                 WatermarkStrategy<T> strategy) {
  return from_source(CollectionSource<T>(std::move(elements)), std::move(strategy));
}

template <class F>
DataStream<MapResult<F, int64_t>> StreamEnvironment::generator(
    int64_t count, F make, WatermarkStrategy<MapResult<F, int64_t>> strategy) {
  using T = MapResult<F, int64_t>;
  return from_source(SequenceSource<T, F>(0, count - 1, std::move(make), "generator"),
                     std::move(strategy));
}

}  // namespace sluice
