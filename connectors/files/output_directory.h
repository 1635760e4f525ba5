// The directory of a file sink, before and between runs: whether it may be written to, and what in
// it belongs to the sink.
//
// Subdirectories that were allowed by name belong to other sinks of the job (late records, dead
// letters): they neither make the directory count as non-empty nor are touched.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "connectors/files/part_name.h"
#include "core/file_system.h"
#include "core/status.h"

namespace sluice {

struct OutputDirectory {
  FileSystem* files = nullptr;
  std::string path;
  bool overwrite = false;
  std::vector<std::string> allowed_subdirectories;

  /// Makes the directory and tries to write in it. On a fresh start it must be empty
  /// (kAlreadyExists otherwise), or with `overwrite` hold nothing but what the file sink wrote,
  /// which is removed.
  Status prepare(bool fresh_start) const;

  /// Calls visit(path, name) for each part in the directory and in the buckets below it.
  using PartVisitor = std::function<Status(const std::string& path, const PartName& name)>;
  Status visit_parts(const PartVisitor& visit) const;

  bool is_allowed(std::string_view subdirectory) const;
};

}  // namespace sluice
