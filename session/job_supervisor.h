// Runs the master process of one job until the job has ended, and again when it crashes.
//
// The master is the job's own program in the role of a JobManager of this job alone; the session
// never runs user code itself. run() belongs to one thread, which is the one that starts the
// process, so that the process dies with it. What it sees it tells a SupervisorEvents.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/endpoint_file.h"
#include "core/inspection.h"
#include "core/time.h"
#include "session/child_process.h"
#include "session/job_command.h"
#include "session/job_record.h"

namespace sluice {

/// How a job ended.
struct JobEnd {
  std::string state;  // "FINISHED", "FAILED", "CANCELLED".
  std::string reason;
  MasterSummary summary;
};

class SupervisorEvents {
 public:
  virtual ~SupervisorEvents() = default;
  enum class Wish {
    kRun,
    kCancel,   // The job is to end.
    kAbandon,  // This process ends; the job is not over.
  };
  /// Waits that long, or until there is another wish.
  virtual Wish wait(Duration time) = 0;
  /// Workers can register at `address`; the master answers at `endpoint`.
  virtual void master_listens(const std::string& address, const ControlEndpoint& endpoint) = 0;
  virtual void master_looked(const JobInspection& job) = 0;
  /// It has gone; there may be another one later.
  virtual void master_gone(const std::string& why) = 0;
  /// Whether a new master could go on with the job.
  virtual bool can_go_on() const = 0;
};

class JobSupervisor {
 public:
  struct Settings {
    std::string program;
    std::vector<std::string> words;  // The user's.
    std::string working_directory;   // Where relative paths of the job begin.
    std::string directory;           // Private, for this job.
    MasterPlace place;
    int64_t memory_bytes_max = 0;
    /// How long the job's own cancel may take before its processes are killed.
    Duration cancel_grace{5000};
  };
  JobSupervisor(Settings settings, SupervisorEvents& events)
      : settings_(std::move(settings)), events_(events) {}

  /// Nothing: it was abandoned.
  std::optional<JobEnd> run();

  static std::string log_of(const std::string& directory) { return directory + "/master.log"; }

 private:
  std::optional<JobEnd> run_master();
  Result<ChildProcess> start_master();
  void look_for_master(const ChildProcess& master);
  void look_at_job();
  void cancel(ChildProcess& master);
  JobEnd judge(const ChildEnd& end);

  const Settings settings_;
  SupervisorEvents& events_;
  int attempt_ = 0;
  bool crashed_ = false;
  std::string output_file_;
  std::string killed_because_;
  int64_t cancelled_at_ = 0;
  std::optional<ControlEndpoint> endpoint_;
};

}  // namespace sluice
