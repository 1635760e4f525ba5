// JSON lines: one JSON value per line, normally an object for a SLUICE_RECORD.
// What stands for what is told in json_reader.h and json_writer.h. Blank lines are skipped.
#pragma once

#include <string>
#include <string_view>

#include "connectors/formats/json_reader.h"
#include "connectors/formats/json_writer.h"
#include "connectors/formats/line_format.h"

namespace sluice {

template <class T>
class JsonLinesFormat {
 public:
  using Record = T;

  const char* suffix() const { return ".jsonl"; }

  class Parser {
   public:
    explicit Parser(const JsonLinesFormat& /*format*/) {}
    bool expects_header() const { return false; }
    Status parse_header(std::string_view /*line*/) { return Status::ok(); }
    LineOutcome parse(std::string_view line, T& record, TextArena& arena) {
      cursor_.reset(line);
      if (cursor_.at_end()) return LineOutcome::kSkip;
      if (!read_json(cursor_, record, arena)) return LineOutcome::kBad;
      if (cursor_.at_end()) return LineOutcome::kRecord;
      cursor_.fail("text after the JSON value");
      return LineOutcome::kBad;
    }
    std::string reason() const { return cursor_.describe_error(); }
    bool may_span_lines() const { return false; }
    const char* find_record_end(const char* /*begin*/, const char* /*end*/) const {
      return nullptr;
    }

   private:
    JsonCursor cursor_;
  };

  class Writer {
   public:
    explicit Writer(const JsonLinesFormat& /*format*/) {}
    void append_header(std::string& /*out*/) {}
    void append(const T& record, std::string& out) {
      append_json(record, out);
      out += '\n';
    }
  };
};

}  // namespace sluice
