// Which files an input path means: one file, all below a directory, or those that match a pattern.
//
// Files and directories whose names begin with '.' or '_' are passed over (unfinished parts,
// markers), unless the path itself names them. The order is that of the paths' bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/file_system.h"

namespace sluice {

/// Whether `path` matches `pattern`: '*' any characters but '/', '**' any characters, '?' one
/// character but '/', '[a-z]' and '[!a-z]' one of a set.
bool matches_pattern(std::string_view path, std::string_view pattern);

/// kNotFound when nothing is at `path`, or when the directory or pattern has no files.
Result<std::vector<FileInfo>> find_files(FileSystem& files, const std::string& path);
/// The same, but no files are no error once the directory is there.
Result<std::vector<FileInfo>> find_files_now(FileSystem& files, const std::string& path);

}  // namespace sluice
