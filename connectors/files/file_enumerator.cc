#include "connectors/files/file_enumerator.h"

#include <algorithm>

#include "connectors/files/byte_stream.h"
#include "connectors/files/find_files.h"
#include "core/codec.h"

namespace sluice {
namespace {

constexpr uint8_t kStateVersion = 1;  // In checkpoints; grows with each change of the layout.

}  // namespace

Status FileEnumerator::open(int /*source_parallelism*/) {
  if (options_.split_bytes == 0) {
    return Status::invalid_argument("the split size of " + options_.path + " is 0");
  }
  // The state of a snapshot says what is left; what lies in the directory by now is discover()'s.
  if (restored_) return Status::ok();
  if (options_.watch_interval) {
    auto found = find_files_now(*options_.files, options_.path);
    if (!found.is_ok()) {
      if (found.status().code() != StatusCode::kNotFound) return found.status();
      return Status::not_found("no such directory: " + options_.path);
    }
  }
  SLUICE_RETURN_IF_ERROR(discover());
  for (size_t i = 0; i < std::min(pending_.size(), kCheckedFilesMax); ++i) {
    if (options_.check_file) SLUICE_RETURN_IF_ERROR(options_.check_file(pending_[i].path));
  }
  return Status::ok();
}

Status FileEnumerator::discover() {
  SLUICE_ASSIGN_OR_RETURN(const auto found, options_.watch_interval
                                                ? find_files_now(*options_.files, options_.path)
                                                : find_files(*options_.files, options_.path));
  for (const auto& info : found) {
    // A file without bytes is one that somebody has only begun to write.
    if (options_.watch_interval && (info.size == 0 || !known_paths_.insert(info.path).second)) {
      continue;
    }
    pending_.push_back({info.path, info.size, 0});
  }
  return Status::ok();
}

SplitEnumerator::Assignment FileEnumerator::next(int /*subtask*/) {
  Assignment assignment;
  if (!returned_.empty()) {
    assignment.splits.push_back(std::move(returned_.front()));
    returned_.pop_front();
  } else if (!pending_.empty()) {
    assignment.splits.push_back(cut_split().encode());
  } else {
    assignment.no_more = !options_.watch_interval;
  }
  return assignment;
}

FileSplit FileEnumerator::cut_split() {
  PendingFile& file = pending_.front();
  FileSplit split;
  split.path = file.path;
  const bool is_large = file.size > options_.split_bytes;
  if (!is_large || (file.next_begin == 0 && !is_cuttable(file.path))) {
    pending_.pop_front();
    return split;
  }
  split.begin = file.next_begin;
  if (file.size - split.begin <= options_.split_bytes) {
    pending_.pop_front();  // The last one reads to the end, wherever that is by then.
    return split;
  }
  split.end = file.next_begin = split.begin + options_.split_bytes;
  return split;
}

bool FileEnumerator::is_cuttable(const std::string& path) const {
  if (!options_.splittable) return false;
  // A file that cannot be opened is one split: its reader reports why.
  const auto file = options_.files->open_read(path);
  if (!file.is_ok()) return false;
  const auto compression = detect_compression(**file);
  return compression.is_ok() && *compression == Compression::kNone;
}

void FileEnumerator::add_back(std::vector<SourceSplit> splits) {
  // In front and in their order: they are the oldest part of the input.
  returned_.insert(returned_.begin(), std::make_move_iterator(splits.begin()),
                   std::make_move_iterator(splits.end()));
}

std::string FileEnumerator::snapshot() const {
  std::string state;
  ByteWriter writer(state);
  writer.fixed(kStateVersion);
  writer.fixed(static_cast<uint32_t>(returned_.size()));
  for (const auto& split : returned_) {
    writer.text(split.id);
    writer.text(split.data);
  }
  writer.fixed(static_cast<uint32_t>(pending_.size()));
  for (const auto& file : pending_) {
    writer.text(file.path);
    writer.fixed(file.size);
    writer.fixed(file.next_begin);
  }
  writer.fixed(static_cast<uint32_t>(known_paths_.size()));
  for (const auto& path : known_paths_) writer.text(path);
  return state;
}

Status FileEnumerator::restore(std::string_view state) {
  ByteReader reader(state);
  const auto version = reader.fixed<uint8_t>();
  returned_.clear();
  pending_.clear();
  known_paths_.clear();
  for (uint32_t left = reader.count(); left > 0; --left) {
    SourceSplit split;
    split.id = reader.text();
    split.data = reader.text();
    returned_.push_back(std::move(split));
  }
  for (uint32_t left = reader.count(); left > 0; --left) {
    PendingFile file;
    file.path = reader.text();
    file.size = reader.fixed<uint64_t>();
    file.next_begin = reader.fixed<uint64_t>();
    pending_.push_back(std::move(file));
  }
  for (uint32_t left = reader.count(); left > 0; --left) {
    known_paths_.emplace(reader.text());
  }
  if (version != kStateVersion || reader.failed() || !reader.at_end()) {
    return Status::corruption("state of the file source " + options_.path + ": unknown layout");
  }
  restored_ = true;
  return Status::ok();
}

}  // namespace sluice
