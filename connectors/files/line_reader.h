// Lines of a file, a block at a time, with the exact position of each.
//
// A line ends with "\n"; a "\r" before it is not part of the line; the last line may have no end. A
// byte order mark at the start of the file is passed over. Lines longer than the limit come as
// kTooLong with their first bytes. Positions are those of the unpacked bytes: in a compressed file
// one is reached by unpacking what lies before it. Views live until the next call. One thread.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/files/byte_stream.h"
#include "core/file_system.h"

namespace sluice {

class LineReader {
 public:
  static constexpr size_t kBlockBytes = 256 * 1024;
  static constexpr size_t kLineBytesMax = 16 * 1024 * 1024;
  /// What is shown of a line that is too long.
  static constexpr size_t kTooLongShownBytes = 1024;

  explicit LineReader(size_t line_bytes_max = kLineBytesMax) : line_bytes_max_(line_bytes_max) {}

  /// Starts at `position`, which is the start of a line.
  Status open(FileSystem& files, const std::string& path, uint64_t position);
  /// Starts with the first line that begins at `position` or later; plain files only.
  Status open_at_next_line(FileSystem& files, const std::string& path, uint64_t position);
  void close();
  bool is_open() const { return stream_ != nullptr; }

  enum class Next { kLine, kTooLong, kEnd };
  Result<Next> next(std::string_view& line) {
    if (next_buffered(line)) return Next::kLine;
    return next_slow(line);
  }
  /// next() while a whole line is in the buffer: the fast path of hot loops.
  bool next_buffered(std::string_view& line) {
    const char* start = buffer_.data() + begin_;
    const void* found = std::memchr(start, '\n', end_ - begin_);
    if (found == nullptr) return false;
    const auto size = static_cast<size_t>(static_cast<const char*>(found) - start);
    if (size > line_bytes_max_) return false;
    line_start_ = base_ + begin_;
    begin_ += size + 1;
    line = without_line_end(start, size);
    return true;
  }

  /// Makes the line given last longer: `find_end(begin, end)` looks for the line end at which the
  /// record that starts there ends, null when it is not before `end`. At the end of the file all
  /// the rest is the record. False when the record is longer than `bytes_max`. The position stays
  /// behind the first line until accept_extension().
  template <class FindEnd>
  Result<bool> extend(const FindEnd& find_end, size_t bytes_max, std::string_view& record);
  void accept_extension() { begin_ = extension_end_; }
  /// The line given last, as next() gave it.
  std::string_view line_again() const {
    const size_t from = line_start_ - base_;
    const bool has_end = begin_ > from && buffer_[begin_ - 1] == '\n';
    return without_line_end(buffer_.data() + from, begin_ - from - (has_end ? 1 : 0));
  }

  /// The line given last with the "\r" that stood before its line end, if there was one.
  std::string_view with_carriage_return(std::string_view line) const {
    const size_t end = line_start_ - base_ + line.size();
    return {line.data(), end < begin_ && buffer_[end] == '\r' ? line.size() + 1 : line.size()};
  }

  /// Where the line given last starts, and where the next one does.
  uint64_t line_start() const { return line_start_; }
  uint64_t position() const { return base_ + begin_; }
  Compression compression() const { return compression_; }

  /// The number (the first is 1) of the line given last. Counts the line ends before it, which may
  /// read the file from its start.
  Result<int64_t> line_number();

 private:
  static std::string_view without_line_end(const char* start, size_t size) {
    return {start, size > 0 && start[size - 1] == '\r' ? size - 1 : size};
  }
  Status open_stream(FileSystem& files, const std::string& path, uint64_t offset);
  Result<Next> next_slow(std::string_view& line);
  Result<Next> next_too_long(std::string_view& line);
  /// Moves behind the next line end, or to the end of the file.
  Status skip_line();
  /// Reads on behind end_ and forgets what is before `keep_from`. False at the end of the file.
  Result<bool> fill(size_t keep_from);
  void forget_before(size_t keep_from);

  const size_t line_bytes_max_;
  std::unique_ptr<ReadableFile> file_;
  std::unique_ptr<ByteStream> stream_;
  Compression compression_ = Compression::kNone;
  bool at_end_ = false;
  // Invariant: begin_ <= end_ <= buffer_.size(), and buffer_[0] is byte base_ of the unpacked file.
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t base_ = 0;
  uint64_t line_start_ = 0;
  size_t extension_end_ = 0;
  std::string shown_;
  // Line ends before byte counted_to_ of counted_path_. In compressed files counted_to_ == base_.
  std::string counted_path_;
  uint64_t counted_to_ = 0;
  int64_t counted_lines_ = 0;
};

// ---- implementation -----------------------------------------------------------------------------

template <class FindEnd>
Result<bool> LineReader::extend(const FindEnd& find_end, size_t bytes_max,
                                std::string_view& record) {
  while (true) {
    const size_t from = line_start_ - base_;
    const char* start = buffer_.data() + from;
    const char* end = find_end(start, static_cast<const char*>(buffer_.data() + end_));
    if (end == nullptr && !at_end_) {
      if (end_ - from > bytes_max) return false;
      SLUICE_ASSIGN_OR_RETURN(const bool more, fill(from));
      (void)more;  // Without more the rest of the file is the record: once more round.
      continue;
    }
    if (end == nullptr) end = buffer_.data() + end_;
    const auto size = static_cast<size_t>(end - start);
    if (size > bytes_max) return false;
    extension_end_ = std::min(from + size + 1, end_);
    record = without_line_end(start, size);
    return true;
  }
}

}  // namespace sluice
