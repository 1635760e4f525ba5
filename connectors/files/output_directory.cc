#include "connectors/files/output_directory.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr const char* kProbeName = ".sluice-probe";

Status check_writable(FileSystem& files, const std::string& directory) {
  const std::string probe = join_path(directory, kProbeName);
  auto file = files.open_write(probe, WriteMode::kTruncate);
  if (!file.is_ok()) {
    return file.status().with_prefix("output directory " + directory + " is not writable: ");
  }
  SLUICE_RETURN_IF_ERROR((*file)->close());
  return files.remove(probe);
}

bool is_ours(const FileInfo& entry) {
  const std::string_view name = file_name(entry.path);
  return name == kProbeName || PartName::parse(name).has_value();
}

// The first file that the file sink did not write; empty when there is none.
Result<std::string> find_foreign(FileSystem& files, const std::vector<FileInfo>& entries) {
  for (const auto& entry : entries) {
    if (!entry.is_directory) {
      if (!is_ours(entry)) return entry.path;
      continue;
    }
    if (entry.is_symlink) return entry.path;
    SLUICE_ASSIGN_OR_RETURN(const auto below, files.list(entry.path));
    SLUICE_ASSIGN_OR_RETURN(std::string foreign, find_foreign(files, below));
    if (!foreign.empty()) return foreign;
  }
  return std::string();
}

Status visit_parts_below(FileSystem& files, const std::vector<FileInfo>& entries,
                         const OutputDirectory::PartVisitor& visit) {
  for (const auto& entry : entries) {
    if (entry.is_directory) {
      if (entry.is_symlink) continue;
      SLUICE_ASSIGN_OR_RETURN(const auto below, files.list(entry.path));
      SLUICE_RETURN_IF_ERROR(visit_parts_below(files, below, visit));
    } else if (const auto name = PartName::parse(file_name(entry.path))) {
      SLUICE_RETURN_IF_ERROR(visit(entry.path, *name));
    }
  }
  return Status::ok();
}

Result<std::vector<FileInfo>> entries_of(const OutputDirectory& directory) {
  SLUICE_ASSIGN_OR_RETURN(auto entries, directory.files->list(directory.path));
  std::erase_if(entries, [&](const FileInfo& entry) {
    return entry.is_directory && directory.is_allowed(file_name(entry.path));
  });
  return entries;
}

}  // namespace

bool OutputDirectory::is_allowed(std::string_view subdirectory) const {
  return std::find(allowed_subdirectories.begin(), allowed_subdirectories.end(), subdirectory) !=
         allowed_subdirectories.end();
}

Status OutputDirectory::prepare(bool fresh_start) const {
  if (path.empty()) return Status::invalid_argument("the output directory has no name");
  const auto info = files->stat(path);
  if (info.is_ok() && !info->is_directory) {
    return Status::invalid_argument("output " + path + " is a file, not a directory");
  }
  if (!info.is_ok()) {
    SLUICE_RETURN_IF_ERROR(
        files->make_directories(path).with_prefix("output directory " + path + ": "));
  }
  SLUICE_ASSIGN_OR_RETURN(const auto entries, entries_of(*this));
  if (fresh_start && !entries.empty()) {
    if (!overwrite) {
      const std::string more =
          entries.size() > 1 ? " and " + std::to_string(entries.size() - 1) + " more" : "";
      return Status::already_exists("output directory " + path + " is not empty: it holds " +
                                    std::string(file_name(entries.front().path)) + more +
                                    " (--overwrite replaces earlier output)");
    }
    SLUICE_ASSIGN_OR_RETURN(const std::string foreign, find_foreign(*files, entries));
    if (!foreign.empty()) {
      return Status::already_exists("output directory " + path + " is not overwritten: " + foreign +
                                    " was not written by this sink");
    }
    for (const auto& entry : entries) {
      SLUICE_RETURN_IF_ERROR(files->remove_recursively(entry.path));
    }
  }
  return check_writable(*files, path);
}

Status OutputDirectory::visit_parts(const PartVisitor& visit) const {
  const auto entries = entries_of(*this);
  if (!entries.is_ok()) {
    if (entries.status().code() == StatusCode::kNotFound) return Status::ok();
    return entries.status();
  }
  return visit_parts_below(*files, *entries, visit);
}

}  // namespace sluice
