// One screen of `sluice top`: jobs, their vertices or tasks, what they do. Pure: a look and a size
// in, lines out.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/render_actors.h"

namespace sluice {

struct TopOptions {
  size_t width = 80;
  size_t height = 24;
  bool tasks = false;   // Instead of vertices.
  std::string message;  // Instead of jobs: what went wrong.
};

/// At most `height` lines, none wider than `width`.
std::vector<std::string> render_top(const ActorLook& look, const TopOptions& options);

}  // namespace sluice
