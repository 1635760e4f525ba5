// JobManager and TaskManager as actors of this process.
//
// Owned by the thread that runs a job. The destructor ends all actors and waits for them, unless
// abandon() was called because a task does not come back from user code: then the threads are left
// to the process's end.
#pragma once

#include <memory>

#include "actors/io_runner.h"
#include "actors/messages.h"
#include "actors/steered_cluster.h"

namespace sluice {

class EmbeddedCluster final : public SteeredCluster {
 public:
  struct Settings {
    size_t scheduler_threads = 1;
    size_t io_threads = 4;
    int slots = 1;
    const Clock* clock = nullptr;
  };
  explicit EmbeddedCluster(const Settings& settings);
  ~EmbeddedCluster() override;
  EmbeddedCluster(const EmbeddedCluster&) = delete;
  EmbeddedCluster& operator=(const EmbeddedCluster&) = delete;

  void submit(SubmitJob submission);
  void start_jobs() override;
  void stop_jobs(StopJob stop) override;
  void cancel_jobs() override;
  void inspect(InspectJob inspect) override;
  void snapshot(SnapshotJob snapshot) override;
  const ActorDirectory& directory() const override;
  void abandon();

 private:
  class System;
  std::unique_ptr<System> system_;
};

}  // namespace sluice
