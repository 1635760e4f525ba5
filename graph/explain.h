// The plan of a job for people and tools: text, JSON and Graphviz DOT.
#pragma once

#include <string>
#include <string_view>

#include "graph/chain_operators.h"

namespace sluice {

/// One block per vertex: its operators, then the edges into it.
std::string explain_text(const ChainedGraph& graph);
/// {"vertices":[{"id","name","parallelism",...}],"edges":[...],"fingerprint":"..."} on one line.
std::string explain_json(const ChainedGraph& graph);
/// A digraph for `dot`.
std::string explain_dot(const ChainedGraph& graph);

/// `text` as the inside of a JSON or DOT string.
std::string escape_quoted(std::string_view text);

}  // namespace sluice
