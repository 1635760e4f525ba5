// docs/options.md, printed from the option table.
#pragma once

#include <string>

namespace sluice {

/// The whole document; a test holds that docs/options.md is equal to it.
std::string options_document();

}  // namespace sluice
