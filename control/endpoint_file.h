// How `sluice` finds the jobs of this user on this machine: each job process leaves a file with its
// address and tokens in a directory that nobody else can enter.
//
//   $SLUICE_RUNTIME_DIR, $XDG_RUNTIME_DIR/sluice or /tmp/sluice-UID    mode 0700, ours, no link
//       PID.json                                                      mode 0600
//
// A file says when its process started, so a process id that was given out again is not taken for
// the job. Files of processes that are gone are removed by whoever lists them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/status.h"

namespace sluice {

struct ControlEndpoint {
  int64_t pid = 0;
  /// Of the process, in ticks since boot.
  int64_t process_start = 0;
  std::string job;
  std::string host;
  int port = 0;
  std::string read_token;
  std::string operate_token;
  /// Where the process's output goes; empty: unknown.
  std::string log;
  /// "HOST:PORT" at which TaskManagers reach it; empty: it is no JobManager of a cluster.
  std::string cluster;
  /// A session's JobManager, which runs many jobs.
  bool is_session = false;
  /// What a client shows, and whom it believes, when the endpoint speaks TLS. Never in the file.
  std::string certificate;
  std::string key;
  std::string ca;
};

/// This user's runtime directory; made when it is not there, refused when it is not ours alone.
Result<std::string> runtime_directory();

/// An announced endpoint; withdrawn by the destructor.
class EndpointFile {
 public:
  static Result<std::unique_ptr<EndpointFile>> announce(const std::string& directory,
                                                        ControlEndpoint endpoint);
  ~EndpointFile();
  EndpointFile(const EndpointFile&) = delete;
  EndpointFile& operator=(const EndpointFile&) = delete;

 private:
  explicit EndpointFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// The endpoints of living processes, by process id.
Result<std::vector<ControlEndpoint>> find_endpoints(const std::string& directory);
Result<ControlEndpoint> read_endpoint(const std::string& path);

}  // namespace sluice
