// Who leads a cluster that keeps its knowledge in a directory (`--ha-dir`).
//
//   DIR/_lock      held by the JobManager while it lives
//   DIR/epoch-N    made exclusively by the N-th one
//
// A second JobManager is refused while the first one lives; one that comes later takes the next
// epoch, and everything the earlier one says is old from then on. Without a directory the epoch is
// the time of the start, so that it grows all the same.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/clock.h"
#include "core/file_system.h"
#include "state/directory_lock.h"

namespace sluice {

struct Leadership {
  int64_t epoch = 0;
  std::unique_ptr<DirectoryLock> lock;  // Null without a directory.
};

/// `who` is written into the epoch's file, for people.
Result<Leadership> take_leadership(FileSystem& files, const std::string& directory,
                                   const std::string& who, const Clock& clock);

}  // namespace sluice
