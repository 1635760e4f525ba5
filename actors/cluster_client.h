// How everything outside actors/ runs jobs: no actor type appears here.
//
// run_embedded() starts JobManager, TaskManager and tasks as actors of this process, runs one job
// to its end and stops them again. It blocks the calling thread; JobControl may be used from any
// other. Nothing runs before sinks and sources were checked: such an error has failed_before_start
// set.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/restore_request.h"
#include "core/options.h"
#include "core/status.h"
#include "core/time.h"
#include "graph/logical_graph.h"

namespace sluice {

// What can be seen of jobs, core/inspection.h.
struct ActorInspection;
struct JobInspection;
struct JobSummary;
struct LogLine;
struct SteeringOutcome;
struct TaskManagerInspection;

enum class JobStatus { kFinished, kFailed, kCancelled };
/// "FINISHED", "FAILED", "CANCELLED".
const char* job_status_name(JobStatus status);

/// What became of a job.
struct JobResult {
  std::string job;
  JobStatus status = JobStatus::kFailed;
  /// Why it failed: operator, subtask and the text of the exception. Ok unless kFailed.
  Status error;
  /// The failure was found before any task ran (missing input, output in the way).
  bool failed_before_start = false;
  /// Records the sources read (records that could not be read not counted).
  int64_t records_in = 0;
  /// Records taken by main sinks: sinks that can be reached without a side output.
  int64_t records_out = 0;
  /// Records that came after the watermark had passed their last window, dropped or to a side
  /// output.
  int64_t late = 0;
  /// Records sources could not read.
  int64_t dead_letter = 0;
  double seconds = 0;
  /// Where the savepoint of a stop is; empty when there is none.
  std::string savepoint;
  /// How often the job started again after a failure.
  int restarts = 0;
  /// Place and reason of the first records that could not be read, when the job has no dead-letter
  /// output of its own.
  std::vector<std::string> first_dead_letters;
  /// Tasks did not come back from user code when they were told to end; their threads live on.
  bool tasks_left_behind = false;
  /// Sums over all subtasks of the counters that user functions registered.
  std::map<std::string, int64_t> accumulators;
  /// Most bytes of keyed state at a time, each subtask's most added up.
  int64_t state_bytes = 0;
  /// Most memory of this process so far (resident); 0 = not known.
  int64_t peak_memory_bytes = 0;
  /// Checkpoints and savepoints that were completed, and the mean time from trigger to complete.
  int64_t checkpoints = 0;
  double checkpoint_ms = 0;
  /// From the source to where the stream ends, with metrics.latency.interval.
  struct Latency {
    int64_t markers = 0;
    int64_t p50_us = 0;
    int64_t p99_us = 0;
    int64_t p9999_us = 0;
    int64_t max_us = 0;
  };
  Latency latency;

  /// "job FINISHED: 20000 records in, 4321 out, 124 late, 0 dead letters, 0.21 s".
  std::string to_line() const;
  /// One JSON object on one line.
  std::string to_json() const;
};

/// One chain of a running job, summed over its subtasks.
struct VertexProgress {
  std::string name;
  int parallelism = 0;
  int finished = 0;
  int64_t rows_in = 0;
  int64_t rows_out = 0;
  int64_t bytes_out = 0;
  /// Smallest over the subtasks; kMinTime while nothing is known.
  EventTime watermark = kMinTime;
  /// Nanoseconds since the start, summed over the subtasks; rates are differences of two looks.
  int64_t busy_ns = 0;
  int64_t back_pressured_ns = 0;
  int64_t idle_ns = 0;
  int64_t state_bytes = 0;
  int64_t state_bytes_max = 0;  // The most of each subtask so far, added up.
};

struct JobProgress {
  std::string job;
  double seconds = 0;
  int64_t records_in = 0;
  int64_t records_out = 0;
  std::vector<VertexProgress> vertices;
};

/// Steers a running job. Any thread; requests made before the start take effect at the start.
class JobControl {
 public:
  JobControl();
  ~JobControl();
  JobControl(const JobControl&) = delete;
  JobControl& operator=(const JobControl&) = delete;

  /// Sources read no further; what was read goes through the job. Without checkpoints it ends as at
  /// the end of its input: MAX watermark, last timers, commit. With checkpoints it stops with a
  /// savepoint: what is complete is committed, windows stay open for the next run, or are finished
  /// with `drain`, after which nothing can go on from the savepoint in the sense of its windows.
  void request_stop(bool drain = false);
  /// A savepoint while the job runs; a note tells where it is. Needs checkpoints.
  void request_savepoint();
  /// Tasks end at once, nothing is committed, CANCELLED.
  void request_cancel();

  class Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

class ClusterClient;

/// Takes one line for the user or a log; any thread.
using Note = std::function<void(const std::string&)>;

struct JobSettings {
  std::string name = "job";
  Options options;
  /// Called every `progress_interval` on the thread that runs run_embedded(), when set.
  std::function<void(const JobProgress&)> on_progress;
  Duration progress_interval{500};
  /// One line for the user: a restart and why, a checkpoint that failed. Any thread.
  std::function<void(const std::string&)> on_note;
  /// What to start from.
  RestoreRequest restore;
  /// Optional.
  JobControl* control = nullptr;
  /// Called when the job is there and before it starts, with what looks at it and steers it from
  /// any thread, and what adds to its log; the returned object is destroyed when the job has ended,
  /// before the client is. Optional.
  std::function<std::shared_ptr<void>(ClusterClient&, const Note&)> serve;
};

/// Runs the job to its end. An error Status means that the job could not even be planned (a graph
/// with a cycle, no sink, parallelism out of bounds); all else is in the JobResult.
Result<JobResult> run_embedded(LogicalGraph graph, const JobSettings& settings);

/// The plan as the engine would run it, without running it.
enum class PlanFormat { kText, kJson, kDot };
Result<std::string> explain_plan(const LogicalGraph& graph, const JobSettings& settings,
                                 PlanFormat format);

/// Where a cluster's JobManager listens, and how to prove who asks. Empty file names: no TLS.
struct ClusterAddress {
  std::string host = "127.0.0.1";
  int port = 0;
  std::string certificate;
  std::string key;
  std::string ca;
};
/// "HOST:PORT", "[IPV6]:PORT"; a port alone means 127.0.0.1.
Result<ClusterAddress> parse_cluster_address(const std::string& text);

/// Looks at and steers the jobs of a running cluster. Jobs are named by id, or by name when that is
/// unambiguous. One caller at a time; every call ends after `timeout` at the latest, with
/// kDeadlineExceeded, or kUnavailable when the JobManager is gone; the calls that wait for a
/// snapshot or for the job's end take their own.
class ClusterClient {
 public:
  virtual ~ClusterClient() = default;

  /// All jobs the JobManager knows, ended ones included, newest first.
  virtual Result<std::vector<JobSummary>> list() = 0;
  /// One look at everything about a job. `with_details`: also what only the tasks know (channels,
  /// splits); the answer then waits for them for a moment.
  virtual Result<JobInspection> inspect(const std::string& job, bool with_details) = 0;
  /// The actors of all processes.
  virtual Result<std::vector<ActorInspection>> actors() = 0;
  virtual Result<std::vector<TaskManagerInspection>> task_managers() = 0;
  /// The newest lines of the log of a job, oldest first; `lines_max` at most.
  virtual Result<std::vector<LogLine>> logs(const std::string& job, int lines_max) = 0;
  /// The job's result once it has ended; kFailedPrecondition before.
  virtual Result<JobResult> result(const std::string& job) = 0;

  /// Waits until the job has ended. An error when it ends otherwise.
  virtual Result<SteeringOutcome> cancel(const std::string& job, Duration timeout) = 0;
  struct StopRequest {
    bool drain = false;
    /// Directory of the savepoint; empty: the job's own.
    std::string target;
  };
  /// Stops with a savepoint and waits until the job has ended.
  virtual Result<SteeringOutcome> stop(const std::string& job, const StopRequest& request,
                                       Duration timeout) = 0;
  /// A savepoint in `target`, or in the job's own directory when empty; the job runs on.
  virtual Result<SteeringOutcome> savepoint(const std::string& job, const std::string& target,
                                            Duration timeout) = 0;
  /// A checkpoint outside the interval.
  virtual Result<SteeringOutcome> checkpoint(const std::string& job, Duration timeout) = 0;
  /// Stops with a checkpoint and starts again with another default parallelism, in one step.
  virtual Result<SteeringOutcome> rescale(const std::string& job, int parallelism,
                                          Duration timeout) = 0;
};

}  // namespace sluice
