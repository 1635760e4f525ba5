// Numbers, times and tables as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

/// "950", "12.3 k", "4.56 M".
std::string count_text(double value);
/// "0 B", "12.0 KiB", "3.40 GiB".
std::string bytes_text(int64_t bytes);
/// "250 ms", "12.3 s", "4 m 10 s", "3 h 5 m", "2 d 4 h".
std::string duration_text(int64_t ms);
/// "12.3 s ago"; "never" for 0.
std::string ago_text(int64_t at_ms, int64_t now_ms);
/// " 97 %"; `share` is 0..1.
std::string percent_text(double share);
/// "-" while nothing is known, "end" at the end of the input, else ISO 8601.
std::string watermark_text(int64_t watermark_ms);
/// Local to the host's clock, UTC: "2026-11-27T08:24:29Z".
std::string wall_time_text(int64_t wall_ms);
/// On one line: control characters become spaces.
std::string single_line(std::string text);

/// Columns in two spaces' distance, the header in front; the last column is not padded. Widths
/// count code points.
class TextTable {
 public:
  enum class Align { kLeft, kRight };
  explicit TextTable(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void align_right(std::vector<size_t> columns);
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool is_empty() const { return rows_.size() == 1; }
  std::string to_text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> right_;
};

size_t text_width(const std::string& text);

}  // namespace sluice
