// Rows of a changing table with what happened to them: any other format with the row kind in front.
//
//   op,id,final            {"op":"+I","id":10,"final":3}
//   +I,10,3
//   -U,10,3
//   +U,10,4
//
// For writing: the file sink hands the kind of each row to the writer.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "connectors/formats/csv.h"
#include "connectors/formats/json_lines.h"
#include "core/batch.h"

namespace sluice {

/// "+I", "-U", "+U" or "-D".
constexpr std::string_view row_kind_name(RowKind kind) {
  switch (kind) {
    case RowKind::kInsert:
      return "+I";
    case RowKind::kUpdateBefore:
      return "-U";
    case RowKind::kUpdateAfter:
      return "+U";
    case RowKind::kDelete:
      return "-D";
  }
  return "";
}

/// CSV with a first column `op`.
template <class T>
class ChangelogCsvFormat : public CsvFormat<T> {
 public:
  explicit ChangelogCsvFormat(CsvOptions options = {})
      : CsvFormat<T>(options), delimiter_(options.delimiter) {}

  class Writer {
   public:
    explicit Writer(const ChangelogCsvFormat& format)
        : rows_(format), delimiter_(format.delimiter_) {}
    void append_header(std::string& out) {
      std::string header;
      rows_.append_header(header);
      if (header.empty()) return;
      out += "op";
      out += delimiter_;
      out += header;
    }
    void append(const T& record, RowKind kind, std::string& out) {
      out += row_kind_name(kind);
      out += delimiter_;
      rows_.append(record, out);
    }
    void append(const T& record, std::string& out) { append(record, RowKind::kInsert, out); }

   private:
    typename CsvFormat<T>::Writer rows_;
    char delimiter_;
  };

 private:
  char delimiter_;
};

/// JSON lines with a first field `op`.
template <class T>
class ChangelogJsonLinesFormat : public JsonLinesFormat<T> {
 public:
  class Writer {
   public:
    explicit Writer(const ChangelogJsonLinesFormat& format) : rows_(format) {}
    void append_header(std::string& /*out*/) {}
    void append(const T& record, RowKind kind, std::string& out) {
      static_assert(kFieldCount<T> > 0);
      out += "{\"op\":\"";
      out += row_kind_name(kind);
      out += "\",";
      const size_t row_begin = out.size();
      rows_.append(record, out);
      out.erase(row_begin, 1);  // The row's own brace.
    }
    void append(const T& record, std::string& out) { append(record, RowKind::kInsert, out); }

   private:
    typename JsonLinesFormat<T>::Writer rows_;
  };
};

}  // namespace sluice
