// Lines of text: each line is a record, empty ones too. Bytes are neither checked nor changed; only
// the line end ("\n" or "\r\n") is taken off. Text that contains a line end is written as it is and
// reads back as several records.
#pragma once

#include <string>
#include <string_view>

#include "connectors/formats/line_format.h"
#include "core/text.h"

namespace sluice {

/// T is Text or std::string.
template <class T>
class BasicTextFormat {
 public:
  using Record = T;

  const char* suffix() const { return ".txt"; }

  class Parser {
   public:
    explicit Parser(const BasicTextFormat& /*format*/) {}
    bool expects_header() const { return false; }
    Status parse_header(std::string_view /*line*/) { return Status::ok(); }
    LineOutcome parse(std::string_view line, Text& record, TextArena& arena) {
      record = Text::copy_to(line, arena);
      return LineOutcome::kRecord;
    }
    LineOutcome parse(std::string_view line, std::string& record, TextArena& /*arena*/) {
      record.assign(line);
      return LineOutcome::kRecord;
    }
    std::string reason() const { return {}; }
    bool may_span_lines() const { return false; }
    const char* find_record_end(const char* /*begin*/, const char* /*end*/) const {
      return nullptr;
    }
  };

  class Writer {
   public:
    explicit Writer(const BasicTextFormat& /*format*/) {}
    void append_header(std::string& /*out*/) {}
    void append(std::string_view record, std::string& out) {
      out += record;
      out += '\n';
    }
  };
};

using TextFormat = BasicTextFormat<Text>;

}  // namespace sluice
