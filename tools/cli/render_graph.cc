#include "tools/cli/render_graph.h"

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

#include "control/inspection_json.h"
#include "tools/cli/human_text.h"

namespace sluice {
namespace {

const char* fill_colour(BackPressure level) {
  switch (level) {
    case BackPressure::kOk:
      return "#d5e8d4";
    case BackPressure::kLow:
      return "#fff2cc";
    case BackPressure::kHigh:
      return "#f8cecc";
  }
  return "#ffffff";
}

const char* terminal_colour(BackPressure level) {
  switch (level) {
    case BackPressure::kOk:
      return "\x1b[32m";
    case BackPressure::kLow:
      return "\x1b[33m";
    case BackPressure::kHigh:
      return "\x1b[31m";
  }
  return "";
}

std::string shares_text(const TaskRates& rates) {
  return "busy " + percent_text(rates.busy) + ", blocked " + percent_text(rates.back_pressured) +
         ", idle " + percent_text(rates.idle);
}

std::string dot_quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : single_line(text)) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

std::string xml_text(const std::string& text) {
  std::string escaped;
  for (const char c : single_line(text)) {
    switch (c) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

/// How far a vertex is from the sources: its column.
std::map<int, int> levels_of(const JobInspection& job) {
  std::map<int, int> levels;
  for (const auto& vertex : job.vertices) levels[vertex.id] = 0;
  // At most as many rounds as there are vertices, since plans have no cycles.
  for (size_t round = 0; round < job.vertices.size(); ++round) {
    for (const auto& edge : job.edges) {
      levels[edge.to] = std::max(levels[edge.to], levels[edge.from] + 1);
    }
  }
  return levels;
}

struct Box {
  int x = 0;
  int y = 0;
};
constexpr int kBoxWidth = 300;
constexpr int kBoxHeight = 78;
constexpr int kGapX = 110;
constexpr int kGapY = 26;
constexpr int kMargin = 12;

std::map<int, Box> boxes_of(const JobInspection& job) {
  const auto levels = levels_of(job);
  std::map<int, int> next_row;
  std::map<int, Box> boxes;
  for (const auto& vertex : job.vertices) {
    const int level = levels.at(vertex.id);
    const int row = next_row[level]++;
    boxes[vertex.id] = {kMargin + level * (kBoxWidth + kGapX),
                        kMargin + row * (kBoxHeight + kGapY)};
  }
  return boxes;
}

std::string svg_vertex(const VertexInspection& vertex, const Box& box, const TaskRates& rates) {
  constexpr size_t kNameMax = 42;
  std::string name = vertex.name;
  if (name.size() > kNameMax) name = name.substr(0, kNameMax - 2) + "..";
  const BackPressure level = back_pressure_of(rates);
  const auto at = [&](int dx, int dy) {
    return "x=\"" + std::to_string(box.x + dx) + "\" y=\"" + std::to_string(box.y + dy) + "\"";
  };
  return "  <g><title>" + xml_text(vertex.name) + "</title><rect " + at(0, 0) + " width=\"" +
         std::to_string(kBoxWidth) + "\" height=\"" + std::to_string(kBoxHeight) +
         "\" rx=\"6\" fill=\"" + fill_colour(level) + "\" stroke=\"#666\"/>" + "<text " +
         at(10, 22) + " font-weight=\"bold\">" + xml_text(name) + "</text><text " + at(10, 42) +
         ">x " + std::to_string(vertex.parallelism) + ", " + count_text(rates.records()) +
         " records/s, back pressure " + back_pressure_name(level) + "</text><text " + at(10, 62) +
         ">" + shares_text(rates) + "</text></g>\n";
}

}  // namespace

std::string graph_text(const JobInspection& job, const std::vector<TaskRates>& rates, bool colour) {
  std::string text = job.summary.name + " " + job.summary.state + "\n";
  for (const auto& vertex : job.vertices) {
    const TaskRates sum = rates_of_vertex(vertex.id, job, rates);
    const BackPressure level = back_pressure_of(sum);
    text += "[" + std::to_string(vertex.id) + "] ";
    text += colour ? terminal_colour(level) + single_line(vertex.name) + "\x1b[0m"
                   : single_line(vertex.name);
    text += " x" + std::to_string(vertex.parallelism) + "\n      " + shares_text(sum) + ", " +
            count_text(sum.records()) + " records/s, back pressure " + back_pressure_name(level) +
            "\n";
    for (const auto& edge : job.edges) {
      if (edge.from != vertex.id) continue;
      text += "      -> [" + std::to_string(edge.to) + "] " + edge.partitioning;
      if (edge.to_input > 0) text += " to input " + std::to_string(edge.to_input);
      text += "\n";
    }
  }
  return text;
}

std::string graph_dot(const JobInspection& job, const std::vector<TaskRates>& rates) {
  std::string dot = "digraph " + dot_quoted(job.summary.name) +
                    " {\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\"];\n";
  for (const auto& vertex : job.vertices) {
    const TaskRates sum = rates_of_vertex(vertex.id, job, rates);
    std::string label = dot_quoted(vertex.name);
    label.pop_back();
    label += "\\nx " + std::to_string(vertex.parallelism) + ", " + count_text(sum.records()) +
             " records/s\\n" + shares_text(sum) + "\"";
    dot += "  v" + std::to_string(vertex.id) + " [label=" + label + ", fillcolor=\"" +
           fill_colour(back_pressure_of(sum)) + "\"];\n";
  }
  for (const auto& edge : job.edges) {
    dot += "  v" + std::to_string(edge.from) + " -> v" + std::to_string(edge.to) +
           " [label=" + dot_quoted(edge.partitioning) + "];\n";
  }
  return dot + "}\n";
}

std::string graph_svg(const JobInspection& job, const std::vector<TaskRates>& rates) {
  const auto boxes = boxes_of(job);
  int width = 2 * kMargin;
  int height = 2 * kMargin;
  for (const auto& [id, box] : boxes) {
    width = std::max(width, box.x + kBoxWidth + kMargin);
    height = std::max(height, box.y + kBoxHeight + kMargin);
  }
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(width) +
                    "\" height=\"" + std::to_string(height) +
                    "\" font-family=\"sans-serif\" font-size=\"12\">\n"
                    "  <defs><marker id=\"arrow\" markerWidth=\"10\" markerHeight=\"8\" refX=\"9\" "
                    "refY=\"4\" orient=\"auto\"><path d=\"M0,0 L10,4 L0,8 z\"/></marker></defs>\n";
  for (const auto& edge : job.edges) {
    if (boxes.count(edge.from) == 0 || boxes.count(edge.to) == 0) continue;
    const int x1 = boxes.at(edge.from).x + kBoxWidth;
    const int y1 = boxes.at(edge.from).y + kBoxHeight / 2;
    const int x2 = boxes.at(edge.to).x;
    const int y2 = boxes.at(edge.to).y + kBoxHeight / 2;
    svg += "  <path d=\"M" + std::to_string(x1) + "," + std::to_string(y1) + " C" +
           std::to_string(x1 + kGapX / 2) + "," + std::to_string(y1) + " " +
           std::to_string(x2 - kGapX / 2) + "," + std::to_string(y2) + " " + std::to_string(x2) +
           "," + std::to_string(y2) +
           "\" fill=\"none\" stroke=\"#333\" marker-end=\"url(#arrow)\"/>"
           "<text x=\"" +
           std::to_string((x1 + x2) / 2) + "\" y=\"" + std::to_string((y1 + y2) / 2 - 5) +
           "\" text-anchor=\"middle\">" + xml_text(edge.partitioning) + "</text>\n";
  }
  for (const auto& vertex : job.vertices) {
    svg += svg_vertex(vertex, boxes.at(vertex.id), rates_of_vertex(vertex.id, job, rates));
  }
  return svg + "</svg>\n";
}

std::string graph_json(const JobInspection& job, const std::vector<TaskRates>& rates) {
  nlohmann::json json = nlohmann::json::parse(to_json(job));
  for (size_t i = 0; i < job.vertices.size(); ++i) {
    const TaskRates sum = rates_of_vertex(job.vertices[i].id, job, rates);
    json["vertices"][i]["rates"] = {{"busy", sum.busy},
                                    {"back_pressured", sum.back_pressured},
                                    {"idle", sum.idle},
                                    {"rows_in", sum.rows_in},
                                    {"rows_out", sum.rows_out}};
    json["vertices"][i]["back_pressure"] = back_pressure_name(back_pressure_of(sum));
  }
  return json.dump(1);
}

}  // namespace sluice
