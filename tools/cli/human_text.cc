#include "tools/cli/human_text.h"

#include <algorithm>
#include <cstdio>

#include "core/time.h"

namespace sluice {
namespace {

template <class... Args>
std::string formatted(const char* format, Args... args) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, args...);
  return buffer;
}

}  // namespace

std::string count_text(double value) {
  if (value >= 1e9) return formatted("%.2f G", value / 1e9);
  if (value >= 1e6) return formatted("%.2f M", value / 1e6);
  if (value >= 1e4) return formatted("%.1f k", value / 1e3);
  return formatted("%.0f", value);
}

std::string bytes_text(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return formatted("%.0f B", value);
  return formatted(value < 10 ? "%.2f %s" : "%.1f %s", value, kUnits[unit]);
}

std::string duration_text(int64_t ms) {
  ms = std::max<int64_t>(0, ms);
  if (ms < 1000) return formatted("%d ms", static_cast<int>(ms));
  if (ms < 60'000) return formatted("%.1f s", static_cast<double>(ms) / 1e3);
  const long long seconds = ms / 1000;
  if (seconds < 3600) return formatted("%lld m %lld s", seconds / 60, seconds % 60);
  if (seconds < 86400) return formatted("%lld h %lld m", seconds / 3600, seconds % 3600 / 60);
  return formatted("%lld d %lld h", seconds / 86400, seconds % 86400 / 3600);
}

std::string ago_text(int64_t at_ms, int64_t now_ms) {
  return at_ms == 0 ? "never" : duration_text(now_ms - at_ms) + " ago";
}

std::string percent_text(double share) {
  return formatted("%3.0f %%", std::clamp(share, 0.0, 1.0) * 100);
}

std::string watermark_text(int64_t watermark_ms) {
  if (watermark_ms == kMinTime.ms) return "-";
  if (watermark_ms == kMaxTime.ms) return "end";
  return to_iso8601(EventTime{watermark_ms});
}

std::string wall_time_text(int64_t wall_ms) {
  return wall_ms == 0 ? "-" : to_iso8601(EventTime{wall_ms / 1000 * 1000});
}

std::string single_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return text;
}

size_t text_width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void TextTable::align_right(std::vector<size_t> columns) {
  right_.resize(rows_[0].size(), false);
  for (const size_t column : columns) right_[column] = true;
}

std::string TextTable::to_text() const {
  std::vector<size_t> widths(rows_[0].size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], text_width(row[i]));
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - text_width(row[i]), ' ');
      const bool right = i < right_.size() && right_[i];
      line += (i > 0 ? "  " : "") + (right ? pad + row[i] : row[i] + pad);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace sluice
