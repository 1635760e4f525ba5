// What agents and `sluice` ask of a session's JobManager, over HTTP.
//
// Each call is a connection of its own and ends by itself. Any thread.
#pragma once

#include <string>

#include "actors/cluster_client.h"
#include "control/endpoint_file.h"
#include "core/status.h"
#include "session/agent_protocol.h"
#include "session/artefact_store.h"
#include "session/job_record.h"

namespace sluice {

/// Where the session's JobManager at `address` is, and how to prove who asks: by the certificate of
/// the address, or by the token that a session of this user on this machine has left.
Result<ControlEndpoint> find_session(const ClusterAddress& address);

class SessionConnection {
 public:
  explicit SessionConnection(ControlEndpoint endpoint) : endpoint_(std::move(endpoint)) {}

  Result<AgentOrders> report(const AgentReport& report) const;
  /// Into an upload of the caller's store, which checks it.
  Status download(const std::string& sha256, ArtefactStore& to) const;

  /// Sends the executable when the session does not have it. The id of the job.
  Result<std::string> submit(const std::string& executable, Submission submission) const;
  /// kDeadlineExceeded while the job runs; waits for up to five seconds.
  Result<JobRecord> wait_for_end(const std::string& job) const;

 private:
  Status upload(const std::string& executable, const std::string& sha256) const;

  const ControlEndpoint endpoint_;
};

}  // namespace sluice
