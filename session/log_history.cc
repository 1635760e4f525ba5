#include "session/log_history.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>

namespace sluice {
namespace {

/// Leaves a directory alone that holds other logs still. What cannot be removed takes some room
/// until the agent starts again.
void remove_with_directory(const std::filesystem::path& path) {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  std::filesystem::remove(path.parent_path(), ignored);
}

}  // namespace

void LogHistory::add(const std::string& job, const std::string& path) {
  std::error_code absent;
  const auto bytes = std::filesystem::file_size(path, absent);
  if (absent || bytes == 0) return remove_with_directory(path);
  logs_.push_back({job, path, static_cast<int64_t>(bytes)});
  bytes_ += logs_.back().bytes;
  const auto is_of_job = [&](const Log& log) { return log.job == job; };
  const auto files = std::count_if(logs_.begin(), logs_.end(), is_of_job);
  if (static_cast<size_t>(files) > limits_.files_of_job_max) {
    remove(std::find_if(logs_.begin(), logs_.end(), is_of_job));
  }
  while (bytes_ > limits_.bytes_max || jobs() > limits_.jobs_max) remove(logs_.begin());
}

size_t LogHistory::jobs() const {
  std::set<std::string_view> jobs;
  for (const Log& log : logs_) jobs.insert(log.job);
  return jobs.size();
}

void LogHistory::remove(std::deque<Log>::iterator log) {
  bytes_ -= log->bytes;
  remove_with_directory(log->path);
  logs_.erase(log);
}

}  // namespace sluice
