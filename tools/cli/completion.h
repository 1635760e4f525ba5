// Completion of `sluice` in bash, made from the commands themselves.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace sluice {

/// A script for `source <(sluice completion bash)`. Jobs are completed by asking `sluice list`.
std::string bash_completion(const CLI::App& app);

}  // namespace sluice
