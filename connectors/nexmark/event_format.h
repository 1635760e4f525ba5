// Events as JSON lines in the shape of the benchmark's table:
//
//   {"event_type":2,"bid":{"auction":1000,"bidder":1001,...,"dateTime":"2015-07-15T00:00:00Z",...}}
//
// Reading is liberal where the meaning is clear: times are ISO 8601 (with T or a blank, with or
// without zone) or milliseconds since the epoch; numbers may stand in quotes or have a fraction of
// zero; unknown fields and records of other types than event_type are passed over; texts that are
// missing or null are empty; without event_type the one record that is there says it. A line
// without its record, or whose record lacks a number or a time, is bad.
#pragma once

#include <string>
#include <string_view>

#include "connectors/files/file_source.h"
#include "connectors/formats/json_reader.h"
#include "connectors/formats/line_format.h"
#include "connectors/nexmark/event.h"

namespace sluice::nexmark {

/// Appends one line with its line end.
void append_event_line(const Event& event, std::string& out);

class EventFormat {
 public:
  using Record = Event;

  const char* suffix() const { return ".jsonl"; }

  class Parser {
   public:
    explicit Parser(const EventFormat& /*format*/) {}
    bool expects_header() const { return false; }
    Status parse_header(std::string_view /*line*/) { return Status::ok(); }
    LineOutcome parse(std::string_view line, Event& event, TextArena& arena);
    std::string reason() const { return cursor_.describe_error(); }
    bool may_span_lines() const { return false; }
    const char* find_record_end(const char* /*begin*/, const char* /*end*/) const {
      return nullptr;
    }

   private:
    /// The three records a line may hold and which of them were there.
    struct Line {
      std::optional<int64_t> type;
      std::optional<Person> person;
      std::optional<Auction> auction;
      std::optional<Bid> bid;
    };
    bool read_line(Line& line, TextArena& arena);
    bool choose(const Line& line, Event& event);

    JsonCursor cursor_;
  };

  class Writer {
   public:
    explicit Writer(const EventFormat& /*format*/) {}
    void append_header(std::string& /*out*/) {}
    void append(const Event& event, std::string& out) { append_event_line(event, out); }
  };
};

/// The events of a file, directory or pattern, in order. Read by one subtask (set_parallelism(1))
/// the watermarks are those of an element-by-element run.
inline FileSource<EventFormat> nexmark_event_files(std::string path) {
  return FileSource<EventFormat>("nexmark_event_files", std::move(path));
}

}  // namespace sluice::nexmark
