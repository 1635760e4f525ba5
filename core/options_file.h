// The config file: `key: value` lines, a small part of YAML.
//
// Keys may be written whole (`execution.buffer-timeout: 5ms`) or nested by indentation. Comments
// start with '#', values may stand in single or double quotes. Lists, anchors and multi-line values
// are refused. Every error names file and line.
#pragma once

#include <string>
#include <string_view>

#include "core/options.h"

namespace sluice {

/// Sets what the text says; `name` is how errors call it.
Status read_options(std::string_view text, const std::string& name, Options& options);

/// Reads the file at `path`.
Status read_options_file(const std::string& path, Options& options);

}  // namespace sluice
