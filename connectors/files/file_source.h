// Files as input: CSV, JSON lines and text; one file, a directory, or a pattern.
//
//   env.from_source(csv_file<Flight>("flights/").split_bytes(1 << 20), ...)
//
// The enumerator (file_enumerator.h) cuts large files into splits; a reader of split [a, b) reads
// every line that begins there. Which bytes mean which record is the format's business
// (formats/line_format.h), given as template parameter so that the code per record is inlined.
//
// Lines that do not parse go to SourceContext::bad_record with "path:line", the reason and the
// bytes as they came. Reading happens on the task's thread in blocks of 256 KiB. The position in a
// snapshot is exactly behind the last row given out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/files/file_enumerator.h"
#include "connectors/files/file_split.h"
#include "connectors/files/line_reader.h"
#include "connectors/files/read_rate.h"
#include "connectors/formats/csv.h"
#include "connectors/formats/json_lines.h"
#include "connectors/formats/line_format.h"
#include "connectors/formats/text.h"
#include "core/file_system.h"
#include "core/source.h"

namespace sluice {

/// What a FileSource is told; see the methods of the same names.
struct FileSourceOptions {
  std::string path;
  uint64_t split_bytes = 4 * 1024 * 1024;
  std::optional<Duration> watch_interval;
  size_t line_bytes_max = LineReader::kLineBytesMax;
  size_t spanning_bytes_max = 1024 * 1024;
  int64_t rows_per_second = 0;
  FileSystem* files = nullptr;
};

template <LineFormat Format>
class FileReader final : public SourceReader<typename Format::Record> {
 public:
  using Record = typename Format::Record;

  FileReader(FileSourceOptions options, const Format& format)
      : options_(std::move(options)), parser_(format), lines_(options_.line_bytes_max) {}

  Status open(SourceContext& context) override {
    context_ = &context;
    rate_.start(options_.rows_per_second, context.task, *context.clock);
    return Status::ok();
  }
  void close() override { lines_.close(); }
  int64_t next_poll_ms() const override {
    return waits_for_rate_ ? rate_.next_ms() : Operator::kNoTimer;
  }

  Status add_split(const SourceSplit& split) override {
    SLUICE_ASSIGN_OR_RETURN(FileSplit file, FileSplit::decode(split));
    splits_.push_back({std::move(file), SplitState::kReading});
    return Status::ok();
  }
  Result<PollResult> poll(TypedBatch<Record>& batch, uint32_t rows_max) override;
  std::vector<SourceSplit> snapshot() const override;
  void pause_splits(const std::vector<int>& paused) override;

 private:
  enum class SplitState { kReading, kPaused, kFinished };
  struct Split {
    FileSplit file;
    SplitState state;
  };
  static constexpr int kNone = -1;

  int choose_split();
  Status open_split(const FileSplit& file);
  Status open_split_read_header(const std::string& path);
  /// Takes lines until a limit; true at the end of the split.
  Result<bool> read_lines(const FileSplit& file, TypedBatch<Record>& batch, uint32_t rows_max);
  Status read_spanning(const FileSplit& file, TypedBatch<Record>& batch);
  Status report(const FileSplit& file, const std::string& reason, std::string_view raw);

  FileSourceOptions options_;
  typename Format::Parser parser_;
  LineReader lines_;
  SourceContext* context_ = nullptr;
  std::vector<Split> splits_;  // By index; finished ones are empty.
  size_t first_unfinished_ = 0;
  int current_ = kNone;
  std::string header_path_;  // The file whose header the parser knows.
  Record record_{};
  ReadRate rate_;
  bool waits_for_rate_ = false;
};

/// What a job author passes to from_source(); a value with chained settings.
template <LineFormat Format>
class FileSource final : public Source<typename Format::Record> {
 public:
  using Record = typename Format::Record;

  FileSource(std::string kind, std::string path, Format format = Format())
      : kind_(std::move(kind)), format_(std::move(format)) {
    options_.path = std::move(path);
    options_.files = &local_file_system();
  }

  /// Files larger than this are read by several subtasks, one part of this size at a time.
  FileSource split_bytes(uint64_t bytes) const {
    return with([&](auto& options) { options.split_bytes = bytes; });
  }
  /// The input never ends: the directory or pattern is looked at again after each `interval`.
  FileSource monitor_continuously(Duration interval) const {
    return with([&](auto& options) { options.watch_interval = interval; });
  }
  /// Longer lines are bad records.
  FileSource line_bytes_max(size_t bytes) const {
    return with([&](auto& options) { options.line_bytes_max = bytes; });
  }
  /// Longer records of several lines are bad records.
  FileSource spanning_bytes_max(size_t bytes) const {
    return with([&](auto& options) { options.spanning_bytes_max = bytes; });
  }
  /// Reads at most this many rows a second over all subtasks; 0 = as fast as possible.
  FileSource rows_per_second(int64_t rows) const {
    return with([&](auto& options) { options.rows_per_second = rows; });
  }
  FileSource file_system(FileSystem& files) const {
    return with([&](auto& options) { options.files = &files; });
  }

  bool is_bounded() const override { return !options_.watch_interval; }
  std::string name() const override { return kind_ + "(" + options_.path + ")"; }
  const FileSourceOptions& options() const { return options_; }

  std::unique_ptr<SplitEnumerator> create_enumerator() const override {
    FileEnumeratorOptions enumerator;
    enumerator.files = options_.files;
    enumerator.path = options_.path;
    enumerator.split_bytes = options_.split_bytes;
    enumerator.watch_interval = options_.watch_interval;
    if constexpr (requires { format_.options().multiline; }) {
      enumerator.splittable = !format_.options().multiline;
    }
    enumerator.check_file = [options = options_, format = format_](const std::string& path) {
      return check_file(options, format, path);
    };
    return std::make_unique<FileEnumerator>(std::move(enumerator));
  }
  std::unique_ptr<SourceReader<Record>> create_reader() const override {
    return std::make_unique<FileReader<Format>>(options_, format_);
  }

 private:
  template <class Change>
  FileSource with(Change change) const {
    FileSource copy = *this;
    change(copy.options_);
    return copy;
  }
  static Status check_file(const FileSourceOptions& options, const Format& format,
                           const std::string& path);

  std::string kind_;
  FileSourceOptions options_;
  Format format_;
};

/// Records of type T from CSV files with a header; see formats/csv.h.
template <class T>
FileSource<CsvFormat<T>> csv_file(std::string path, CsvOptions options = {}) {
  return {"csv_file", std::move(path), CsvFormat<T>(options)};
}
/// Records of type T from files with one JSON object per line.
template <class T>
FileSource<JsonLinesFormat<T>> json_lines_file(std::string path) {
  return {"json_lines_file", std::move(path)};
}
/// Lines of text.
inline FileSource<TextFormat> text_file(std::string path) { return {"text_file", std::move(path)}; }

// ---- implementation -----------------------------------------------------------------------------

namespace detail {

/// Gives the header of `path` to the parser; the lines are left behind it.
template <class Parser>
Status read_header_line(LineReader& lines, const std::string& path, Parser& parser) {
  std::string_view line;
  SLUICE_ASSIGN_OR_RETURN(const LineReader::Next next, lines.next(line));
  if (next == LineReader::Next::kTooLong) {
    return Status::invalid_argument(path + ": the header line is too long");
  }
  if (next == LineReader::Next::kEnd) line = {};
  return parser.parse_header(line).with_prefix(path + ": ");
}

}  // namespace detail

template <LineFormat Format>
Status FileSource<Format>::check_file(const FileSourceOptions& options, const Format& format,
                                      const std::string& path) {
  LineReader lines(options.line_bytes_max);
  SLUICE_RETURN_IF_ERROR(lines.open(*options.files, path, 0));
  typename Format::Parser parser(format);
  if (!parser.expects_header()) return Status::ok();
  return detail::read_header_line(lines, path, parser);
}

template <LineFormat Format>
int FileReader<Format>::choose_split() {
  if (current_ != kNone && splits_[static_cast<size_t>(current_)].state == SplitState::kReading) {
    return current_;
  }
  while (first_unfinished_ < splits_.size() &&
         splits_[first_unfinished_].state == SplitState::kFinished) {
    ++first_unfinished_;
  }
  for (size_t i = first_unfinished_; i < splits_.size(); ++i) {
    if (splits_[i].state == SplitState::kReading) return static_cast<int>(i);
  }
  return kNone;
}

template <LineFormat Format>
Result<PollResult> FileReader<Format>::poll(TypedBatch<Record>& batch, uint32_t rows_max) {
  PollResult result;
  const int chosen = choose_split();
  if (chosen == kNone) {
    // What is unfinished is paused: the engine resumes it and polls again then.
    const bool all_finished = first_unfinished_ == splits_.size();
    result.state = all_finished ? PollState::kNeedSplit : PollState::kNothingYet;
    return result;
  }
  rows_max = rate_.allow(rows_max);
  waits_for_rate_ = rows_max == 0;
  if (waits_for_rate_) return result;
  Split& split = splits_[static_cast<size_t>(chosen)];
  if (chosen != current_ || !lines_.is_open()) {
    SLUICE_RETURN_IF_ERROR(open_split(split.file));
    current_ = chosen;
  }
  // Texts that a default-constructed record makes belong to this batch as well.
  const ArenaScope scope(&batch.own_arena());
  record_ = Record{};
  SLUICE_ASSIGN_OR_RETURN(const bool finished, read_lines(split.file, batch, rows_max));
  rate_.note(batch.rows());
  split.file.position = lines_.position();
  result.split = chosen;
  result.state = PollState::kMore;
  if (finished) {
    split = {FileSplit(), SplitState::kFinished};
    lines_.close();
    current_ = kNone;
    result.split_finished = true;
    if (choose_split() == kNone) result.state = PollState::kNeedSplit;
  }
  return result;
}

template <LineFormat Format>
Status FileReader<Format>::open_split(const FileSplit& file) {
  if (parser_.expects_header() && header_path_ != file.path) {
    SLUICE_RETURN_IF_ERROR(open_split_read_header(file.path));
  }
  if (file.position != FileSplit::kNotStarted) {
    return lines_.open(*options_.files, file.path, file.position);
  }
  SLUICE_RETURN_IF_ERROR(lines_.open_at_next_line(*options_.files, file.path, file.begin));
  if (file.begin > 0 || !parser_.expects_header()) return Status::ok();
  std::string_view header;
  return lines_.next(header).status();
}

template <LineFormat Format>
Status FileReader<Format>::open_split_read_header(const std::string& path) {
  SLUICE_RETURN_IF_ERROR(lines_.open(*options_.files, path, 0));
  SLUICE_RETURN_IF_ERROR(detail::read_header_line(lines_, path, parser_));
  header_path_ = path;
  return Status::ok();
}

template <LineFormat Format>
Result<bool> FileReader<Format>::read_lines(const FileSplit& file, TypedBatch<Record>& batch,
                                            uint32_t rows_max) {
  // A poll is bounded also where lines give no rows.
  const uint64_t stop_at = lines_.position() + LineReader::kBlockBytes;
  const uint32_t rows_end = batch.rows() + rows_max;
  while (batch.rows() < rows_end && !batch.is_full() && lines_.position() < stop_at) {
    if (lines_.position() >= file.end) return true;
    std::string_view line;
    if (!lines_.next_buffered(line)) {
      SLUICE_ASSIGN_OR_RETURN(const LineReader::Next next, lines_.next(line));
      if (next == LineReader::Next::kEnd) return true;
      if (next == LineReader::Next::kTooLong) {
        SLUICE_RETURN_IF_ERROR(report(
            file, "a line of more than " + std::to_string(options_.line_bytes_max) + " bytes",
            line));
        continue;
      }
    }
    if constexpr (kKeepsCarriageReturn<Format>) line = lines_.with_carriage_return(line);
    switch (parser_.parse(line, record_, batch.own_arena())) {
      case LineOutcome::kRecord:
        batch.push(record_);
        break;
      case LineOutcome::kSkip:
        break;
      case LineOutcome::kBad:
        SLUICE_RETURN_IF_ERROR(report(file, parser_.reason(), lines_.line_again()));
        break;
      case LineOutcome::kUnclosed:
        SLUICE_RETURN_IF_ERROR(read_spanning(file, batch));
        break;
    }
  }
  return false;
}

// A record that goes on behind its first line. When its end is not found the first line alone is
// bad, so that one stray quote does not swallow the file.
template <LineFormat Format>
Status FileReader<Format>::read_spanning(const FileSplit& file, TypedBatch<Record>& batch) {
  std::string reason = parser_.reason();
  if (file.is_whole_file()) {
    const auto find_end = [&](const char* begin, const char* end) {
      return parser_.find_record_end(begin, end);
    };
    std::string_view record;
    SLUICE_ASSIGN_OR_RETURN(const bool found,
                            lines_.extend(find_end, options_.spanning_bytes_max, record));
    if (found) {
      const LineOutcome outcome = parser_.parse(record, record_, batch.own_arena());
      if (outcome == LineOutcome::kRecord || outcome == LineOutcome::kBad) {
        lines_.accept_extension();
        if (outcome == LineOutcome::kBad) return report(file, parser_.reason(), record);
        batch.push(record_);
        return Status::ok();
      }
    }
    reason = "a quoted cell is never closed";
  }
  return report(file, reason, lines_.line_again());
}

template <LineFormat Format>
Status FileReader<Format>::report(const FileSplit& file, const std::string& reason,
                                  std::string_view raw) {
  SLUICE_ASSIGN_OR_RETURN(const int64_t number, lines_.line_number());
  context_->bad_record(file.path + ":" + std::to_string(number), reason, raw);
  return Status::ok();
}

template <LineFormat Format>
std::vector<SourceSplit> FileReader<Format>::snapshot() const {
  std::vector<SourceSplit> unfinished;
  for (const auto& split : splits_) {
    if (split.state != SplitState::kFinished) unfinished.push_back(split.file.encode());
  }
  return unfinished;
}

template <LineFormat Format>
void FileReader<Format>::pause_splits(const std::vector<int>& paused) {
  for (auto& split : splits_) {
    if (split.state == SplitState::kPaused) split.state = SplitState::kReading;
  }
  for (const int index : paused) {
    Split& split = splits_[static_cast<size_t>(index)];
    if (split.state == SplitState::kReading) split.state = SplitState::kPaused;
  }
}

}  // namespace sluice
