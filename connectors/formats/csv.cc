#include "connectors/formats/csv.h"

namespace sluice {

// ---- rows ---------------------------------------------------------------------------------------

CsvRow::Cell CsvRow::next_quoted(std::string_view& text) {
  const char* start = ++next_;
  bool has_escapes = false;
  while (true) {
    const void* found = std::memchr(next_, '"', static_cast<size_t>(end_ - next_));
    if (found == nullptr) return Cell::kUnclosed;
    const char* quote = static_cast<const char*>(found);
    const bool is_escape = quote + 1 != end_ && quote[1] == '"';
    if (is_escape && !has_escapes) scratch_.clear();
    if (is_escape) {
      scratch_.append(start, quote + 1);
      start = next_ = quote + 2;
      has_escapes = true;
      continue;
    }
    if (has_escapes) {
      scratch_.append(start, quote);
      text = scratch_;
    } else {
      text = {start, static_cast<size_t>(quote - start)};
    }
    next_ = quote + 1;
    if (next_ != end_ && *next_ != delimiter_) {
      reason_ = "text after a closing quote";
      return Cell::kBad;
    }
    take_delimiter();
    return Cell::kQuoted;
  }
}

CsvRow::Cell CsvRow::stray_quote() {
  reason_ = "a quote inside a cell that is not quoted";
  return Cell::kBad;
}

const char* find_csv_row_end(const char* begin, const char* end, char delimiter) {
  const auto first_line_end = [&] {
    return static_cast<const char*>(std::memchr(begin, '\n', static_cast<size_t>(end - begin)));
  };
  const char* p = begin;
  bool at_cell_start = true;
  while (p != end) {
    if (*p == '"') {
      if (!at_cell_start) return first_line_end();
      for (++p;; p += 2) {
        const void* quote = std::memchr(p, '"', static_cast<size_t>(end - p));
        if (quote == nullptr) return nullptr;
        p = static_cast<const char*>(quote);
        // A quote as the last byte may be the first of two.
        if (p + 1 == end) return nullptr;
        if (p[1] != '"') break;
      }
      ++p;
      if (*p == '\r') {
        if (p + 1 == end) return nullptr;
        if (p[1] == '\n') ++p;
      }
      if (*p != delimiter && *p != '\n') return first_line_end();
      at_cell_start = false;
      continue;
    }
    if (*p == '\n') return p;
    at_cell_start = *p == delimiter;
    ++p;
  }
  return nullptr;
}

// ---- columns ------------------------------------------------------------------------------------

void CsvColumns::use_declared_order() {
  field_of_column_.clear();
  for (size_t i = 0; i < fields_.size(); ++i) field_of_column_.push_back(static_cast<int>(i));
}

Status CsvColumns::read_header(std::string_view line, char delimiter) {
  field_of_column_.clear();
  std::vector<bool> seen(fields_.size());
  std::string names;
  std::string repeated;
  CsvRow row(delimiter);
  row.reset(line);
  std::string_view name;
  for (CsvRow::Cell cell = row.next(name); cell != CsvRow::Cell::kEnd; cell = row.next(name)) {
    if (cell > CsvRow::Cell::kQuoted) {
      return Status::invalid_argument("the header line is not CSV");
    }
    names.append(names.empty() ? "" : ", ").append(name);
    const auto field = std::find(fields_.begin(), fields_.end(), name);
    if (field == fields_.end()) {
      field_of_column_.push_back(kIgnored);
      continue;
    }
    const auto index = static_cast<size_t>(field - fields_.begin());
    if (seen[index]) repeated.append(repeated.empty() ? "" : ", ").append(name);
    seen[index] = true;
    field_of_column_.push_back(static_cast<int>(index));
  }
  std::string missing;
  int missing_count = 0;
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (seen[i] || optional_[i]) continue;
    missing.append(missing.empty() ? "" : ", ").append(fields_[i]);
    ++missing_count;
  }
  constexpr size_t kShownMax = 300;
  if (names.size() > kShownMax) names.resize(kShownMax);
  if (missing_count > 0) {
    return Status::invalid_argument((missing_count == 1 ? "missing column " : "missing columns ") +
                                    missing + " (the header has: " + names + ")");
  }
  if (!repeated.empty()) {
    return Status::invalid_argument("the header names a column twice: " + repeated);
  }
  return Status::ok();
}

// ---- writing ------------------------------------------------------------------------------------

void append_csv_text(std::string_view text, char delimiter, bool force_quotes, std::string& out) {
  bool quotes = force_quotes;
  for (const char c : text) quotes |= c == delimiter || c == '"' || c == '\n' || c == '\r';
  if (!quotes) {
    out += text;
    return;
  }
  out += '"';
  size_t start = 0;
  for (size_t at = text.find('"'); at != std::string_view::npos; at = text.find('"', at + 1)) {
    out.append(text, start, at + 1 - start).append("\"");
    start = at + 1;
  }
  out.append(text, start, text.size() - start);
  out += '"';
}

}  // namespace sluice
