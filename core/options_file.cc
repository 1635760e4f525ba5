#include "core/options_file.h"

#include <cerrno>
#include <fstream>
#include <sstream>
#include <vector>

namespace sluice {
namespace {

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// Cuts a comment: '#' at the start or after a space, outside quotes.
std::string_view without_comment(std::string_view line) {
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
      return line.substr(0, i);
    }
  }
  return line;
}

std::string_view without_quotes(std::string_view value) {
  const bool quoted = value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
                      value.back() == value.front();
  return quoted ? value.substr(1, value.size() - 2) : value;
}

/// The keys above the present line, outermost first.
class KeyPath {
 public:
  /// Leaves all levels that are indented as much as this line or more.
  void leave_to(size_t indent) {
    while (!levels_.empty() && levels_.back().indent >= indent) levels_.pop_back();
  }
  void enter(size_t indent, const std::string& key) { levels_.push_back({indent, key}); }
  std::string full(std::string_view key) const {
    return levels_.empty() ? std::string(key) : levels_.back().key + "." + std::string(key);
  }

 private:
  struct Level {
    size_t indent;
    std::string key;
  };
  std::vector<Level> levels_;
};

}  // namespace

Status read_options(std::string_view text, const std::string& name, Options& options) {
  KeyPath path;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = without_comment(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
    const std::string_view content = trim(line);
    if (content.empty() || content == "---") continue;

    const std::string place = name + ":" + std::to_string(number) + ": ";
    const size_t indent = line.find_first_not_of(' ');
    const size_t colon = content.find(':');
    if (line[indent] == '\t') return Status::invalid_argument(place + "indent with spaces");
    if (colon == std::string_view::npos || colon == 0 || content.front() == '-') {
      return Status::invalid_argument(place + "expected 'key: value'");
    }
    path.leave_to(indent);
    const std::string key = path.full(trim(content.substr(0, colon)));
    const std::string_view value = trim(content.substr(colon + 1));
    if (value.empty()) {
      path.enter(indent, key);
      continue;
    }
    const Status status = options.set(key, without_quotes(value));
    if (!status.is_ok()) return status.with_prefix(place);
  }
  return Status::ok();
}

Status read_options_file(const std::string& path, Options& options) {
  std::ifstream file(path);
  if (!file) return Status::from_errno(errno, "config file " + path);
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) return Status::io_error("config file " + path + ": cannot be read");
  return read_options(text.str(), path, options);
}

}  // namespace sluice
