// The jobs of a session on disk, so that the next JobManager knows them.
//
//   DIR/jobs/<id>.json    one record, replaced as a whole
//
// Without a directory nothing is kept. The caller holds the directory's lock.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/file_system.h"
#include "session/job_record.h"

namespace sluice {

class SessionStore {
 public:
  SessionStore(FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  /// In the order in which they were submitted. A record that cannot be read is an error: to start
  /// without it could start a job twice.
  Result<std::vector<JobRecord>> load() const;
  /// Durable when it returns.
  Status save(const JobRecord& record);
  Status forget(const std::string& job);

 private:
  std::string path_of(const std::string& job) const;

  FileSystem& files_;
  const std::string directory_;
};

}  // namespace sluice
