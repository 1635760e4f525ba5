// The flags every job has besides its own: parallelism, options, summary.
//
// parse_job_flags() takes the engine's flags out of the command line; what is left belongs to the
// job. A config file is read first, then -D, then the named flags: the later one wins.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "actors/cluster_client.h"
#include "actors/cluster_process.h"
#include "core/options.h"
#include "core/status.h"

namespace sluice {

/// What a process is in a cluster.
enum class ProcessRole { kEmbedded, kJobManager, kTaskManager };

struct JobFlags {
  std::string job;  // Empty: the program's only one.
  Options options;
  bool summary_json = false;
  bool quiet = false;
  bool help = false;
  std::optional<PlanFormat> explain;
  RestoreRequest restore;
  /// A stop finishes windows.
  bool drain = false;
  ProcessRole role = ProcessRole::kEmbedded;
  ClusterSettings cluster;
  /// Gets the port once the process listens; empty: none.
  std::string port_file;
  /// The job's own flags.
  std::vector<std::string> job_words;
  /// Known even when parsing failed elsewhere, so that the error can be a JSON summary, too.
  Status status;
};

JobFlags parse_job_flags(const std::vector<std::string>& words);
/// The engine's part of --help.
std::string job_flags_help();

}  // namespace sluice
