#include "graph/chain_operators.h"

#include <doctest/doctest.h>

#include "graph/explain.h"
#include "tests/unit/graph/graph_fixture.h"

namespace sluice {
namespace {

using F = GraphFixture;

ChainedGraph chain(F& fixture, int parallelism = 2) {
  ChainingOptions options;
  options.default_parallelism = parallelism;
  auto chained = chain_operators(fixture.graph(), options);
  REQUIRE_MESSAGE(chained.is_ok(), chained.status().to_string());
  return std::move(chained).value();
}

std::vector<std::string> names(const ChainedGraph& graph) {
  std::vector<std::string> result;
  for (const auto& vertex : graph.vertices) result.push_back(vertex.name);
  return result;
}

using Names = std::vector<std::string>;

TEST_CASE("chaining: forward edges are one vertex, an exchange splits") {
  F f;
  auto& s = f.source("s");
  auto& a = f.add("a", {F::from(s)});
  auto& b = f.add("b", {F::from(a, Partitioning::kHash)});
  f.sink("out", {F::from(b)});
  const auto graph = chain(f);
  CHECK(names(graph) == Names{"s -> a", "b -> out"});
  REQUIRE(graph.edges.size() == 1);
  CHECK(graph.edges[0].partitioning == Partitioning::kHash);
  CHECK(graph.edges[0].from_stage == 1);
  CHECK(graph.vertices[0].is_source);
  CHECK(graph.vertices[0].input_count == 0);
  CHECK(graph.vertices[1].input_count == 1);
  CHECK(graph.task_count() == 4);
  CHECK(graph.slot_count() == 2);
}

TEST_CASE("chaining: chains are trees, side outputs included") {
  F f;
  auto& s = f.source("s");
  auto& a = f.add("a", {F::from(s)});
  a.side_outputs.push_back({7, "late", nullptr});
  f.sink("x", {F::from(a)});
  f.sink("y", {F::from(a)});
  f.sink("late", {F::from(a, Partitioning::kForward, 1)});
  const auto graph = chain(f);
  REQUIRE(graph.vertices.size() == 1);
  const auto& links = graph.vertices[0].links;
  REQUIRE(links.size() == 4);
  CHECK(links[3].from_stage == 1);
  CHECK(links[3].from_output == 1);
  CHECK(links[3].to_stage == 4);
}

TEST_CASE("chaining: a reader with two input edges starts a vertex of its own") {
  F f;
  auto& a = f.source("a");
  auto& b = f.source("b");
  f.sink("both", {F::from(a), F::from(b)});
  CHECK(names(chain(f)) == Names{"a", "b", "both"});

  F two_inputs;
  auto& c = two_inputs.source("c");
  auto& d = two_inputs.add("connect", {F::from(c), F::from(c, Partitioning::kForward, 0, 1)});
  two_inputs.sink("out", {F::from(d)});
  const auto graph = chain(two_inputs);
  CHECK(names(graph) == Names{"c", "connect -> out"});
  CHECK(graph.vertices[1].input_count == 2);
  CHECK(graph.edges.size() == 2);
}

TEST_CASE("chaining: flags, slot sharing groups and the job's switch keep operators apart") {
  F f;
  auto& s = f.source("s");
  auto& a = f.add("a", {F::from(s)});
  a.chain_with_inputs = false;  // start_new_chain()
  auto& b = f.add("b", {F::from(a)});
  b.chain_with_inputs = b.chain_with_outputs = false;  // disable_chaining()
  auto& c = f.add("c", {F::from(b)});
  auto& d = f.sink("d", {F::from(c)});
  d.slot_sharing_group = "heavy";
  const auto graph = chain(f);
  CHECK(names(graph) == Names{"s", "a", "b", "c", "d"});
  CHECK(graph.slot_count() == 4);
  for (const auto& edge : graph.edges) CHECK(edge.partitioning == Partitioning::kForward);

  F plain;
  auto& t = plain.source("t");
  plain.sink("out", {F::from(t)});
  ChainingOptions options;
  options.chaining_enabled = false;
  CHECK(names(*chain_operators(plain.graph(), options)) == Names{"t", "out"});
}

TEST_CASE("chaining: a forward edge between unequal parallelism becomes rebalance") {
  F f;
  auto& s = f.source("socket");
  s.parallelism_max = 1;
  f.sink("out", {F::from(s)});
  const auto graph = chain(f, 3);
  CHECK(names(graph) == Names{"socket", "out"});
  CHECK(graph.vertices[0].parallelism == 1);
  CHECK(graph.vertices[1].parallelism == 3);
  CHECK(graph.edges[0].partitioning == Partitioning::kRebalance);
}

TEST_CASE("chaining: what leads to no sink does not run") {
  F f;
  auto& s = f.source("s");
  auto& dead = f.add("dead", {F::from(s)});
  f.add("deader", {F::from(dead)});
  f.source("unread");
  f.sink("out", {F::from(s)});
  const auto graph = chain(f);
  CHECK(names(graph) == Names{"s -> out"});
  CHECK(graph.pruned.size() == 3);
}

TEST_CASE("chaining: max parallelism of node, job or rule, and never below the parallelism") {
  F f;
  auto& s = f.source("s");
  auto& a = f.add("a", {F::from(s, Partitioning::kHash)});
  a.max_parallelism = 512;
  f.sink("out", {F::from(a, Partitioning::kHash)});
  CHECK(chain(f).vertices[0].max_parallelism == 128);
  CHECK(chain(f).vertices[1].max_parallelism == 512);
  CHECK(chain(f, 200).vertices[2].max_parallelism == 512);

  ChainingOptions options;
  options.default_parallelism = 8;
  options.max_parallelism = 4;
  const auto refused = chain_operators(f.graph(), options);
  REQUIRE_FALSE(refused.is_ok());
  CHECK(refused.status().message().find("max parallelism 4") != std::string::npos);
}

/// s -> a -> b -> c -> out with alternatives as api/ makes them.
struct Fused {
  F f;
  NodeId a, b, c;
  Fused() {
    auto& s = f.source("s");
    a = f.add("a", {F::from(s)}).id;
    b = f.add("b", {F::from(f.graph().node(a))}).id;
    c = f.add("c", {F::from(f.graph().node(b))}).id;
    auto& node_b = f.graph().node(b);
    auto& node_c = f.graph().node(c);
    node_b.fused.push_back({a, f.graph().node(a).inputs[0], nullptr});
    node_c.fused.push_back({b, node_b.inputs[0], nullptr});
    node_c.fused.push_back({a, f.graph().node(a).inputs[0], nullptr});
    f.sink("out", {F::from(node_c)});
  }
};

TEST_CASE("fusing: the longest alternative is used and absorbed nodes disappear") {
  Fused fused;
  const auto graph = chain(fused.f);
  REQUIRE(graph.vertices.size() == 1);
  CHECK(graph.vertices[0].name == "s -> a -> b -> c -> out");
  REQUIRE(graph.vertices[0].stages.size() == 3);
  CHECK(graph.vertices[0].stages[1].absorbed == std::vector<NodeId>{fused.a, fused.b});
  CHECK(graph.vertices[0].stages[1].name == "a -> b -> c");
  CHECK(graph.places.at(fused.a).stage == 1);
}

TEST_CASE("fusing: a node with another reader is not absorbed") {
  Fused fused;
  fused.f.sink("tap", {F::from(fused.f.graph().node(fused.a))});
  const auto graph = chain(fused.f);
  REQUIRE(graph.vertices.size() == 1);
  CHECK(graph.vertices[0].stages[1].name == "a");
  CHECK(graph.vertices[0].stages[2].name == "b -> c");
}

TEST_CASE("fusing: what separates chains also separates functions") {
  Fused apart;
  apart.f.graph().node(apart.b).chain_with_inputs = false;
  CHECK(names(chain(apart.f)) == Names{"s -> a", "b -> c -> out"});

  Fused slower;
  slower.f.graph().node(slower.a).parallelism = 1;
  CHECK(names(chain(slower.f)) == Names{"s", "a", "b -> c -> out"});

  Fused start;
  start.f.graph().node(start.a).chain_with_inputs = false;
  CHECK(names(chain(start.f)) == Names{"s", "a -> b -> c -> out"});
}

TEST_CASE("fingerprint: equal for equal jobs, different for names, uids, edges and parallelism") {
  const auto build = [](const std::string& name, const std::string& uid, Partitioning partitioning,
                        int parallelism) {
    F f;
    auto& s = f.source("s");
    auto& a = f.add(name, {F::from(s, partitioning)});
    a.uid = uid;
    f.sink("out", {F::from(a)});
    return graph_fingerprint(chain(f, parallelism));
  };
  const uint64_t base = build("a", "u", Partitioning::kHash, 2);
  CHECK(base == build("a", "u", Partitioning::kHash, 2));
  CHECK(base != build("b", "u", Partitioning::kHash, 2));
  CHECK(base != build("a", "v", Partitioning::kHash, 2));
  CHECK(base != build("a", "u", Partitioning::kRebalance, 2));
  CHECK(base != build("a", "u", Partitioning::kHash, 3));
}

TEST_CASE("explain: text, JSON and DOT name vertices and edges; quotes are escaped") {
  F f;
  auto& s = f.source("csv(\"a\\b\")");
  auto& a = f.add("a", {F::from(s, Partitioning::kHash)});
  a.side_outputs.push_back({1, "late", nullptr});
  f.sink("out", {F::from(a)});
  f.sink("late out", {F::from(a, Partitioning::kRebalance, 1)});
  const auto graph = chain(f);
  const std::string text = explain_text(graph);
  CHECK(text.find("[1] a -> out\n    parallelism 2, max parallelism 128\n    <- [0] HASH\n") !=
        std::string::npos);
  CHECK(text.find("REBALANCE side output late") != std::string::npos);
  CHECK(explain_json(graph).find("\"name\":\"csv(\\\"a\\\\b\\\")\"") != std::string::npos);
  CHECK(explain_dot(graph).find("v0 -> v1 [label=\"HASH\"]") != std::string::npos);
  CHECK(escape_quoted(std::string("\x01\t\n", 3)) == "\\u0001\\t\\n");
}

}  // namespace
}  // namespace sluice
