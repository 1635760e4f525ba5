// What every Nexmark query shares: its input, its flags and where its rows go.
//
//   SLUICE_JOB(nexmark_q2) {
//     const NexmarkJob job(env, args);
//     job.write(job.bids([](const Bid& bid) { return Row{bid.auction, bid.price}; })
//                   .filter([](const Row& row) { return row.auction % 123 == 0; }));
//   }
//
// Input: --events FILE, or without it the generator. A file is read by one subtask and what is made
// of its events before the first key_by runs in the same task, so that order and watermarks are
// those of the file and results do not depend on the parallelism.
//
// --source kafka reads the topic --events-topic instead, as it is when the job starts, and
// --sink kafka writes JSON rows to --results-topic, exactly once when there are checkpoints.
//
// Output: --output DIR, or without it none (as in the benchmark). A query whose result is a
// changing table writes every change (--output-mode changelog, the default) or the table at the end
// (final).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "api/stream.h"
#include "connectors/blackhole_sink.h"
#include "connectors/dead_letter_file.h"
#include "connectors/files/file_sink.h"
#include "connectors/formats/changelog.h"
#include "connectors/kafka/kafka_sink.h"
#include "connectors/nexmark/event_format.h"
#include "connectors/nexmark/nexmark_source.h"

namespace jobs::nexmark {

using sluice::nexmark::Auction;
using sluice::nexmark::Bid;
using sluice::nexmark::Event;
using sluice::nexmark::Person;

/// A time at which only the end of the input's watermark fires: for rows that are written once,
/// when everything is known.
inline constexpr sluice::EventTime kEndOfInput{sluice::kMaxTime.ms - 1};

class NexmarkJob {
 public:
  /// Keeps an operator before the first key_by in the task that reads the file.
  template <class S>
  S beside_source(S stream) const {
    return source_parallelism_ > 0 ? stream.set_parallelism(source_parallelism_) : stream;
  }

 private:
  // Defined first, because the functions below take their type from it.
  template <bool (Event::*kIsWanted)() const, class Project>
  auto select(Project project) const {
    const auto wanted =
        beside_source(events_->filter([](const Event& event) { return (event.*kIsWanted)(); }));
    return beside_source(wanted.map(std::move(project)));
  }

 public:
  NexmarkJob(sluice::StreamEnvironment& env, const sluice::Arguments& args);

  /// The bids / auctions / people of the input, each through `project`.
  template <class F>
  auto bids(F project) const {
    return select<&Event::is_bid>([project](const Event& event) -> decltype(auto) {
      return std::invoke(project, event.bid());
    });
  }
  auto bids() const {
    return bids([](const Bid& bid) -> const Bid& { return bid; });
  }
  template <class F>
  auto auctions(F project) const {
    return select<&Event::is_auction>([project](const Event& event) -> decltype(auto) {
      return std::invoke(project, event.auction());
    });
  }
  auto auctions() const {
    return auctions([](const Auction& auction) -> const Auction& { return auction; });
  }
  /// Any number of records for each event: f(event, Collector<U>&).
  template <class F>
  auto events(F function) const {
    return beside_source(events_->flat_map(std::move(function)));
  }
  template <class F>
  auto people(F project) const {
    return select<&Event::is_person>([project](const Event& event) -> decltype(auto) {
      return std::invoke(project, event.person());
    });
  }

  /// Rows that never change once they are there.
  template <class Row>
  void write(const sluice::DataStream<Row>& rows) const {
    if (to_kafka_) {
      rows.sink_to(topic(sluice::JsonLinesFormat<Row>())).uid("results");
    } else if (output_.empty()) {
      rows.sink_to(sluice::blackhole()).uid("results");
    } else if (json_) {
      rows.sink_to(set_up(sluice::json_lines_files<Row>(output_))).uid("results");
    } else {
      rows.sink_to(set_up(sluice::csv_files<Row>(output_))).uid("results");
    }
  }
  /// The same, each row into the subdirectory that bucket_of(row) names.
  template <class Row, class F>
  void write_partitioned(const sluice::DataStream<Row>& rows, F bucket_of) const {
    if (to_kafka_) {
      // A topic has no directories; rows go on from where they are.
      write(rows);
    } else if (output_.empty()) {
      rows.sink_to(sluice::blackhole()).uid("results");
    } else if (json_) {
      rows.sink_to(set_up(sluice::json_lines_files<Row>(output_)).bucket_by(bucket_of))
          .uid("results");
    } else {
      rows.sink_to(set_up(sluice::csv_files<Row>(output_)).bucket_by(bucket_of)).uid("results");
    }
  }
  /// Rows of a changing table, with their kind: all changes, or with final_only() rows that stay.
  template <class Row>
  void write_changes(const sluice::DataStream<Row>& rows) const {
    if (final_only_ || (output_.empty() && !to_kafka_)) {
      write(rows);
    } else if (to_kafka_) {
      rows.sink_to(topic(sluice::ChangelogJsonLinesFormat<Row>())).uid("results");
    } else if (json_) {
      using Format = sluice::ChangelogJsonLinesFormat<Row>;
      rows.sink_to(set_up(sluice::FileSink<Format>("json_lines_files", output_))).uid("results");
    } else {
      using Format = sluice::ChangelogCsvFormat<Row>;
      rows.sink_to(set_up(sluice::FileSink<Format>("csv_files", output_))).uid("results");
    }
  }
  /// --output-mode final: the query keeps its rows until the end of the input.
  bool final_only() const { return final_only_; }

 private:
  static constexpr const char* kDeadLetters = "dead-letter";

  template <class Format>
  auto topic(Format format) const {
    auto sink = sluice::kafka_sink(format).brokers(brokers_).topic(results_topic_).create_topic(4);
    return exactly_once_ ? sink.exactly_once() : sink.at_least_once();
  }

  template <class S>
  S set_up(const S& sink) const {
    return sink.overwrite(overwrite_).allow_subdirectory(kDeadLetters);
  }

  std::optional<sluice::DataStream<Event>> events_;
  int source_parallelism_ = 0;  // 0 = the job's.
  std::string output_;
  bool to_kafka_ = false;
  bool exactly_once_ = false;
  std::string brokers_;
  std::string results_topic_;
  bool json_ = false;
  bool final_only_ = false;
  bool overwrite_ = false;
};

}  // namespace jobs::nexmark
