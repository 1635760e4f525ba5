#include "tools/cli/session_run.h"

#include <cstdio>
#include <filesystem>

#include "session/session_connection.h"
#include "tools/cli/terminal.h"

namespace sluice {
namespace {

/// How long a session may not answer before nobody waits for its job any more.
constexpr int kSilentLooksMax = 60;
constexpr Duration kLook{500};

Result<JobRecord> wait_for_end(const SessionConnection& session, const std::string& job) {
  for (int silent = 0;;) {
    auto ended = session.wait_for_end(job);
    if (ended.is_ok()) return ended;
    const StatusCode code = ended.status().code();
    if (code == StatusCode::kDeadlineExceeded) {
      silent = 0;
      continue;
    }
    // Its JobManager may come back.
    if (code != StatusCode::kUnavailable || ++silent > kSilentLooksMax) return ended;
    pause(kLook);
  }
}

}  // namespace

Status run_in_session(const CommandFlags& flags) {
  SLUICE_ASSIGN_OR_RETURN(ClusterAddress address, parse_cluster_address(flags.cluster.address));
  address.certificate = flags.cluster.certificate;
  address.key = flags.cluster.key;
  address.ca = flags.cluster.ca;
  SLUICE_ASSIGN_OR_RETURN(const ControlEndpoint endpoint, find_session(address));
  const SessionConnection session(endpoint);
  std::vector<std::string> words = command_line_of(flags.run);
  const std::string executable = words.front();
  words.erase(words.begin());
  SLUICE_RETURN_IF_ERROR(check_executable(executable));
  Submission submission;
  submission.program = executable.substr(executable.rfind('/') + 1);
  submission.words = std::move(words);
  // Relative paths mean what they mean here, where that directory is there.
  submission.directory = std::filesystem::current_path().string();
  SLUICE_ASSIGN_OR_RETURN(const std::string id, session.submit(executable, submission));
  if (flags.run.detached) {
    print(flags.json ? "{\"id\":\"" + id + "\"}\n" : id + "\n");
    return Status::ok();
  }
  std::fprintf(stderr, "sluice: job %s; without this command it goes on\n", id.c_str());
  SLUICE_ASSIGN_OR_RETURN(const JobRecord ended, wait_for_end(session, id));
  const JobSummary& summary = ended.summary;
  if (flags.json) {
    print(to_json(ended) + "\n");
  } else {
    print(id + " " + summary.state + ": " + std::to_string(summary.records_in) + " records in, " +
          std::to_string(summary.records_out) + " out" +
          (ended.savepoint.empty() ? "" : ", savepoint " + ended.savepoint) + "\n");
  }
  if (summary.state == "FINISHED") return Status::ok();
  return Status::failed_precondition("job " + id + " " + summary.state +
                                     (summary.reason.empty() ? "" : ": " + summary.reason));
}

}  // namespace sluice
