// What the API builds: the shapes of logical graphs.
#include <doctest/doctest.h>

#include "api/stream.h"
#include "core/sink.h"

namespace sluice {
namespace {

struct Order {
  int64_t id = 0;
  Text customer;
};
SLUICE_RECORD(Order, id, customer);

/// A sink that is never run.
template <class T>
class NoSink final : public Sink<T> {
 public:
  std::string name() const override { return "no_sink"; }
  std::unique_ptr<SinkWriter<T>> create_writer() const override { return nullptr; }
};
/// Makes a NoSink for whatever comes.
struct AnyNoSink {
  template <class T>
  std::shared_ptr<const Sink<T>> make_sink() const {
    return std::make_shared<NoSink<T>>();
  }
};

const auto kSame = [](int64_t n) { return n; };
const auto kAll = [](int64_t) { return true; };

TEST_CASE("data_stream: map, filter and sink make one node each, joined by forward edges") {
  StreamEnvironment env;
  env.from_elements<int64_t>({1}).map(kSame).filter(kAll).sink_to(NoSink<int64_t>());
  LogicalGraph& graph = env.graph();
  REQUIRE(graph.size() == 4);
  CHECK(graph.node({0}).kind == NodeKind::kSource);
  CHECK(graph.node({0}).parallelism_max == 1);
  CHECK(graph.node({0}).bounded);
  CHECK(graph.node({1}).name == "map");
  CHECK(graph.node({2}).name == "filter");
  CHECK(graph.node({3}).kind == NodeKind::kSink);
  CHECK(graph.node({3}).committer_factory == nullptr);
  for (int id = 1; id < 4; ++id) {
    REQUIRE(graph.node({id}).inputs.size() == 1);
    CHECK(graph.node({id}).inputs[0].from == NodeId{id - 1});
    CHECK(graph.node({id}).inputs[0].partitioning == Partitioning::kForward);
    CHECK(graph.node({id}).inputs[0].type == &record_type<int64_t>());
  }
  CHECK(env.status().is_ok());
  CHECK(graph.validate().is_ok());
}

TEST_CASE("fused_stream: each stage offers to absorb the ones before it, the longest last") {
  StreamEnvironment env;
  env.from_elements<int64_t>({1}).map(kSame).filter(kAll).map(kSame);
  const auto& fused = env.graph().node({3}).fused;
  REQUIRE(fused.size() == 2);
  CHECK(fused[0].absorbed == NodeId{2});
  CHECK(fused[0].input.from == NodeId{1});
  CHECK(fused[1].absorbed == NodeId{1});
  CHECK(fused[1].input.from == NodeId{0});
  CHECK(env.graph().node({1}).fused.empty());
}

TEST_CASE("fused_stream: settings in between keep the alternatives") {
  StreamEnvironment env;
  env.from_elements<int64_t>({1}).map(kSame).name("first").uid("u1").map(kSame).name("second");
  CHECK(env.graph().node({1}).name == "first");
  CHECK(env.graph().node({1}).uid == "u1");
  CHECK(env.graph().node({2}).name == "second");
  CHECK(env.graph().node({2}).fused.size() == 1);
}

TEST_CASE("fused_stream: behind a union the first stage cannot be absorbed") {
  StreamEnvironment env;
  const auto a = env.from_elements<int64_t>({1});
  const auto b = env.from_elements<int64_t>({2});
  a.union_with(b).map(kSame).filter(kAll).filter(kAll);
  CHECK(env.graph().node({2}).inputs.size() == 2);
  CHECK(env.graph().node({3}).fused.empty());
  REQUIRE(env.graph().node({4}).fused.size() == 1);
  CHECK(env.graph().node({4}).fused[0].absorbed == NodeId{3});
}

TEST_CASE("fused_stream: a lazy flat_map starts a new loop behind an eager one") {
  StreamEnvironment env;
  const auto vector = [](int64_t n) { return std::vector<int64_t>{n, n}; };
  const auto lazy = [](const int64_t& n) -> Generator<int64_t> { co_yield n; };
  env.from_elements<int64_t>({1}).flat_map(vector).flat_map(lazy).flat_map(vector);
  CHECK(env.graph().node({2}).fused.empty());
  CHECK(env.graph().node({3}).fused.size() == 1);
}

TEST_CASE("data_stream: flat_map finds the type of its results") {
  StreamEnvironment env;
  const auto source = env.from_elements<int64_t>({1});
  const auto by_collector = source.flat_map(
      [](int64_t n, Collector<Text>& out) { out.collect(Text(std::to_string(n))); });
  const auto by_optional = source.flat_map([](int64_t n) { return std::optional<double>(n); });
  const auto generic = source.flat_map<int32_t>([](auto n, auto& out) { out.collect(int32_t(n)); });
  static_assert(std::is_base_of_v<DataStream<Text>, std::remove_const_t<decltype(by_collector)>>);
  static_assert(std::is_base_of_v<DataStream<double>, std::remove_const_t<decltype(by_optional)>>);
  static_assert(std::is_base_of_v<DataStream<int32_t>, std::remove_const_t<decltype(generic)>>);
  CHECK(env.graph().size() == 4);
}

TEST_CASE("data_stream: partitioning belongs to the edge that follows") {
  StreamEnvironment env;
  const auto source = env.from_elements<Order>({});
  const auto same = [](const Order& order) { return order; };
  const auto partitioning_of = [&](const auto& stream) {
    const auto mapped = stream.map(same);
    return env.graph().node(mapped.node()).inputs[0];
  };
  CHECK(partitioning_of(source.rebalance()).partitioning == Partitioning::kRebalance);
  CHECK(partitioning_of(source.rescale()).partitioning == Partitioning::kRescale);
  CHECK(partitioning_of(source.shuffle()).partitioning == Partitioning::kShuffle);
  CHECK(partitioning_of(source.broadcast()).partitioning == Partitioning::kBroadcast);
  CHECK(partitioning_of(source.global()).partitioning == Partitioning::kGlobal);
  CHECK(partitioning_of(source.rebalance().forward()).partitioning == Partitioning::kForward);
  CHECK(partitioning_of(source).partitioning == Partitioning::kForward);
  const LogicalEdge keyed = partitioning_of(source.key_by(&Order::customer));
  CHECK(keyed.partitioning == Partitioning::kHash);
  REQUIRE(keyed.selector != nullptr);
  CHECK(keyed.selector()->hashes_keys());
  const LogicalEdge custom = partitioning_of(source.partition_custom(
      [](int64_t id, int subtasks) { return static_cast<int>(id) % subtasks; }, &Order::id));
  CHECK(custom.partitioning == Partitioning::kCustom);
  auto batch = TypedBatch<Order>::make(4);
  for (int64_t id = 0; id < 4; ++id) batch->push(Order{id, {}});
  uint16_t targets[4] = {};
  custom.selector()->select(*batch, 0, 4, 3, 128, targets, nullptr);
  CHECK(targets[3] == 0);
  CHECK(targets[2] == 2);
}

TEST_CASE("node_settings: every setting reaches its node") {
  StreamEnvironment env;
  const auto source = env.from_elements<int64_t>({1}).uid("numbers");
  source.map(kSame).set_parallelism(3).set_max_parallelism(64).slot_sharing_group("heavy");
  source.map(kSame).disable_chaining();
  source.map(kSame).start_new_chain().sink_to(AnyNoSink()).name("end").uid("end-1");
  CHECK(env.graph().node({0}).uid == "numbers");
  CHECK(env.graph().node({1}).parallelism == 3);
  CHECK(env.graph().node({1}).max_parallelism == 64);
  CHECK(env.graph().node({1}).slot_sharing_group == "heavy");
  CHECK_FALSE(env.graph().node({2}).chain_with_inputs);
  CHECK_FALSE(env.graph().node({2}).chain_with_outputs);
  CHECK_FALSE(env.graph().node({3}).chain_with_inputs);
  CHECK(env.graph().node({3}).chain_with_outputs);
  CHECK(env.graph().node({4}).name == "end");
  CHECK(env.graph().node({4}).uid == "end-1");
}

TEST_CASE("node_settings: mistakes are kept for whoever runs the job") {
  StreamEnvironment env;
  env.set_parallelism(0);
  CHECK(env.status().message() == "parallelism must lie between 1 and 32768, not 0");
  StreamEnvironment other;
  const auto source = other.from_elements<int64_t>({1});
  source.union_with(source).uid("u");
  CHECK(other.status().code() == StatusCode::kInvalidArgument);
  StreamEnvironment third;
  third.set_option("no.such.option", "1");
  CHECK_FALSE(third.status().is_ok());
  StreamEnvironment fourth;
  fourth.from_elements<int64_t>({1}).union_with(source);
  CHECK(fourth.status().message() == "streams of different environments cannot be united");
}

TEST_CASE("environment: settings become options of the table") {
  StreamEnvironment env;
  env.set_parallelism(3).set_max_parallelism(256).set_runtime_mode(RuntimeMode::kBatch);
  env.set_buffer_timeout(25ms).disable_operator_chaining();
  CHECK(env.status().is_ok());
  CHECK(env.options().get(options::kParallelism) == 3);
  CHECK(env.options().get(options::kMaxParallelism) == 256);
  CHECK(env.options().get(options::kRuntimeMode) == "batch");
  CHECK(env.options().get(options::kBufferTimeout) == 25ms);
  CHECK_FALSE(env.options().get(options::kOperatorChaining));
}

}  // namespace
}  // namespace sluice
