// CSV (RFC 4180): columns matched to the fields of a SLUICE_RECORD by the names in the header.
//
// Reading. Columns may come in any order and there may be more than the record has fields; a field
// without column is an error unless it is optional. Every row has exactly the header's columns. An
// empty cell is null for an optional field and empty for text; otherwise it is an error. A cell in
// quotes may hold delimiters, quotes (doubled) and line ends; a quote anywhere else is an error.
// The text of single values is described in scalar_text.h; vectors, maps and nested records stand
// as JSON in one cell, Bytes as base64. Empty lines are skipped (for a record of one optional field
// they are null).
//
// Line ends inside quotes: allowed wherever a file is read in one piece (small and compressed
// files, or CsvOptions::multiline). A file read in several splits is cut at line ends, so there a
// cell that is not closed on its line is a bad record, whose reason names the option. A cell that
// is never closed costs its own line only; reading goes on with the next.
//
// Writing quotes only what needs it, so that canonical CSV comes out byte for byte as it went in.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/formats/base64.h"
#include "connectors/formats/json_reader.h"
#include "connectors/formats/json_writer.h"
#include "connectors/formats/line_format.h"
#include "connectors/formats/scalar_text.h"
#include "core/record.h"

namespace sluice {

struct CsvOptions {
  char delimiter = ',';
  /// Whether a file begins with the names of its columns. Without, the columns are the record's
  /// fields in declared order.
  bool header = true;
  /// Cells may contain line ends also in large files; each file is then read by one reader.
  bool multiline = false;
};

/// Cells of one row, one after the other. Not thread-safe.
class CsvRow {
 public:
  explicit CsvRow(char delimiter) : delimiter_(delimiter) {}

  enum class Cell {
    kPlain,
    kQuoted,
    kEnd,       // No more cells.
    kBad,       // reason() says why.
    kUnclosed,  // The row ends inside quotes.
  };

  void reset(std::string_view row) {
    next_ = row.data();
    end_ = next_ + row.size();
    more_ = true;
  }
  /// The view lives as long as the row, or until the next quoted cell.
  Cell next(std::string_view& text) {
    if (!more_) return Cell::kEnd;
    if (next_ != end_ && *next_ == '"') return next_quoted(text);
    const char* start = next_;
    while (next_ != end_ && *next_ != delimiter_) {
      if (*next_ == '"') return stray_quote();
      ++next_;
    }
    text = {start, static_cast<size_t>(next_ - start)};
    take_delimiter();
    return Cell::kPlain;
  }
  const char* reason() const { return reason_; }

 private:
  void take_delimiter() {
    more_ = next_ != end_;
    if (more_) ++next_;
  }
  Cell next_quoted(std::string_view& text);
  Cell stray_quote();

  char delimiter_;
  const char* next_ = nullptr;
  const char* end_ = nullptr;
  bool more_ = false;
  const char* reason_ = "";
  std::string scratch_;
};

/// Which column goes to which field.
class CsvColumns {
 public:
  static constexpr int kIgnored = -1;

  CsvColumns(std::vector<std::string> fields, std::vector<bool> optional)
      : fields_(std::move(fields)), optional_(std::move(optional)) {}

  /// Column i is field i.
  void use_declared_order();
  /// kInvalidArgument naming the columns that are missing or come twice.
  Status read_header(std::string_view line, char delimiter);

  size_t size() const { return field_of_column_.size(); }
  int field_of(size_t column) const { return field_of_column_[column]; }
  const std::string& name_of(int field) const { return fields_[static_cast<size_t>(field)]; }

 private:
  std::vector<std::string> fields_;
  std::vector<bool> optional_;
  std::vector<int> field_of_column_;
};

/// The end of the row that starts at `begin`: its line end outside quotes, or null when that is not
/// before `end`. With a misplaced quote it is the first line end.
const char* find_csv_row_end(const char* begin, const char* end, char delimiter);

/// The cell of a text: in quotes when it has to be, or when `force_quotes`.
void append_csv_text(std::string_view text, char delimiter, bool force_quotes, std::string& out);

namespace detail {

/// Reads cells into fields; owns what they share.
struct CsvCellReader {
  JsonCursor json;
  std::string json_error;

  /// Null when the field was set, else what the cell is not.
  template <class T>
  const char* read(std::string_view text, bool quoted, T& value, TextArena& arena) {
    if constexpr (kIsOptional<T>) {
      if (text.empty() && !quoted) {
        value.reset();
        return nullptr;
      }
      return read(text, quoted, value.emplace(), arena);
    } else if constexpr (kIsScalar<T>) {
      return parse_scalar(text, value) ? nullptr : scalar_name<T>();
    } else if constexpr (std::is_same_v<T, Text>) {
      value = Text::copy_to(text, arena);
      return nullptr;
    } else if constexpr (std::is_same_v<T, std::string>) {
      value.assign(text);
      return nullptr;
    } else if constexpr (std::is_same_v<T, Bytes>) {
      return parse_base64(text, value.data) ? nullptr : "base64";
    } else {
      json.reset(text);
      if (read_json(json, value, arena) && json.at_end()) return nullptr;
      json_error = "JSON of its type (" + json.describe_error() + ")";
      return json_error.c_str();
    }
  }
};

template <class T>
void append_csv_cell(const T& value, char delimiter, bool only_cell, std::string& out,
                     std::string& scratch) {
  if constexpr (kIsOptional<T>) {
    // Quotes tell an empty text from none.
    if (!value) return;
    if constexpr (std::is_same_v<typename T::value_type, Text> ||
                  std::is_same_v<typename T::value_type, std::string>) {
      append_csv_text(*value, delimiter, value->empty(), out);
    } else {
      append_csv_cell(*value, delimiter, only_cell, out, scratch);
    }
  } else if constexpr (kIsScalar<T>) {
    append_scalar(value, out);
  } else if constexpr (std::is_same_v<T, Text> || std::is_same_v<T, std::string>) {
    append_csv_text(value, delimiter, only_cell && value.empty(), out);
  } else {
    scratch.clear();
    if constexpr (std::is_same_v<T, Bytes>) {
      append_base64(value.data, scratch);
    } else {
      append_json(value, scratch);
    }
    append_csv_text(scratch, delimiter, only_cell && scratch.empty(), out);
  }
}

}  // namespace detail

template <class T>
class CsvFormat {
  static_assert(DescribedRecord<T>, "CSV needs a struct with SLUICE_RECORD");
  static_assert(kFieldCount<T> > 0, "a CSV record needs a field");

 public:
  using Record = T;

  explicit CsvFormat(CsvOptions options = {}) : options_(options) {}
  const CsvOptions& options() const { return options_; }
  const char* suffix() const { return ".csv"; }

  class Parser {
   public:
    explicit Parser(const CsvFormat& format)
        : options_(format.options_),
          columns_(field_names<T>(), optional_fields()),
          row_(options_.delimiter) {
      if (!options_.header) columns_.use_declared_order();
    }

    bool expects_header() const { return options_.header; }
    Status parse_header(std::string_view line) {
      return columns_.read_header(line, options_.delimiter);
    }
    bool may_span_lines() const { return true; }
    const char* find_record_end(const char* begin, const char* end) const {
      return find_csv_row_end(begin, end, options_.delimiter);
    }

    LineOutcome parse(std::string_view line, T& record, TextArena& arena) {
      if (line.empty() && !kIsOneOptional) return LineOutcome::kSkip;
      row_.reset(line);
      const size_t columns = columns_.size();
      size_t column = 0;
      for (std::string_view text;; ++column) {
        const CsvRow::Cell cell = row_.next(text);
        if (cell > CsvRow::Cell::kQuoted) {
          if (cell != CsvRow::Cell::kEnd) return stop(cell, column);
          break;
        }
        if (column >= columns) continue;  // Counted, to tell how many there are.
        const int field = columns_.field_of(column);
        if (field == CsvColumns::kIgnored) continue;
        const char* wanted = kReaders[static_cast<size_t>(field)](
            cells_, text, cell == CsvRow::Cell::kQuoted, record, arena);
        if (wanted != nullptr) return bad_cell(field, text, wanted);
      }
      return column == columns ? LineOutcome::kRecord : bad_count(column);
    }

    const std::string& reason() const { return reason_; }

   private:
    // The only row such a record has for null is an empty line.
    static constexpr bool kIsOneOptional = [] {
      bool optional = true;
      for_each_field_type<T>(
          [&]<class Field>(const char*) { optional = optional && kIsOptional<Field>; });
      return optional && kFieldCount<T> == 1;
    }();

    using CellReader = const char* (*)(detail::CsvCellReader&, std::string_view, bool, T&,
                                       TextArena&);

    template <class Descriptor>
    static const char* read_field(detail::CsvCellReader& cells, std::string_view text, bool quoted,
                                  T& record, TextArena& arena) {
      return cells.read(text, quoted, record.*Descriptor::pointer, arena);
    }
    template <class... Descriptor>
    static constexpr auto make_readers(boost::mp11::mp_list<Descriptor...> /*fields*/) {
      return std::array<CellReader, sizeof...(Descriptor)>{&read_field<Descriptor>...};
    }
    static constexpr auto kReaders =
        make_readers(boost::mp11::mp_rename<FieldList<T>, boost::mp11::mp_list>());

    static std::vector<bool> optional_fields() {
      std::vector<bool> optional;
      for_each_field_type<T>(
          [&]<class Field>(const char*) { optional.push_back(kIsOptional<Field>); });
      return optional;
    }

    LineOutcome stop(CsvRow::Cell cell, size_t column) {
      if (cell == CsvRow::Cell::kUnclosed) {
        reason_ =
            "a quoted cell is not closed on its line (for line ends inside cells of large "
            "files set CsvOptions::multiline)";
        return LineOutcome::kUnclosed;
      }
      reason_ = "column " + std::to_string(column + 1) + ": " + row_.reason();
      return LineOutcome::kBad;
    }
    LineOutcome bad_cell(int field, std::string_view text, const char* wanted) {
      constexpr size_t kShownMax = 40;
      reason_ = "column " + columns_.name_of(field) + ": ";
      if (text.empty()) {
        reason_ += "empty";
      } else {
        reason_.append("\"").append(text.substr(0, kShownMax));
        reason_.append(text.size() > kShownMax ? "...\"" : "\"");
      }
      reason_.append(" is not ").append(wanted);
      return LineOutcome::kBad;
    }
    LineOutcome bad_count(size_t cells) {
      reason_ = std::to_string(cells) + (cells == 1 ? " column" : " columns") + " instead of " +
                std::to_string(columns_.size());
      return LineOutcome::kBad;
    }

    CsvOptions options_;
    CsvColumns columns_;
    CsvRow row_;
    detail::CsvCellReader cells_;
    std::string reason_;
  };

  class Writer {
   public:
    explicit Writer(const CsvFormat& format) : options_(format.options_) {}

    void append_header(std::string& out) {
      if (!options_.header) return;
      const char* separator = "";
      const char delimiter[] = {options_.delimiter, '\0'};
      for_each_field_type<T>([&]<class Field>(const char* name) {
        out += separator;
        append_csv_text(name, options_.delimiter, false, out);
        separator = delimiter;
      });
      out += '\n';
    }
    void append(const T& record, std::string& out) {
      constexpr bool kOnlyCell = kFieldCount<T> == 1;
      bool first = true;
      for_each_field(record, [&](const char*, const auto& field) {
        if (!first) out += options_.delimiter;
        first = false;
        detail::append_csv_cell(field, options_.delimiter, kOnlyCell, out, scratch_);
      });
      out += '\n';
    }

   private:
    CsvOptions options_;
    std::string scratch_;
  };

 private:
  CsvOptions options_;
};

}  // namespace sluice
