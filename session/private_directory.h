// A directory that nobody but this user can enter.
#pragma once

#include <string>

#include "core/status.h"

namespace sluice {

/// Makes it with all parents; refused when it is a link, another user's, or open to others.
Status make_private_directory(const std::string& path);

}  // namespace sluice
