#include "session/log_tail.h"

#include <algorithm>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace sluice {
namespace {

constexpr int64_t kTailBytes = 256 << 10;
constexpr size_t kLineBytesMax = 2000;

/// The file's end; from the beginning of a line on.
std::string end_of(const std::string& path, int64_t& size) {
  size = 0;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return "";
  struct stat found {};
  std::string text;
  if (::fstat(file, &found) == 0) {
    size = found.st_size;
    const int64_t from = std::max<int64_t>(0, size - kTailBytes);
    text.resize(static_cast<size_t>(size - from));
    const ssize_t got = ::pread(file, text.data(), text.size(), from);
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    if (from > 0) text.erase(0, text.find('\n') + 1);
  }
  ::close(file);
  return text;
}

}  // namespace

std::vector<std::string> tail_of_log(const std::string& path, int lines_max) {
  int64_t size = 0;
  const std::string text = end_of(path, size);
  std::deque<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, std::min(end - at, kLineBytesMax)));
    if (lines.size() > static_cast<size_t>(lines_max)) lines.pop_front();
    at = end + 1;
  }
  return {lines.begin(), lines.end()};
}

std::vector<std::string> tail_of_logs(const std::string& directory, int lines_max,
                                      size_t bytes_max) {
  std::vector<std::filesystem::path> logs;
  std::error_code error;  // There is none: nothing to show.
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".log") logs.push_back(entry.path());
  }
  std::sort(logs.begin(), logs.end());
  std::deque<std::string> lines;
  size_t bytes = 0;
  for (const auto& log : logs) {
    for (const std::string& line : tail_of_log(log.string(), lines_max)) {
      lines.push_back(log.stem().string() + ": " + line);
      bytes += lines.back().size();
    }
  }
  for (; bytes > bytes_max; lines.pop_front()) bytes -= lines.front().size();
  return {lines.begin(), lines.end()};
}

std::string last_words_of(const std::string& path, int lines_max) {
  std::string words;
  for (const std::string& line : tail_of_log(path, lines_max)) {
    words += (words.empty() ? "" : " | ") + line;
  }
  return words;
}

void trim_log(const std::string& path, int64_t bytes_max) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0 || found.st_size <= bytes_max) return;
  int64_t size = 0;
  const std::string kept = end_of(path, size);
  // The writer appends, so it goes on at the new end.
  if (::truncate(path.c_str(), 0) != 0) return;
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return;
  // What a full disk refuses is lost; the log goes on all the same.
  [[maybe_unused]] const ssize_t done = ::write(file, kept.data(), kept.size());
  ::close(file);
}

}  // namespace sluice
