// What a JobManager must not forget about its jobs, in the HA directory.
//
//   DIR/jobs/<name>    the job's state as text: RUNNING, or how it ended, with its result
//
// A job that is RUNNING there is started again from its newest checkpoint by the next JobManager;
// one that has ended stays so. Plain; the caller holds the directory's lock.
#pragma once

#include <optional>
#include <string>

#include "actors/cluster_client.h"
#include "core/file_system.h"

namespace sluice {

class JobStore {
 public:
  /// An empty directory: remembers nothing.
  JobStore(FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  struct Record {
    bool ended = false;
    JobResult result;     // When it has.
    int parallelism = 0;  // What it was rescaled to; 0: never.
  };
  /// Nothing: the job was never started here.
  Result<std::optional<Record>> find(const std::string& job) const;
  Status started(const std::string& job, int parallelism = 0);
  /// Durable before it returns: afterwards the job is never started again.
  Status ended(const JobResult& result);

 private:
  std::string path_of(const std::string& job) const;
  Status write(const std::string& job, const std::string& text);

  FileSystem& files_;
  const std::string directory_;
};

}  // namespace sluice
