#include "control/endpoint_file.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

/// Start of process `pid` in ticks since boot; nothing when there is none.
std::optional<int64_t> process_start_of(int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  // The second field is the program's name in parentheses, which may hold anything.
  const size_t end = text.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(end + 1));
  std::string field;
  constexpr int kStartTime = 20;  // Field 22 of proc(5), the third one being the first here.
  for (int i = 0; i < kStartTime; ++i) {
    // A zombie has no endpoint any more.
    if (!(rest >> field) || (i == 0 && field == "Z")) return std::nullopt;
  }
  return std::atoll(field.c_str());
}

std::string to_text(const ControlEndpoint& endpoint) {
  return nlohmann::json{{"pid", endpoint.pid},
                        {"process_start", endpoint.process_start},
                        {"job", endpoint.job},
                        {"host", endpoint.host},
                        {"port", endpoint.port},
                        {"read_token", endpoint.read_token},
                        {"operate_token", endpoint.operate_token},
                        {"log", endpoint.log},
                        {"cluster", endpoint.cluster},
                        {"session", endpoint.is_session}}
      .dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Status write_private_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".tmp";
  ::unlink(temporary.c_str());
  const int file =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return Status::from_errno(errno, "create " + temporary);
  const ssize_t written = ::write(file, text.data(), text.size());
  const int error = errno;
  ::close(file);
  if (written != static_cast<ssize_t>(text.size())) {
    ::unlink(temporary.c_str());
    return Status::from_errno(error, "write " + temporary);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return Status::from_errno(errno, "rename " + temporary);
  }
  return Status::ok();
}

}  // namespace

Result<std::string> runtime_directory() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  std::string path = variable("SLUICE_RUNTIME_DIR");
  if (path.empty() && !variable("XDG_RUNTIME_DIR").empty()) {
    path = variable("XDG_RUNTIME_DIR") + "/sluice";
  }
  if (path.empty()) path = "/tmp/sluice-" + std::to_string(::getuid());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return Status::from_errno(errno, "mkdir " + path);
  }
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return Status::from_errno(errno, "stat " + path);
  const bool is_ours = S_ISDIR(found.st_mode) && found.st_uid == ::getuid();
  if (!is_ours || (found.st_mode & 077) != 0) {
    return Status::failed_precondition(path +
                                       " must be a directory of this user with mode 0700; "
                                       "SLUICE_RUNTIME_DIR names another one");
  }
  return path;
}

Result<std::unique_ptr<EndpointFile>> EndpointFile::announce(const std::string& directory,
                                                             ControlEndpoint endpoint) {
  endpoint.pid = ::getpid();
  endpoint.process_start = process_start_of(endpoint.pid).value_or(0);
  const std::string path = directory + "/" + std::to_string(endpoint.pid) + ".json";
  SLUICE_RETURN_IF_ERROR(write_private_file(path, to_text(endpoint)));
  return std::unique_ptr<EndpointFile>(new EndpointFile(path));
}

EndpointFile::~EndpointFile() { ::unlink(path_.c_str()); }

Result<ControlEndpoint> read_endpoint(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Status::from_errno(errno, "open " + path);
  std::stringstream text;
  text << file.rdbuf();
  try {
    const auto json = nlohmann::json::parse(text.str());
    ControlEndpoint endpoint;
    json.at("pid").get_to(endpoint.pid);
    json.at("process_start").get_to(endpoint.process_start);
    json.at("job").get_to(endpoint.job);
    json.at("host").get_to(endpoint.host);
    json.at("port").get_to(endpoint.port);
    json.at("read_token").get_to(endpoint.read_token);
    json.at("operate_token").get_to(endpoint.operate_token);
    endpoint.log = json.value("log", "");
    endpoint.cluster = json.value("cluster", "");
    endpoint.is_session = json.value("session", false);
    return endpoint;
  } catch (const nlohmann::json::exception& error) {
    return Status::corruption(path + ": " + error.what());
  }
}

Result<std::vector<ControlEndpoint>> find_endpoints(const std::string& directory) {
  std::vector<ControlEndpoint> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() != ".json") continue;
    auto endpoint = read_endpoint(entry.path().string());
    // Between our look at the directory and at the file the job may have ended.
    if (!endpoint.is_ok()) continue;
    if (process_start_of(endpoint->pid) != endpoint->process_start) {
      ::unlink(entry.path().c_str());
      continue;
    }
    found.push_back(*std::move(endpoint));
  }
  if (error) return Status::from_errno(error.value(), "list " + directory);
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.pid < b.pid; });
  return found;
}

}  // namespace sluice
