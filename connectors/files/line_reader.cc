#include "connectors/files/line_reader.h"

namespace sluice {
namespace {

int64_t count_line_ends(const char* bytes, size_t size) {
  return std::count(bytes, bytes + size, '\n');
}

}  // namespace

Status LineReader::open(FileSystem& files, const std::string& path, uint64_t position) {
  SLUICE_RETURN_IF_ERROR(open_stream(files, path, position));
  const auto too_short = [&] {
    return Status::corruption(path + ": shorter than the position to go on from (" +
                              std::to_string(position) + ")");
  };
  if (compression_ != Compression::kNone) {
    while (base_ + end_ < position) {
      SLUICE_ASSIGN_OR_RETURN(const bool more, fill(end_));
      if (!more) return too_short();
    }
    begin_ = position - base_;
  } else if (position > 0) {
    SLUICE_ASSIGN_OR_RETURN(const FileInfo info, files.stat(path));
    if (info.size < position) return too_short();
  }
  if (position > 0) return Status::ok();
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  while (end_ < kByteOrderMark.size() && !at_end_) {
    SLUICE_ASSIGN_OR_RETURN(const bool more, fill(0));
    (void)more;
  }
  if (std::string_view(buffer_.data(), end_).starts_with(kByteOrderMark)) {
    begin_ = kByteOrderMark.size();
  }
  return Status::ok();
}

Status LineReader::open_at_next_line(FileSystem& files, const std::string& path,
                                     uint64_t position) {
  if (position == 0) return open(files, path, 0);
  // The byte before tells whether a line starts at `position` itself.
  SLUICE_RETURN_IF_ERROR(open_stream(files, path, position - 1));
  SLUICE_CHECK(compression_ == Compression::kNone);
  return skip_line();
}

Status LineReader::open_stream(FileSystem& files, const std::string& path, uint64_t offset) {
  close();
  SLUICE_ASSIGN_OR_RETURN(file_, files.open_read(path));
  SLUICE_ASSIGN_OR_RETURN(compression_, detect_compression(*file_));
  if (buffer_.empty()) buffer_.resize(kBlockBytes);
  const bool is_plain = compression_ == Compression::kNone;
  base_ = is_plain ? offset : 0;
  SLUICE_ASSIGN_OR_RETURN(stream_, open_byte_stream(*file_, compression_, base_));
  if (counted_path_ != path || !is_plain) {
    counted_path_ = path;
    counted_to_ = 0;
    counted_lines_ = 0;
  }
  return Status::ok();
}

void LineReader::close() {
  stream_.reset();
  file_.reset();
  begin_ = end_ = 0;
  base_ = line_start_ = 0;
  at_end_ = false;
}

Result<LineReader::Next> LineReader::next_slow(std::string_view& line) {
  size_t scanned = 0;
  while (true) {
    const char* start = buffer_.data() + begin_;
    const void* found = std::memchr(start + scanned, '\n', end_ - begin_ - scanned);
    if (found != nullptr) {
      const auto size = static_cast<size_t>(static_cast<const char*>(found) - start);
      if (size > line_bytes_max_) return next_too_long(line);
      line_start_ = base_ + begin_;
      begin_ += size + 1;
      line = without_line_end(start, size);
      return Next::kLine;
    }
    scanned = end_ - begin_;
    if (scanned > line_bytes_max_) return next_too_long(line);
    SLUICE_ASSIGN_OR_RETURN(const bool more, fill(begin_));
    if (more) continue;
    if (scanned == 0) return Next::kEnd;
    line_start_ = base_ + begin_;
    line = without_line_end(buffer_.data() + begin_, scanned);
    begin_ = end_;
    return Next::kLine;
  }
}

Result<LineReader::Next> LineReader::next_too_long(std::string_view& line) {
  line_start_ = base_ + begin_;
  shown_.assign(buffer_.data() + begin_, std::min(kTooLongShownBytes, line_bytes_max_));
  line = shown_;
  SLUICE_RETURN_IF_ERROR(skip_line());
  return Next::kTooLong;
}

Status LineReader::skip_line() {
  while (true) {
    const char* start = buffer_.data() + begin_;
    const void* found = std::memchr(start, '\n', end_ - begin_);
    if (found != nullptr) {
      begin_ += static_cast<size_t>(static_cast<const char*>(found) - start) + 1;
      return Status::ok();
    }
    begin_ = end_;
    SLUICE_ASSIGN_OR_RETURN(const bool more, fill(begin_));
    if (!more) return Status::ok();
  }
}

Result<bool> LineReader::fill(size_t keep_from) {
  if (at_end_) return false;
  forget_before(keep_from);
  if (buffer_.size() < end_ + kBlockBytes) {
    buffer_.resize(std::max(end_ + kBlockBytes, buffer_.size() * 2));
  }
  SLUICE_ASSIGN_OR_RETURN(const size_t got, stream_->read(buffer_.data() + end_, kBlockBytes));
  end_ += got;
  at_end_ = got == 0;
  return got > 0;
}

void LineReader::forget_before(size_t keep_from) {
  if (keep_from == 0) return;
  if (compression_ != Compression::kNone) {
    counted_lines_ += count_line_ends(buffer_.data(), keep_from);
    counted_to_ = base_ + keep_from;
  }
  std::memmove(buffer_.data(), buffer_.data() + keep_from, end_ - keep_from);
  base_ += keep_from;
  begin_ -= std::min(begin_, keep_from);
  end_ -= keep_from;
}

Result<int64_t> LineReader::line_number() {
  if (compression_ != Compression::kNone) {
    // The start of a line that was too long may lie before the buffer, with no line end between.
    if (line_start_ < base_) return 1 + counted_lines_;
    return 1 + counted_lines_ + count_line_ends(buffer_.data(), line_start_ - base_);
  }
  if (line_start_ < counted_to_) counted_to_ = counted_lines_ = 0;
  std::vector<char> block(kBlockBytes);
  while (counted_to_ < line_start_) {
    const size_t wanted = std::min<uint64_t>(kBlockBytes, line_start_ - counted_to_);
    SLUICE_ASSIGN_OR_RETURN(const size_t got, file_->pread(counted_to_, block.data(), wanted));
    if (got == 0) break;
    counted_lines_ += count_line_ends(block.data(), got);
    counted_to_ += got;
  }
  return 1 + counted_lines_;
}

}  // namespace sluice
