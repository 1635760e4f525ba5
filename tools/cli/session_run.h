// `sluice run` into a session: the executable goes to the session's JobManager.
#pragma once

#include "core/status.h"
#include "tools/cli/command_context.h"

namespace sluice {

/// Submits the job; without --detached waits for its end, which is an error unless it finished.
Status run_in_session(const CommandFlags& flags);

}  // namespace sluice
