#include "tools/cli/top_view.h"

#include <algorithm>
#include <cmath>

#include "tools/cli/human_text.h"

namespace sluice {
namespace {

std::string bar(double share, size_t width) {
  const auto filled =
      static_cast<size_t>(std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(width)));
  return std::string(filled, '#') + std::string(width - filled, '.');
}

std::string head_of(const JobInspection& job, const std::vector<TaskRates>& rates) {
  double in = 0;
  for (size_t i = 0; i < job.tasks.size() && i < rates.size(); ++i) {
    const bool is_source = std::any_of(
        job.vertices.begin(), job.vertices.end(),
        [&](const auto& vertex) { return vertex.id == job.tasks[i].vertex && vertex.is_source; });
    if (is_source) in += rates[i].rows_out;
  }
  std::string text = job.summary.name + "  " + job.summary.state + "  up " +
                     duration_text(job.looked - job.summary.started) + "  " +
                     std::to_string(job.summary.records_in) + " in (" + count_text(in) + "/s)  " +
                     std::to_string(job.summary.records_out) + " out  " +
                     std::to_string(job.summary.restarts) + " restarts";
  for (auto it = job.checkpoints.rbegin(); it != job.checkpoints.rend(); ++it) {
    if (it->outcome != "complete") continue;
    text += "  checkpoint " + std::to_string(it->id) + " " + ago_text(it->triggered, job.looked);
    break;
  }
  if (!job.summary.reason.empty()) text += "  " + job.summary.reason;
  return single_line(text);
}

std::vector<std::string> row_of(const std::string& name, const TaskRates& rates, int64_t queued,
                                int64_t state_bytes, int64_t watermark) {
  constexpr size_t kBarWidth = 10;
  return {single_line(name),
          bar(rates.busy, kBarWidth) + percent_text(rates.busy),
          percent_text(rates.back_pressured),
          percent_text(rates.idle),
          count_text(rates.rows_in),
          count_text(rates.rows_out),
          std::to_string(queued),
          bytes_text(state_bytes),
          watermark_text(watermark)};
}

std::string table_of(const JobInspection& job, const std::vector<TaskRates>& rates, bool tasks,
                     size_t name_width) {
  TextTable table({tasks ? "TASK" : "VERTEX", "BUSY", "BLOCKED", "IDLE", "IN/S", "OUT/S", "QUEUED",
                   "STATE SIZE", "WATERMARK"});
  table.align_right({2, 3, 4, 5, 6, 7});
  const auto shortened = [&](std::string name) {
    if (name.size() > name_width) name = name.substr(0, name_width - 2) + "..";
    return name;
  };
  if (tasks) {
    std::vector<size_t> order(job.tasks.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return rates[a].busy > rates[b].busy; });
    for (const size_t i : order) {
      const TaskInspection& task = job.tasks[i];
      table.add(
          row_of(shortened(task.name), rates[i], task.queued, task.state_bytes, task.watermark));
    }
    return table.to_text();
  }
  for (const VertexInspection& vertex : job.vertices) {
    int64_t queued = 0;
    int64_t state_bytes = 0;
    int64_t watermark = kMaxTime.ms;
    for (const TaskInspection& task : job.tasks) {
      if (task.vertex != vertex.id) continue;
      queued += task.queued;
      state_bytes += task.state_bytes;
      watermark = std::min(watermark, task.watermark);
    }
    table.add(row_of(shortened(vertex.name) + " x" + std::to_string(vertex.parallelism),
                     rates_of_vertex(vertex.id, job, rates), queued, state_bytes, watermark));
  }
  return table.to_text();
}

void append_lines(const std::string& text, std::vector<std::string>& lines) {
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

/// Cut at code points, not in the middle of one.
void cut(std::string& line, size_t width) {
  size_t columns = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool starts = (line[i] & 0xC0) != 0x80;
    if (starts && columns++ == width) {
      line.resize(i);
      return;
    }
  }
}

}  // namespace

std::vector<std::string> render_top(const ActorLook& look, const TopOptions& options) {
  std::vector<std::string> lines;
  lines.push_back("sluice top  " + wall_time_text(look.now) + "  " +
                  std::to_string(look.jobs.size()) + " jobs, " +
                  std::to_string(look.actors.size()) + " actors   q quits, t " +
                  (options.tasks ? "vertices" : "tasks"));
  if (!options.message.empty()) lines.push_back(single_line(options.message));
  if (look.jobs.empty() && options.message.empty()) lines.push_back("no job is running");
  const size_t name_width = std::clamp<size_t>(options.width / 3, 16, 48);
  for (size_t i = 0; i < look.jobs.size(); ++i) {
    lines.emplace_back();
    lines.push_back(head_of(look.jobs[i], look.rates[i]));
    append_lines(table_of(look.jobs[i], look.rates[i], options.tasks, name_width), lines);
  }
  if (lines.size() > options.height) lines.resize(options.height);
  for (std::string& line : lines) cut(line, options.width);
  return lines;
}

}  // namespace sluice
