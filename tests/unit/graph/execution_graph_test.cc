#include "graph/execution_graph.h"

#include <set>

#include <doctest/doctest.h>

#include "graph/place_tasks.h"
#include "graph/regions.h"
#include "tests/unit/graph/graph_fixture.h"

namespace sluice {
namespace {

using F = GraphFixture;

ExecutionGraph plan(F& fixture, int parallelism) {
  ChainingOptions options;
  options.default_parallelism = parallelism;
  auto chained = chain_operators(fixture.graph(), options);
  REQUIRE_MESSAGE(chained.is_ok(), chained.status().to_string());
  return ExecutionGraph(std::move(chained).value());
}

/// source (from subtasks) -> sink (to subtasks) over one edge.
ExecutionGraph edge_plan(Partitioning partitioning, int from, int to) {
  F f;
  auto& s = f.source("s", from);
  auto& out = f.sink("out", {F::from(s, partitioning)});
  out.parallelism = to;
  out.chain_with_inputs = false;
  return plan(f, 1);
}

/// Both ends of every channel name each other, and no number is used twice.
void check_consistent(const ExecutionGraph& graph) {
  size_t outputs = 0;
  size_t inputs = 0;
  for (const auto& task : graph.tasks()) {
    outputs += task.outputs.size();
    inputs += task.inputs.size();
    int next = 0;
    for (const auto& edge : task.edges) {
      CHECK(edge.first_channel == next);
      next += edge.channels;
    }
    CHECK(next == static_cast<int>(task.outputs.size()));
    for (size_t c = 0; c < task.outputs.size(); ++c) {
      const ChannelEnd& end = task.outputs[c];
      const auto& receiver = graph.task(end.task);
      REQUIRE(end.channel >= 0);
      REQUIRE(end.channel < static_cast<int>(receiver.inputs.size()));
      CHECK(receiver.inputs[static_cast<size_t>(end.channel)].source ==
            ChannelEnd{task.id, static_cast<int>(c)});
    }
  }
  CHECK(outputs == inputs);
}

TEST_CASE("execution graph: channels of all-to-all, forward and rescale edges") {
  struct Row {
    Partitioning partitioning;
    int from, to, channels;
  };
  for (const Row row : {Row{Partitioning::kHash, 2, 3, 6}, Row{Partitioning::kBroadcast, 3, 2, 6},
                        Row{Partitioning::kGlobal, 3, 4, 12}, Row{Partitioning::kForward, 3, 3, 3},
                        Row{Partitioning::kRescale, 2, 4, 4}, Row{Partitioning::kRescale, 4, 2, 4},
                        Row{Partitioning::kRescale, 2, 3, 3}, Row{Partitioning::kRescale, 3, 2, 3},
                        Row{Partitioning::kRescale, 1, 5, 5}}) {
    CAPTURE(row.from);
    CAPTURE(row.to);
    const auto graph = edge_plan(row.partitioning, row.from, row.to);
    check_consistent(graph);
    size_t channels = 0;
    for (const auto& task : graph.tasks()) channels += task.outputs.size();
    CHECK(channels == static_cast<size_t>(row.channels));
  }
}

TEST_CASE("execution graph: rescale leaves no subtask alone and deals them out evenly") {
  for (int from = 1; from <= 9; ++from) {
    for (int to = 1; to <= 9; ++to) {
      std::vector<int> senders(static_cast<size_t>(to), 0);
      for (int i = 0; i < from; ++i) {
        const auto range = targets_of(Partitioning::kRescale, i, from, to);
        CHECK(range.first <= range.last);
        for (int t = range.first; t <= range.last; ++t) ++senders[static_cast<size_t>(t)];
      }
      for (const int count : senders) {
        CHECK(count >= 1);
        CHECK(count <= (from + to - 1) / to);
      }
    }
  }
}

TEST_CASE("execution graph: input channels are numbered input by input") {
  F f;
  auto& a = f.source("a");
  auto& b = f.source("b");
  auto& join =
      f.add("join", {F::from(a, Partitioning::kHash, 0, 1), F::from(b, Partitioning::kHash, 0, 0)});
  f.sink("out", {F::from(join)});
  const auto graph = plan(f, 2);
  check_consistent(graph);
  const auto& task = graph.task({VertexId{2}, 1});
  REQUIRE(task.inputs.size() == 4);
  CHECK(task.inputs[0].input == 0);
  CHECK(task.inputs[0].source.task == TaskId{VertexId{1}, 0});
  CHECK(task.inputs[3].input == 1);
  CHECK(task.inputs[3].source.task == TaskId{VertexId{0}, 1});
  CHECK(graph.display_name(task.id) == "join -> out (2/2)");
}

TEST_CASE("regions: an exchange joins all, forward edges join subtask by subtask") {
  CHECK(pipelined_regions(edge_plan(Partitioning::kHash, 2, 3)).size() == 1);
  const auto forward = pipelined_regions(edge_plan(Partitioning::kForward, 3, 3));
  REQUIRE(forward.size() == 3);
  CHECK(forward[1] == std::vector<TaskId>{{VertexId{0}, 1}, {VertexId{1}, 1}});
  CHECK(pipelined_regions(edge_plan(Partitioning::kRescale, 2, 4)).size() == 2);
}

TEST_CASE("regions: what shares an enumerator fails together, separate pipelines do not") {
  CHECK(failover_regions(edge_plan(Partitioning::kForward, 3, 3)) == std::vector<size_t>(6, 0));
  F f;
  auto& a = f.source("a");
  auto& b = f.source("b");
  f.sink("to a", {F::from(a, Partitioning::kHash)});
  f.sink("to b", {F::from(b)});
  const auto graph = plan(f, 2);
  const auto regions = failover_regions(graph);
  for (size_t i = 0; i < graph.tasks().size(); ++i) {
    for (size_t j = 0; j < graph.tasks().size(); ++j) {
      const auto is_b = [&](size_t task) {
        return graph.display_name(graph.tasks()[task].id).find('b') != std::string::npos;
      };
      CHECK((regions[i] == regions[j]) == (is_b(i) == is_b(j)));
    }
  }
}

TEST_CASE("placing: a slot holds one subtask of each vertex of its group") {
  F f;
  auto& s = f.source("s", 2);
  auto& a = f.add("a", {F::from(s, Partitioning::kHash)});
  a.parallelism = 3;
  auto& heavy = f.sink("heavy", {F::from(a)});
  heavy.parallelism = 3;
  heavy.slot_sharing_group = "heavy";
  const auto graph = plan(f, 1);
  CHECK(graph.chained().slot_count() == 6);
  CHECK(place_tasks(graph) == std::vector<int>{0, 1, 0, 1, 2, 3, 4, 5});
}

}  // namespace
}  // namespace sluice
