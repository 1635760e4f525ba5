// Finds the files of an input and cuts large ones into splits.
//
// Splits are given out strictly in order of path and offset, one at a time, to whoever asks:
// readers stay close together in the input, and with one reader the order of the records is that of
// the files. Compressed files are one split each, and so is every file when records may span lines
// anywhere.
//
// Watching a directory: each discover() adds the files that were not there before, in order of
// path. A file counts once, by its path; what is appended later is not read, so files should be
// moved into the directory when they are complete (the file sink does).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/files/file_split.h"
#include "core/file_system.h"
#include "core/source.h"

namespace sluice {

struct FileEnumeratorOptions {
  FileSystem* files = nullptr;
  std::string path;
  uint64_t split_bytes = 4 * 1024 * 1024;
  /// False: every file is one split.
  bool splittable = true;
  /// Set: the input never ends, and new files are looked for this often.
  std::optional<Duration> watch_interval;
  /// Looks into a file before anything runs: its header, for example.
  std::function<Status(const std::string& path)> check_file;
};

class FileEnumerator final : public SplitEnumerator {
 public:
  /// How many files open() looks into; the others are checked when they are read.
  static constexpr size_t kCheckedFilesMax = 1000;

  explicit FileEnumerator(FileEnumeratorOptions options) : options_(std::move(options)) {}

  Status open(int source_parallelism) override;
  Assignment next(int subtask) override;
  void add_back(std::vector<SourceSplit> splits) override;
  std::optional<Duration> discovery_interval() const override { return options_.watch_interval; }
  Status discover() override;
  std::string snapshot() const override;
  Status restore(std::string_view state) override;

 private:
  struct PendingFile {
    std::string path;
    uint64_t size = 0;
    uint64_t next_begin = 0;  // What lies before was given out.
  };

  /// The next split of the first pending file.
  FileSplit cut_split();
  bool is_cuttable(const std::string& path) const;

  FileEnumeratorOptions options_;
  bool restored_ = false;
  std::deque<SourceSplit> returned_;
  std::deque<PendingFile> pending_;
  std::set<std::string> known_paths_;  // Only kept while watching.
};

}  // namespace sluice
