// What agents and the session's JobManager tell each other, as JSON over HTTP.
//
// An agent reports all it knows again and again; the answer is all that it should run. Nothing is
// ever told only once, so a lost message, a restarted JobManager or a late agent need no recovery
// of their own: the agent starts what is missing and ends what nobody wants. Decoding checks
// bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"

namespace sluice {

inline constexpr int kAgentSlotsMax = 4096;

/// Ids of jobs are random digits made by the JobManager, and so can be part of a path.
inline constexpr size_t kJobIdDigits = 12;
bool is_job_id(std::string_view text);

/// A worker process of an agent.
struct WorkerReport {
  std::string id;     // Of its lease.
  std::string state;  // "starting", "running", "ended".
  int64_t pid = 0;
  std::string how;  // "killed by SIGSEGV", when it has ended.
  bool ended_well = false;
  std::string last_words;  // The end of its log, when it has ended badly.
};

/// The ends of a job's logs that an agent has, one order for all of them.
struct LogOrder {
  int64_t id = 0;
  std::string job;
  int lines_max = 0;  // Of each log.
};
struct LogAnswer {
  int64_t id = 0;
  std::vector<std::string> lines;
};
inline constexpr int kLogLinesMax = 10'000;
/// Of one answer, the newest ones: a report is a request with a limit.
inline constexpr size_t kLogAnswerBytesMax = 128 << 10;

struct AgentReport {
  std::string incarnation;  // Random, one for each start of an agent.
  std::string name;
  std::string version;
  std::string host;  // Where its workers listen.
  int64_t pid = 0;
  int slots = 0;
  int64_t resident_bytes = 0;
  bool is_leaving = false;  // It ends; its slots are gone.
  /// The orders it acts on; the answer waits until there are newer ones, or for a while.
  int64_t revision = 0;
  std::vector<WorkerReport> workers;
  std::vector<LogAnswer> logs;
};

/// A worker process that an agent should have.
struct WorkerOrder {
  std::string id;
  std::string job;
  std::string artefact;
  std::vector<std::string> words;
  std::string directory;
  int slots = 0;
};

struct AgentOrders {
  int64_t revision = 0;
  std::vector<WorkerOrder> workers;
  std::vector<LogOrder> logs;
};

/// What `sluice run` sends after the executable.
struct Submission {
  std::string program;  // File name, for people.
  std::string artefact;
  std::vector<std::string> words;
  std::string directory;
};

std::string to_json(const AgentReport& report);
std::string to_json(const AgentOrders& orders);
std::string to_json(const Submission& submission);
Result<AgentReport> agent_report_from_json(std::string_view text);
Result<AgentOrders> agent_orders_from_json(std::string_view text);
Result<Submission> submission_from_json(std::string_view text);

}  // namespace sluice
