#include "graph/explain.h"

#include <cstdio>

namespace sluice {
namespace {

std::string hex(uint64_t value) {
  char buffer[17];
  std::snprintf(buffer, sizeof buffer, "%016llx", static_cast<unsigned long long>(value));
  return buffer;
}

std::string quoted(std::string_view text) { return '"' + escape_quoted(text) + '"'; }

/// " #2" of the side output an edge leaves by, with its name.
std::string side_output_text(const ChainedGraph& graph, const VertexEdge& edge) {
  if (edge.from_output == 0) return "";
  const auto& stage = graph.vertex(edge.from).stages[static_cast<size_t>(edge.from_stage)];
  return " side output " + stage.side_outputs[static_cast<size_t>(edge.from_output) - 1].name;
}

}  // namespace

std::string escape_quoted(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '"':
        result += "\\\"";
        break;
      case '\\':
        result += "\\\\";
        break;
      case '\n':
        result += "\\n";
        break;
      case '\r':
        result += "\\r";
        break;
      case '\t':
        result += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char buffer[8];
          std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(c));
          result += buffer;
        } else {
          result += c;
        }
    }
  }
  return result;
}

std::string explain_text(const ChainedGraph& graph) {
  std::string text = "Plan of " + std::to_string(graph.vertices.size()) + " vertices, " +
                     std::to_string(graph.task_count()) + " tasks, " +
                     std::to_string(graph.slot_count()) + " slots, fingerprint " +
                     hex(graph_fingerprint(graph)) + "\n";
  for (const auto& vertex : graph.vertices) {
    text += "[" + std::to_string(vertex.id.value) + "] " + vertex.name + "\n";
    text += "    parallelism " + std::to_string(vertex.parallelism) + ", max parallelism " +
            std::to_string(vertex.max_parallelism);
    if (vertex.slot_sharing_group != "default") {
      text += ", slot sharing group " + vertex.slot_sharing_group;
    }
    if (vertex.is_source) text += vertex.bounded ? ", bounded source" : ", unbounded source";
    if (vertex.may_block) text += ", own thread";
    text += "\n";
    for (const auto& edge : graph.edges) {
      if (edge.to != vertex.id) continue;
      text += "    <- [" + std::to_string(edge.from.value) + "] " +
              partitioning_name(edge.partitioning) + side_output_text(graph, edge);
      if (vertex.input_count > 1) text += " to input " + std::to_string(edge.to_input);
      text += "\n";
    }
  }
  return text;
}

std::string explain_json(const ChainedGraph& graph) {
  std::string json =
      "{\"fingerprint\":" + quoted(hex(graph_fingerprint(graph))) + ",\"vertices\":[";
  for (const auto& vertex : graph.vertices) {
    if (vertex.id.value > 0) json += ",";
    json += "{\"id\":" + std::to_string(vertex.id.value) + ",\"name\":" + quoted(vertex.name) +
            ",\"parallelism\":" + std::to_string(vertex.parallelism) +
            ",\"max_parallelism\":" + std::to_string(vertex.max_parallelism) +
            ",\"slot_sharing_group\":" + quoted(vertex.slot_sharing_group) + ",\"operators\":[";
    bool first = true;
    for (const auto& stage : vertex.stages) {
      json += (first ? "{\"node\":" : ",{\"node\":") + std::to_string(stage.node.value) +
              ",\"name\":" + quoted(stage.name) + ",\"uid\":" + quoted(stage.uid) + "}";
      first = false;
    }
    json += "]}";
  }
  json += "],\"edges\":[";
  bool first = true;
  for (const auto& edge : graph.edges) {
    json += (first ? "{\"from\":" : ",{\"from\":") + std::to_string(edge.from.value) +
            ",\"from_stage\":" + std::to_string(edge.from_stage) +
            ",\"from_output\":" + std::to_string(edge.from_output) +
            ",\"to\":" + std::to_string(edge.to.value) +
            ",\"to_input\":" + std::to_string(edge.to_input) +
            ",\"partitioning\":" + quoted(partitioning_name(edge.partitioning)) + "}";
    first = false;
  }
  return json + "]}";
}

std::string explain_dot(const ChainedGraph& graph) {
  std::string dot = "digraph job {\n  rankdir=LR;\n  node [shape=box];\n";
  for (const auto& vertex : graph.vertices) {
    dot += "  v" + std::to_string(vertex.id.value) +
           " [label=" + quoted(vertex.name + "\nx " + std::to_string(vertex.parallelism)) + "];\n";
  }
  for (const auto& edge : graph.edges) {
    dot +=
        "  v" + std::to_string(edge.from.value) + " -> v" + std::to_string(edge.to.value) +
        " [label=" + quoted(partitioning_name(edge.partitioning) + side_output_text(graph, edge)) +
        "];\n";
  }
  return dot + "}\n";
}

}  // namespace sluice
