// What a ClusterClient in the process of the JobManager needs of it: embedded or one of a cluster.
// Any thread.
#pragma once

#include "actors/job_preparation.h"
#include "actors/messages.h"

namespace sluice {

class SteeredCluster {
 public:
  virtual ~SteeredCluster() = default;
  /// Of what was submitted held.
  virtual void start_jobs() = 0;
  virtual void stop_jobs(StopJob stop) = 0;
  virtual void cancel_jobs() = 0;
  virtual void inspect(InspectJob inspect) = 0;
  virtual void snapshot(SnapshotJob snapshot) = 0;
  /// Of the actors of this process.
  virtual const ActorDirectory& directory() const = 0;
};

/// What JobControl was asked for; `note` tells where a savepoint is.
inline void steer(SteeredCluster& cluster, JobControl::Impl::Request request,
                  const std::function<void(const std::string&)>& note) {
  using Request = JobControl::Impl::Request;
  switch (request) {
    case Request::kStop:
    case Request::kDrain:
      return cluster.stop_jobs({.drain = request == Request::kDrain});
    case Request::kSavepoint: {
      SnapshotJob snapshot;
      snapshot.answer = [note](const Status& status, const std::string& path) {
        note(status.is_ok() ? "savepoint in " + path : "no savepoint: " + status.message());
      };
      return cluster.snapshot(std::move(snapshot));
    }
    case Request::kCancel:
      return cluster.cancel_jobs();
  }
}

}  // namespace sluice
