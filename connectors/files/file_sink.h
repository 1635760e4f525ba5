// Files as output: CSV, JSON lines and text in part files of a directory.
//
//   stream.sink_to(csv_files(args.path("output")).allow_subdirectory("late"));
//
// Parts are written hidden and become visible complete: when the checkpoint that contains them is
// complete, or without checkpoints when the job has finished. A reader of the directory never sees
// a part that may still change or vanish. Names and their recovery: part_name.h, part_files.h.
//
// A disk that is full ends the job with kResourceExhausted naming the file; nothing that looks
// complete is left. A writer's rows keep their order within its parts; there is none between
// subtasks.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/files/file_committer.h"
#include "connectors/files/output_directory.h"
#include "connectors/files/part_files.h"
#include "connectors/formats/csv.h"
#include "connectors/formats/json_lines.h"
#include "connectors/formats/line_format.h"
#include "connectors/formats/text.h"
#include "core/file_system.h"
#include "core/sink.h"

namespace sluice {

template <LineFormat Format>
class FileWriter final : public SinkWriter<typename Format::Record> {
 public:
  using Record = typename Format::Record;
  /// Sets `bucket` for a record; null when there are no buckets.
  using BucketOf = std::function<void(const Record& record, std::string& bucket)>;

  FileWriter(PartFilesOptions options, const Format& format, BucketOf bucket_of)
      : format_writer_(format),
        bucket_of_(std::move(bucket_of)),
        parts_(with_header(std::move(options), format_writer_)) {}

  Status open(SinkContext& context) override { return parts_.open(context); }
  void close() override {
    part_ = nullptr;
    parts_.close();
  }

  Result<WriteState> write(const TypedBatch<Record>& batch, uint32_t& row) override {
    for (; row < batch.rows(); ++row) {
      const Record& record = batch[row];
      if (bucket_of_) SLUICE_RETURN_IF_ERROR(choose_bucket(record));
      if (part_ == nullptr) {
        SLUICE_ASSIGN_OR_RETURN(part_, parts_.part_for(bucket_));
      }
      // Formats of changelogs write what happened to the row, too.
      if constexpr (requires { format_writer_.append(record, batch.kind(row), part_->buffer); }) {
        format_writer_.append(record, batch.kind(row), part_->buffer);
      } else {
        format_writer_.append(record, part_->buffer);
      }
      if (part_->buffer.size() < PartFiles::kBufferBytes) continue;
      PartFiles::Part& full = *std::exchange(part_, nullptr);
      SLUICE_RETURN_IF_ERROR(parts_.write_out(full));
    }
    part_ = nullptr;
    SLUICE_RETURN_IF_ERROR(parts_.roll_old());
    return WriteState::kDone;
  }

  Result<std::vector<std::string>> prepare_commit(CheckpointId checkpoint) override {
    part_ = nullptr;
    return parts_.prepare_commit(checkpoint);
  }
  Result<std::vector<std::string>> snapshot_state(CheckpointId checkpoint) override {
    return parts_.snapshot_state(checkpoint);
  }
  Redistribution state_redistribution() const override { return Redistribution::kUnion; }

 private:
  static PartFilesOptions with_header(PartFilesOptions options,
                                      typename Format::Writer& format_writer) {
    format_writer.append_header(options.header);
    return options;
  }
  Status choose_bucket(const Record& record) {
    next_bucket_.clear();
    bucket_of_(record, next_bucket_);
    if (next_bucket_.empty()) return Status::invalid_argument("a bucket has no name");
    if (next_bucket_ != bucket_) {
      part_ = nullptr;
      bucket_.swap(next_bucket_);
    }
    return Status::ok();
  }

  typename Format::Writer format_writer_;
  BucketOf bucket_of_;
  PartFiles parts_;
  PartFiles::Part* part_ = nullptr;  // Of bucket_, within one write().
  std::string bucket_;
  std::string next_bucket_;
};

/// Settings that all file sinks share. `Self` is the sink or its description.
template <class Self>
class FileSinkSettings {
 public:
  explicit FileSinkSettings(std::string directory) {
    directory_.path = std::move(directory);
    directory_.files = &local_file_system();
  }

  /// Removes the output of an earlier run at the start; other files in the directory are refused.
  Self overwrite(bool on = true) const {
    return with([&](auto& self) { self.directory_.overwrite = on; });
  }
  /// This subdirectory is another sink's and does not count as content.
  Self allow_subdirectory(std::string name) const {
    return with([&](auto& self) { self.directory_.allowed_subdirectories.push_back(name); });
  }
  Self rolling(RollingPolicy policy) const {
    return with([&](auto& self) { self.rolling_ = policy; });
  }
  Self file_system(FileSystem& files) const {
    return with([&](auto& self) { self.directory_.files = &files; });
  }

 protected:
  template <class Change>
  Self with(Change change) const {
    Self copy = static_cast<const Self&>(*this);
    change(static_cast<FileSinkSettings&>(copy));
    return copy;
  }

  template <class Other>
  friend class FileSinkSettings;
  /// The settings of a description go to the sink it makes.
  template <class Other>
  void take_settings(const FileSinkSettings<Other>& other) {
    directory_ = other.directory_;
    rolling_ = other.rolling_;
  }

  OutputDirectory directory_;
  RollingPolicy rolling_;
};

template <LineFormat Format>
class FileSink final : public Sink<typename Format::Record>,
                       public FileSinkSettings<FileSink<Format>> {
 public:
  using Record = typename Format::Record;
  using BucketOf = typename FileWriter<Format>::BucketOf;

  FileSink(std::string kind, std::string directory, Format format = Format())
      : FileSinkSettings<FileSink>(std::move(directory)),
        kind_(std::move(kind)),
        format_(std::move(format)) {}

  template <class Description>
  FileSink& take(const Description& description) {
    this->take_settings(description);
    return *this;
  }

  /// Each record goes to the subdirectory that `bucket_of(record)` names (a path below the
  /// directory, no step of it beginning with a dot).
  template <class F>
  FileSink bucket_by(F bucket_of) const {
    FileSink copy = *this;
    copy.bucket_of_ = [bucket_of](const Record& record, std::string& bucket) {
      bucket.append(std::string_view(bucket_of(record)));
    };
    return copy;
  }

  std::string name() const override { return kind_ + "(" + this->directory_.path + ")"; }
  Status validate(bool fresh_start) const override { return this->directory_.prepare(fresh_start); }
  std::unique_ptr<SinkWriter<Record>> create_writer() const override {
    PartFilesOptions options;
    options.directory = this->directory_;
    options.rolling = this->rolling_;
    options.suffix = format_.suffix();
    return std::make_unique<FileWriter<Format>>(std::move(options), format_, bucket_of_);
  }
  std::unique_ptr<Committer> create_committer() const override {
    return std::make_unique<FileCommitter>(this->directory_);
  }

 private:
  std::string kind_;
  Format format_;
  BucketOf bucket_of_;
};

/// A file sink for whatever record type the stream carries.
class CsvFiles final : public FileSinkSettings<CsvFiles> {
 public:
  CsvFiles(std::string directory, CsvOptions options)
      : FileSinkSettings(std::move(directory)), options_(options) {}
  template <class T>
  requires DescribedRecord<T> std::shared_ptr<const Sink<T>> make_sink()
  const {
    auto sink = std::make_shared<FileSink<CsvFormat<T>>>("csv_files", directory_.path,
                                                         CsvFormat<T>(options_));
    sink->take(*this);
    return sink;
  }

 private:
  CsvOptions options_;
};

class JsonLinesFiles final : public FileSinkSettings<JsonLinesFiles> {
 public:
  using FileSinkSettings::FileSinkSettings;
  template <class T>
  std::shared_ptr<const Sink<T>> make_sink() const {
    auto sink = std::make_shared<FileSink<JsonLinesFormat<T>>>("json_lines_files", directory_.path);
    sink->take(*this);
    return sink;
  }
};

class TextFiles final : public FileSinkSettings<TextFiles> {
 public:
  using FileSinkSettings::FileSinkSettings;
  template <class T>
  requires(std::is_same_v<T, Text> ||
           std::is_same_v<T, std::string>) std::shared_ptr<const Sink<T>> make_sink()
  const {
    auto sink = std::make_shared<FileSink<BasicTextFormat<T>>>("text_files", directory_.path);
    sink->take(*this);
    return sink;
  }
};

/// CSV parts with a header each: `stream.sink_to(csv_files(directory))`.
inline CsvFiles csv_files(std::string directory, CsvOptions options = {}) {
  return {std::move(directory), options};
}
/// One JSON object per line.
inline JsonLinesFiles json_lines_files(std::string directory) {
  return JsonLinesFiles(std::move(directory));
}
/// Lines of Text or std::string.
inline TextFiles text_files(std::string directory) { return TextFiles(std::move(directory)); }

/// The same with the record type written out, for buckets: `csv_files<Bid>(dir).bucket_by(...)`.
template <class T>
FileSink<CsvFormat<T>> csv_files(std::string directory, CsvOptions options = {}) {
  return {"csv_files", std::move(directory), CsvFormat<T>(options)};
}
template <class T>
FileSink<JsonLinesFormat<T>> json_lines_files(std::string directory) {
  return {"json_lines_files", std::move(directory)};
}
template <class T>
FileSink<BasicTextFormat<T>> text_files(std::string directory) {
  return {"text_files", std::move(directory)};
}

}  // namespace sluice
