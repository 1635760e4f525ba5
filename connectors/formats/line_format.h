// What a format of one record per line is to the file source and sink: a type given as template
// parameter, so that the code per record is inlined.
//
//   struct Format {
//     using Record = T;
//     const char* suffix() const;           // ".csv"
//     class Parser {
//       explicit Parser(const Format&);
//       bool expects_header() const;        // The first line of a file is not a record.
//       Status parse_header(std::string_view line);
//       LineOutcome parse(std::string_view line, Record& record, TextArena& arena);
//       std::string reason() const;         // After kBad.
//       bool may_span_lines() const;        // kUnclosed is possible.
//       // The line end after the record that starts at `begin`, or null when it is not in sight.
//       const char* find_record_end(const char* begin, const char* end) const;
//     };
//     class Writer {
//       explicit Writer(const Format&);
//       void append_header(std::string& out);
//       void append(const Record& record, std::string& out);
//     };
//   };
//
// A parser gets lines without their line end ("\n" or "\r\n") and keeps no state between records.
// It may be given the same record object again and again. Texts it makes live in `arena`. A parser
// whose records are to be written again byte for byte declares
//   static constexpr bool kKeepsCarriageReturn = true;
// and is given the "\r" of such a line as its last byte.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "core/arena.h"
#include "core/status.h"

namespace sluice {

enum class LineOutcome {
  kRecord,
  kSkip,      // Nothing on this line.
  kBad,       // Parser::reason() says why.
  kUnclosed,  // The line ends inside a quoted field: the record may go on on the next line.
};

template <class F>
inline constexpr bool kKeepsCarriageReturn = requires {
  requires bool(F::Parser::kKeepsCarriageReturn);
};

template <class F>
concept LineFormat = requires(const F& format, typename F::Parser& parser,
                              typename F::Writer& writer, typename F::Record& record,
                              std::string_view line, TextArena& arena, std::string& out,
                              const char* bytes) {
  { format.suffix() } -> std::convertible_to<const char*>;
  { parser.expects_header() } -> std::same_as<bool>;
  { parser.parse_header(line) } -> std::same_as<Status>;
  { parser.parse(line, record, arena) } -> std::same_as<LineOutcome>;
  { parser.reason() } -> std::convertible_to<std::string>;
  { parser.may_span_lines() } -> std::same_as<bool>;
  { parser.find_record_end(bytes, bytes) } -> std::same_as<const char*>;
  writer.append_header(out);
  writer.append(record, out);
};

}  // namespace sluice
