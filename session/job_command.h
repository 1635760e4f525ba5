// The command lines of a job's processes in a session: pure.
//
// A user gives the flags of the job, and flags of the engine that concern the job. Where processes
// listen, what they are and where they keep things is the session's to say.
#pragma once

#include <string>
#include <vector>

#include "control/tls_files.h"
#include "core/status.h"

namespace sluice {

/// kInvalidArgument names a flag that is not the user's to give.
Status check_job_words(const std::vector<std::string>& words);

struct MasterPlace {
  std::string bind_host;
  std::string cluster_id;
  std::string ha_directory;
  std::string port_file;
  TlsFiles tls;
  bool insecure = false;
};
/// `words`: what the user gave. A master that comes back gets the same ones: what it starts from is
/// in its HA directory then.
std::vector<std::string> master_command(const std::vector<std::string>& words,
                                        const MasterPlace& place);

/// Without what only the agent knows: how many slots, where to bind, certificates.
std::vector<std::string> worker_command(const std::vector<std::string>& words,
                                        const std::string& master, const std::string& cluster_id);
/// That, in front of a worker_command().
std::vector<std::string> agent_words(const std::string& bind_host, const TlsFiles& tls,
                                     bool insecure);

/// For logs: values of flags and options that are secrets by their name are left out.
std::vector<std::string> without_secrets(const std::vector<std::string>& words);
/// Words with blanks between; control characters as '?'.
std::string one_line_of(const std::vector<std::string>& words);

}  // namespace sluice
