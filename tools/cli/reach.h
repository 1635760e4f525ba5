// Finds the jobs a command means: those of this user on this machine, or of one cluster.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/cluster_client.h"
#include "control/endpoint_file.h"
#include "core/inspection.h"

namespace sluice {

/// Which cluster, and how to show who asks.
struct ClusterReach {
  std::string address;  // HOST:PORT; empty: the job processes of this user.
  std::string certificate;
  std::string key;
  std::string ca;
};

/// A process or cluster that answers for jobs.
struct Reached {
  std::string name;  // "process 4711", "host:6123".
  std::unique_ptr<ClusterClient> client;
  std::string log;  // File with the process's output; empty: none known.
};

class Reach {
 public:
  /// A JobManager of this user on this machine is found by the address at which it listens for
  /// TaskManagers; any other by that of its --control-bind, with certificates.
  static Result<Reach> find(const ClusterReach& cluster);

  std::vector<Reached>& all() { return reached_; }

  /// Where job `job` runs; empty: the only one there is. Ids, names, and the beginnings of ids are
  /// understood. Not found and ambiguous names say what there is.
  struct Found {
    Reached* where = nullptr;
    JobSummary summary;
  };
  Result<Found> job(const std::string& job);

 private:
  void add(const std::string& name, const ControlEndpoint& endpoint);

  std::vector<Reached> reached_;
};

}  // namespace sluice
