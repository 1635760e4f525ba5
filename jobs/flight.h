// The record most jobs here read: one departed flight of the bundled data (U.S. Bureau of
// Transportation Statistics, January to March 2001, public).
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "api/stream.h"
#include "connectors/formats/csv.h"

namespace jobs {

/// The columns of the file.
struct FlightColumns {
  sluice::EventTime scheduled;
  int32_t delay_min = 0;
  int32_t distance_mi = 0;
  sluice::Text origin;
  sluice::Text destination;
};
SLUICE_RECORD(FlightColumns, scheduled, delay_min, distance_mi, origin, destination);

/// A flight with its line as it stands in the file, so that it can be written again byte for byte.
struct Flight {
  sluice::EventTime scheduled;
  int32_t delay_min = 0;
  int32_t distance_mi = 0;
  sluice::Text origin;
  sluice::Text destination;
  sluice::Text line;  // Empty when the file's columns stand in another order.
};
SLUICE_RECORD(Flight, scheduled, delay_min, distance_mi, origin, destination, line);

/// CSV of FlightColumns that keeps the line.
class FlightFormat {
 public:
  using Record = Flight;
  using Columns = sluice::CsvFormat<FlightColumns>;

  const char* suffix() const { return columns_.suffix(); }

  class Parser {
   public:
    static constexpr bool kKeepsCarriageReturn = true;

    explicit Parser(const FlightFormat& format) : columns_(format.columns_) {}
    bool expects_header() const { return true; }
    sluice::Status parse_header(std::string_view line) {
      keeps_line_ = line == kHeader;
      return columns_.parse_header(line);
    }
    sluice::LineOutcome parse(std::string_view line, Flight& flight, sluice::TextArena& arena) {
      FlightColumns columns;
      const std::string_view cells = line.substr(0, line.size() - line.ends_with('\r'));
      const sluice::LineOutcome outcome = columns_.parse(cells, columns, arena);
      if (outcome != sluice::LineOutcome::kRecord) return outcome;
      flight = {columns.scheduled, columns.delay_min,   columns.distance_mi,
                columns.origin,    columns.destination, {}};
      if (keeps_line_) flight.line = sluice::Text::copy_to(line, arena);
      return outcome;
    }
    const std::string& reason() const { return columns_.reason(); }
    bool may_span_lines() const { return columns_.may_span_lines(); }
    const char* find_record_end(const char* begin, const char* end) const {
      return columns_.find_record_end(begin, end);
    }

   private:
    Columns::Parser columns_;
    bool keeps_line_ = false;
  };

  class Writer {
   public:
    explicit Writer(const FlightFormat& format) : columns_(format.columns_) {}
    void append_header(std::string& out) { columns_.append_header(out); }
    void append(const Flight& flight, std::string& out) {
      if (flight.line.empty()) {
        columns_.append({flight.scheduled, flight.delay_min, flight.distance_mi, flight.origin,
                         flight.destination},
                        out);
      } else {
        out.append(flight.line.view()).append("\n");
      }
    }

   private:
    Columns::Writer columns_;
  };

 private:
  static constexpr std::string_view kHeader = "scheduled,delay_min,distance_mi,origin,destination";
  Columns columns_;
};

}  // namespace jobs
