// What a process would run, so that two processes can find out whether it is the same.
//
// Closures do not travel: every process runs the same builder with the same arguments. The identity
// is taken before parallelism and the like are resolved, so it does not depend on the machine.
#pragma once

#include <string>
#include <vector>

#include "graph/logical_graph.h"

namespace sluice {

struct JobIdentity {
  /// Of the program file.
  std::string build_id;
  /// The job's own flags, as given.
  std::string arguments;
  /// Of the logical graph.
  std::string topology;

  friend bool operator==(const JobIdentity&, const JobIdentity&) = default;
  /// "build 5ad3..., topology 77b0..., arguments '--input a'".
  std::string to_text() const;
};

/// Fingerprint of this program's file; "unknown" when it cannot be read.
std::string program_build_id();
std::string topology_fingerprint(const LogicalGraph& graph);
JobIdentity identity_of(const LogicalGraph& graph, const std::vector<std::string>& job_words);

/// 32 random hexadecimal digits: a name that no other process has.
std::string make_incarnation();

}  // namespace sluice
