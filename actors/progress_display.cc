#include "actors/progress_display.h"

#include <algorithm>

namespace sluice {
namespace {

/// "950", "12.3 k", "4.56 M".
std::string short_number(double value) {
  char buffer[32];
  if (value >= 1e6) {
    std::snprintf(buffer, sizeof buffer, "%.2f M", value / 1e6);
  } else if (value >= 1e4) {
    std::snprintf(buffer, sizeof buffer, "%.1f k", value / 1e3);
  } else {
    std::snprintf(buffer, sizeof buffer, "%.0f", value);
  }
  return buffer;
}

std::string percent(int64_t part_ns, int64_t whole_ns) {
  const double share =
      whole_ns > 0 ? 100.0 * static_cast<double>(part_ns) / static_cast<double>(whole_ns) : 0;
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "%3.0f%%", std::clamp(share, 0.0, 100.0));
  return buffer;
}

std::string padded(std::string text, size_t width) {
  if (text.size() > width) text = text.substr(0, width - 2) + "..";
  text.resize(width, ' ');
  return text;
}

std::string watermark_text(EventTime watermark) {
  if (watermark == kMinTime) return "-";
  if (watermark == kMaxTime) return "end";
  return to_iso8601(watermark);
}

std::string vertex_line(const VertexProgress& before, const VertexProgress& now, double seconds,
                        size_t name_width) {
  const int64_t busy = now.busy_ns - before.busy_ns;
  const int64_t blocked = now.back_pressured_ns - before.back_pressured_ns;
  const int64_t idle = now.idle_ns - before.idle_ns;
  const int64_t whole = busy + blocked + idle;
  // Sources have no input and sinks no output, so the larger of both is the work done.
  const int64_t rows = std::max(now.rows_in - before.rows_in, now.rows_out - before.rows_out);
  const double rate = seconds > 0 ? static_cast<double>(rows) / seconds : 0;
  return "  " + padded(now.name, name_width) + " x" + padded(std::to_string(now.parallelism), 3) +
         padded(short_number(rate) + "/s", 11) + "busy " + percent(busy, whole) +
         "  back-pressured " + percent(blocked, whole) + "  watermark " +
         watermark_text(now.watermark);
}

}  // namespace

std::vector<std::string> progress_lines(const JobProgress& before, const JobProgress& now,
                                        size_t width) {
  constexpr size_t kNameWidthMax = 40;
  const double seconds = now.seconds - before.seconds;
  const double rate =
      seconds > 0 ? static_cast<double>(now.records_in - before.records_in) / seconds : 0;
  char time[32];
  std::snprintf(time, sizeof time, "%.1f s", now.seconds);
  std::vector<std::string> lines;
  lines.push_back(now.job + "  " + time + "  " + std::to_string(now.records_in) + " records in (" +
                  short_number(rate) + "/s)  " + std::to_string(now.records_out) + " out");
  size_t name_width = 8;
  for (const auto& vertex : now.vertices) {
    name_width = std::clamp(vertex.name.size(), name_width, kNameWidthMax);
  }
  for (size_t i = 0; i < now.vertices.size(); ++i) {
    const VertexProgress none;
    const VertexProgress& earlier = i < before.vertices.size() ? before.vertices[i] : none;
    lines.push_back(vertex_line(earlier, now.vertices[i], seconds, name_width));
  }
  for (auto& line : lines) {
    if (line.size() > width) line.resize(width);
  }
  return lines;
}

void ProgressDisplay::show(const JobProgress& progress) {
  erase();
  const auto lines = progress_lines(last_.value_or(JobProgress{}), progress, width_);
  for (const auto& line : lines) std::fprintf(terminal_, "%s\n", line.c_str());
  std::fflush(terminal_);
  lines_shown_ = lines.size();
  last_ = progress;
}

void ProgressDisplay::finish() {
  erase();
  std::fflush(terminal_);
  lines_shown_ = 0;
}

void ProgressDisplay::erase() {
  // Up to the first line, then everything below is cleared.
  if (lines_shown_ > 0) std::fprintf(terminal_, "\x1b[%zuA\r\x1b[J", lines_shown_);
}

}  // namespace sluice
