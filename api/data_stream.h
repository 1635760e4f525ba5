// DataStream<T>: the records of type T that leave an operator.
//
// A cheap handle into the job's plan; every call adds an operator (or an edge) and gives the stream
// that comes out of it. Functions are copied into every parallel instance, so they hold no
// references to what the builder owns. A function with `open(RuntimeContext&)` or `close()` members
// has them called before its first and after its last record.
//
// Texts: a Text field of a record is valid during the call of the function that receives it and in
// the records it returns; what is kept for longer is copied with `.str()`.
#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "api/function_concepts.h"
#include "api/job_draft.h"
#include "api/node_settings.h"
#include "api/print_sink.h"
#include "operators/async_options.h"
#include "operators/output_tag.h"
#include "operators/partitioner.h"
#include "operators/sink_operator.h"
#include "operators/timestamp_operator.h"
#include "operators/watermark_strategy.h"

namespace sluice {

template <class... Stages>
class FusedStream;
template <class K, class T, class KeyFn>
class KeyedStream;
template <class B>
class BroadcastStream;
template <class K, class V>
struct MapStateDescriptor;

/// A sink in the job: the end of a stream, to be named and tuned.
class DataStreamSink : public NodeSettings<DataStreamSink> {
 public:
  DataStreamSink(std::shared_ptr<JobDraft> plan, NodeId node)
      : plan_(std::move(plan)), node_(node) {}
  JobDraft& plan() const { return *plan_; }
  NodeId node() const { return node_; }

 private:
  std::shared_ptr<JobDraft> plan_;
  NodeId node_;
};

template <class T>
class DataStream : public NodeSettings<DataStream<T>> {
  SLUICE_REQUIRE_RECORD(T);

 public:
  using Record = T;

  /// The main output of `node`.
  DataStream(std::shared_ptr<JobDraft> plan, NodeId node) : DataStream(std::move(plan), node, 0) {}
  /// Output `output` of `node`.
  DataStream(std::shared_ptr<JobDraft> plan, NodeId node, int output)
      : plan_(std::move(plan)), node_(node) {
    LogicalEdge edge;
    edge.from = node;
    edge.from_output = output;
    edge.type = &record_type<T>();
    edges_.push_back(std::move(edge));
  }
  /// No operator's output but edges: a union, another partitioning.
  DataStream(std::shared_ptr<JobDraft> plan, StreamEdges edges)
      : plan_(std::move(plan)), edges_(std::move(edges)) {}

  // -- one record at a time --

  /// One record for each: `stream.map([](const Flight& f) { return f.delay_min; })`.
  template <class F>
  auto map(F function) const;
  /// Keeps the records for which `predicate` holds.
  template <class F>
  auto filter(F predicate) const;
  /// Any number of records for each, in one of three forms:
  ///
  ///   stream.flat_map([](const Line& line, Collector<Word>& out) { out.collect(...); });
  ///   stream.flat_map([](const Line& line) { return std::vector<Word>{...}; });   // or optional
  ///   stream.flat_map([](const Line& line) -> Generator<Word> { co_yield Word{...}; });
  ///
  /// The third makes results only when there is room for them: use it when one record can have very
  /// many. A generic lambda names the type of its results: `flat_map<Word>(f)`.
  template <class U = DeducedType, class F>
  auto flat_map(F function) const;
  /// A ProcessFunction: sees each record's time and the watermark, writes side outputs.
  template <class F>
  auto process(F function) const;

  /// A function whose results come later (api/async.h): lookups in services and databases.
  template <class U = DeducedType, class F>
  auto async_map(F function, AsyncOptions options = {}) const;
  /// New times and watermarks from here on; the ones before are dropped. The records of a subtask
  /// count as one split, so the order in which they arrive from several senders shows.
  DataStream assign_timestamps_and_watermarks(WatermarkStrategy<T> strategy) const;

  // -- many streams --

  /// The records of this and the other streams, in no particular order between them.
  template <class... Others>
  DataStream union_with(const Others&... others) const;

  /// This and another stream, of any type, for functions that see both.
  template <class B>
  auto connect(const DataStream<B>& other) const;
  /// This stream and a broadcast one, for a BroadcastProcessFunction.
  template <class B>
  auto connect(const BroadcastStream<B>& broadcast) const;
  /// Pairs of records with equal keys in the same window (api/joined_streams.h):
  /// `.join(other).where(key).equal_to(key).window(assigner).apply(f)`.
  template <class R>
  auto join(const DataStream<R>& other) const;
  /// All records of both streams with the same key in the same window, handed over together.
  template <class R>
  auto co_group(const DataStream<R>& other) const;
  /// Every record to every subtask, with the states that a broadcast process function keeps of it:
  ///
  ///   const MapStateDescriptor<Text, Rule> kRules{"rules"};
  ///   flights.key_by(...).connect(rules.broadcast(kRules)).process(ApplyRules{})
  template <class K, class V, class... More>
  BroadcastStream<T> broadcast(const MapStateDescriptor<K, V>& state, const More&... more) const;
  /// The records that the operator before sent to `tag` (from a process or window function).
  template <class U>
  DataStream<U> get_side_output(const OutputTag<U>& tag) const;
  /// The same.
  template <class U>
  DataStream<U> side_output(const OutputTag<U>& tag) const {
    return get_side_output(tag);
  }
  /// Of a source: what it could not read. Without a reader of this stream the engine keeps such
  /// records itself.
  DataStream<DeadLetter> dead_letters() const;

  // -- windows --

  /// Windows over all records together, in one subtask; functions get the key 0.
  template <class Assigner>
  auto window_all(Assigner assigner) const;

  // -- partitioning --

  /// Groups by key: all records of a key go to the same subtask.
  ///
  ///   stream.key_by(&Flight::origin)
  ///   stream.key_by([](const Bid& b) { return std::pair(b.auction, b.bidder); })
  template <class KeyFn>
  auto key_by(KeyFn key) const;
  /// Round-robin over all subtasks of the next operator: record by record while they are few, whole
  /// batches at a time when they come fast.
  DataStream rebalance() const { return repartition(Partitioning::kRebalance); }
  /// Round-robin over the few subtasks next to this one.
  DataStream rescale() const { return repartition(Partitioning::kRescale); }
  /// To a subtask chosen at random.
  DataStream shuffle() const { return repartition(Partitioning::kShuffle); }
  /// Every record to every subtask.
  DataStream broadcast() const { return repartition(Partitioning::kBroadcast); }
  /// Every record to subtask 0.
  DataStream global() const { return repartition(Partitioning::kGlobal); }
  /// To the subtask with the same number; both sides have the same parallelism.
  DataStream forward() const { return repartition(Partitioning::kForward); }
  /// `partition(key, subtasks)` gives the subtask, 0 .. subtasks - 1.
  template <class PartitionFn, class KeyFn>
  DataStream partition_custom(PartitionFn partition, KeyFn key) const;

  // -- the end --

  /// Writes every record to `sink`: a Sink<T> by value or shared_ptr, or a description such as
  /// csv_files(directory) that makes the sink for this stream's record type.
  template <class S>
  DataStreamSink sink_to(S sink) const;
  /// Prints every record to standard output, with `prefix` and, when there are several subtasks,
  /// the number of the subtask in front. For looking, not for keeping.
  DataStreamSink print(std::string prefix = "") const {
    return sink_to(PrintSink<T>(std::move(prefix)));
  }
  /// Runs the job and returns this stream's records, in no particular order between subtasks. Needs
  /// "api/execute.h". For tests and small results: everything is held in memory.
  Result<std::vector<T>> execute_and_collect(std::string job_name = "collect") const;

  // -- for the API's own parts --

  JobDraft& plan() const { return *plan_; }
  const std::shared_ptr<JobDraft>& shared_plan() const { return plan_; }
  /// The operator whose output this is; -1 for a union or another partitioning.
  NodeId node() const { return node_; }
  const StreamEdges& edges() const { return edges_; }
  /// Adds an operator that reads this stream.
  template <class U>
  DataStream<U> transform(std::string name, OperatorFactory factory) const {
    return DataStream<U>(plan_, plan_->add_operator(std::move(name), edges_, std::move(factory)));
  }

 protected:
  DataStream repartition(Partitioning partitioning, const RowSelectorFactory& selector = {}) const {
    StreamEdges edges = edges_;
    for (auto& edge : edges) {
      edge.partitioning = partitioning;
      edge.selector = selector;
    }
    return DataStream(plan_, std::move(edges));
  }

  std::shared_ptr<JobDraft> plan_;
  NodeId node_;
  StreamEdges edges_;
};

// ---- implementation -----------------------------------------------------------------------------

namespace detail {

/// The stream of one side output of `node`.
template <class U>
DataStream<U> side_stream(const std::shared_ptr<JobDraft>& plan, NodeId node, int tag_id,
                          const std::string& name) {
  const auto make = []() -> std::unique_ptr<OutputBase> { return std::make_unique<Output<U>>(); };
  LogicalEdge edge;
  edge.from = node;
  edge.from_output = plan->graph().side_output_index(node, {tag_id, name, make});
  edge.type = &record_type<U>();
  return DataStream<U>(plan, {std::move(edge)});
}

}  // namespace detail

template <class T>
DataStream<T> DataStream<T>::assign_timestamps_and_watermarks(WatermarkStrategy<T> strategy) const {
  if (strategy.idle_timeout() || !strategy.alignment_group().empty()) {
    plan_->fail(Status::invalid_argument(
        "idleness and alignment belong to sources: give them to from_source(), not to "
        "assign_timestamps_and_watermarks()"));
  }
  return transform<T>("timestamps", make_timestamp_operator<T>(std::move(strategy)));
}

template <class T>
template <class U>
DataStream<U> DataStream<T>::get_side_output(const OutputTag<U>& tag) const {
  if (node_.value < 0) {
    plan_->fail(Status::invalid_argument("side output '" + tag.name() +
                                         "' was asked of a union of streams or another "
                                         "partitioning, which is no operator"));
    return DataStream<U>(plan_, StreamEdges());
  }
  return detail::side_stream<U>(plan_, node_, tag.id(), tag.name());
}

template <class T>
DataStream<DeadLetter> DataStream<T>::dead_letters() const {
  if (node_.value < 0 || plan_->graph().node(node_).kind != NodeKind::kSource) {
    plan_->fail(Status::invalid_argument("dead letters come from sources only"));
    return DataStream<DeadLetter>(plan_, StreamEdges());
  }
  return detail::side_stream<DeadLetter>(plan_, node_, kDeadLetterTagId, "dead-letter");
}

template <class T>
template <class... Others>
DataStream<T> DataStream<T>::union_with(const Others&... others) const {
  static_assert((true && ... && std::is_base_of_v<DataStream, Others>),
                "Sluice: only streams of one record type can be united; connect() takes others.");
  StreamEdges edges = edges_;
  const auto append = [&](const DataStream& other) {
    if (other.plan_ != plan_) {
      plan_->fail(Status::invalid_argument("streams of different environments cannot be united"));
    }
    edges.insert(edges.end(), other.edges_.begin(), other.edges_.end());
  };
  (append(others), ...);
  return DataStream(plan_, std::move(edges));
}

template <class T>
template <class PartitionFn, class KeyFn>
DataStream<T> DataStream<T>::partition_custom(PartitionFn partition, KeyFn key) const {
  static_assert(std::is_invocable_v<const KeyFn&, const T&>,
                "Sluice: the key selector cannot be called with this stream's record type.");
  static_assert(std::is_invocable_r_v<int, PartitionFn&, KeyOf<KeyFn, T>, int>,
                "Sluice: a custom partitioner is called as partition(key, number of subtasks) and "
                "gives the number of a subtask.");
  return repartition(Partitioning::kCustom,
                     make_custom_partitioner<T>(std::move(partition), std::move(key)));
}

template <class T>
template <class S>
DataStreamSink DataStream<T>::sink_to(S sink) const {
  std::shared_ptr<const Sink<T>> shared;
  if constexpr (std::is_convertible_v<S, std::shared_ptr<const Sink<T>>>) {
    shared = std::move(sink);
  } else if constexpr (SinkOf<S, T>) {
    shared = std::make_shared<S>(std::move(sink));
  } else if constexpr (SinkMakerOf<S, T>) {
    shared = sink.template make_sink<T>();
  } else {
    static_assert(!AnySink<S>,
                  "Sluice: sink type mismatch: this sink takes another record type than the stream "
                  "carries. Map the stream to the sink's record type first.");
    static_assert(AnySink<S>,
                  "Sluice: sink_to() takes a Sink<T>, a shared_ptr to one, or a description with "
                  "make_sink<T>(); for a description, T must be a type its format can write.");
  }
  LogicalNode node;
  node.kind = NodeKind::kSink;
  node.name = shared->name();
  node.inputs = edges_;
  node.factory = make_sink_operator<T>(shared);
  if (shared->create_committer() != nullptr) {
    node.committer_factory = [shared] { return shared->create_committer(); };
  }
  node.may_block = shared->may_block();
  node.validate = [shared](bool fresh_start) { return shared->validate(fresh_start); };
  return DataStreamSink(plan_, plan_->graph().add_node(std::move(node)).id);
}

}  // namespace sluice
