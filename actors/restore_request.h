// What a run is to start from: `-s`, `-n`, `--claim`.
#pragma once

#include <string>

namespace sluice {

struct RestoreRequest {
  /// "" = from nothing, "latest" = the job's newest checkpoint, else the path of a checkpoint or
  /// savepoint.
  std::string from;
  /// State of operators that the job does not have any more is left out instead of an error.
  bool allow_non_restored = false;
  /// The run owns the savepoint and deletes it once a newer checkpoint is complete (semantics rule
  /// 29); otherwise it stays the user's.
  bool claim = false;
};

}  // namespace sluice
