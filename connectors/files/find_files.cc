#include "connectors/files/find_files.h"

#include <algorithm>

namespace sluice {
namespace {

bool is_pattern(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

// Whether a name below `root` begins with '.' or '_'.
bool is_hidden(std::string_view path, size_t root_size) {
  bool at_start = true;
  for (size_t i = root_size; i < path.size(); ++i) {
    if (at_start && (path[i] == '.' || path[i] == '_')) return true;
    at_start = path[i] == '/';
  }
  return false;
}

// One character against "[...]"; `pattern` begins behind the '[' and is moved behind the ']'.
bool matches_set(char c, std::string_view& pattern, bool& well_formed) {
  const size_t close = pattern.find(']', pattern.starts_with("!") ? 2 : 1);
  well_formed = close != std::string_view::npos;
  if (!well_formed) return false;
  std::string_view set = pattern.substr(0, close);
  pattern.remove_prefix(close + 1);
  const bool negated = set.starts_with("!");
  if (negated) set.remove_prefix(1);
  bool found = false;
  for (size_t i = 0; i < set.size(); ++i) {
    if (i + 2 < set.size() && set[i + 1] == '-') {
      found |= set[i] <= c && c <= set[i + 2];
      i += 2;
    } else {
      found |= set[i] == c;
    }
  }
  return found != negated && c != '/';
}

// The directory that holds everything a pattern can match.
std::string pattern_root(const std::string& pattern) {
  const size_t special = pattern.find_first_of("*?[");
  const size_t slash = pattern.rfind('/', special);
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : pattern.substr(0, slash);
}

Result<std::vector<FileInfo>> find_matching(FileSystem& files, const std::string& pattern) {
  const std::string root = pattern_root(pattern);
  SLUICE_ASSIGN_OR_RETURN(auto found, files.list_recursively(root));
  const bool relative_root = root == "." && !pattern.starts_with("./");
  std::erase_if(found, [&](FileInfo& info) {
    if (relative_root) info.path.erase(0, 2);
    return is_hidden(info.path, relative_root ? 0 : root.size() + (root == "/" ? 0 : 1)) ||
           !matches_pattern(info.path, pattern);
  });
  return found;
}

}  // namespace

bool matches_pattern(std::string_view path, std::string_view pattern) {
  while (!pattern.empty()) {
    const char c = pattern.front();
    pattern.remove_prefix(1);
    if (c == '*') {
      const bool deep = pattern.starts_with("*");
      if (deep) pattern.remove_prefix(1);
      // "**/" matches nothing too.
      if (deep && pattern.starts_with("/") && matches_pattern(path, pattern.substr(1))) return true;
      for (size_t taken = 0;; ++taken) {
        if (matches_pattern(path.substr(taken), pattern)) return true;
        if (taken == path.size() || (!deep && path[taken] == '/')) return false;
      }
    }
    if (path.empty()) return false;
    if (c == '[') {
      bool well_formed = true;
      if (!matches_set(path.front(), pattern, well_formed)) return false;
    } else if (c == '?' ? path.front() == '/' : path.front() != c) {
      return false;
    }
    path.remove_prefix(1);
  }
  return path.empty();
}

Result<std::vector<FileInfo>> find_files_now(FileSystem& files, const std::string& path) {
  auto info = files.stat(path);
  if (!info.is_ok()) {
    // A file may have a star in its name; a pattern is what no file is called.
    if (info.status().code() != StatusCode::kNotFound || !is_pattern(path)) return info.status();
    return find_matching(files, path);
  }
  if (!info->is_directory) return std::vector<FileInfo>{*info};
  std::string root = path;
  while (root.size() > 1 && root.back() == '/') root.pop_back();
  SLUICE_ASSIGN_OR_RETURN(auto found, files.list_recursively(root));
  const size_t root_size = root.size() + (root == "/" ? 0 : 1);
  std::erase_if(found, [&](const FileInfo& file) { return is_hidden(file.path, root_size); });
  return found;
}

Result<std::vector<FileInfo>> find_files(FileSystem& files, const std::string& path) {
  auto found = find_files_now(files, path);
  if (!found.is_ok()) {
    if (found.status().code() != StatusCode::kNotFound) return found.status();
    return Status::not_found("no such file or directory: " + path);
  }
  if (found->empty()) {
    const bool is_directory = files.stat(path).is_ok();
    return Status::not_found(is_directory ? "no files in directory " + path
                                          : "no files match " + path);
  }
  return found;
}

}  // namespace sluice
