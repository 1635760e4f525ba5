#include "session/session_store.h"

#include <algorithm>

namespace sluice {

std::string SessionStore::path_of(const std::string& job) const {
  SLUICE_CHECK(is_job_id(job));
  return directory_ + "/jobs/" + job + ".json";
}

Result<std::vector<JobRecord>> SessionStore::load() const {
  std::vector<JobRecord> records;
  if (directory_.empty()) return records;
  SLUICE_RETURN_IF_ERROR(files_.make_directories(directory_ + "/jobs"));
  SLUICE_ASSIGN_OR_RETURN(const auto entries, files_.list(directory_ + "/jobs"));
  for (const FileInfo& entry : entries) {
    if (!file_name(entry.path).ends_with(".json")) continue;
    SLUICE_ASSIGN_OR_RETURN(const std::string text, files_.read_file(entry.path));
    auto record = job_record_from_json(text);
    if (!record.is_ok()) return record.status().with_prefix(entry.path + ": ");
    records.push_back(*std::move(record));
  }
  std::stable_sort(records.begin(), records.end(), [](const JobRecord& a, const JobRecord& b) {
    return a.submitted < b.submitted;
  });
  return records;
}

Status SessionStore::save(const JobRecord& record) {
  if (directory_.empty()) return Status::ok();
  SLUICE_RETURN_IF_ERROR(files_.make_directories(directory_ + "/jobs"));
  SLUICE_RETURN_IF_ERROR(files_.write_file_atomically(path_of(record.id), to_json(record)));
  return files_.sync_directory(directory_ + "/jobs");
}

Status SessionStore::forget(const std::string& job) {
  if (directory_.empty()) return Status::ok();
  return files_.remove(path_of(job));
}

}  // namespace sluice
