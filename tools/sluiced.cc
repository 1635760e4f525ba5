// A process of a session that stays up: its JobManager, or an agent that lends slots.
//
//   sluiced --role jobmanager  --bind 127.0.0.1:6123
//   sluiced --role taskmanager --jobmanager 127.0.0.1:6123 --slots 4
//
// Exit status: 0 told to end, 1 it cannot run, 2 wrong usage.
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <mutex>
#include <pthread.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>

#include <CLI/CLI.hpp>

#include "actors/leader_epoch.h"
#include "control/http_access.h"
#include "core/version.h"
#include "session/agent.h"
#include "session/dispatcher.h"
#include "session/private_directory.h"
#include "session/session_server.h"

namespace sluice {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kDefaultPort = 6123;
constexpr int kWorkDirectoriesMax = 64;
constexpr double kMemoryShare = 0.8;

struct Flags {
  std::string role;
  std::string bind;
  std::string manager;
  int slots = 0;
  std::string name;
  std::string work_directory;
  std::string ha_directory;
  bool allow_submission = false;
  TlsFiles tls;
  std::string placement = "pack";
  uint64_t memory = 0;
  uint64_t master_memory = uint64_t{1} << 30;
  std::string agent_timeout = "2s";
  std::string cancel_grace = "5s";
};

/// One line with the time, on stderr.
void say(const std::string& text) {
  std::array<char, 32> time{};
  const time_t seconds = system_clock().wall_ms() / 1000;
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::strftime(time.data(), time.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  std::fprintf(stderr, "%s sluiced: %s\n", time.data(), one_line_of({text}).c_str());
}

/// Appends lines that nobody else may read to a file; and says them.
class AuditLog {
 public:
  explicit AuditLog(const std::string& path)
      : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
  ~AuditLog() {
    if (file_ >= 0) ::close(file_);
  }
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;
  bool is_open() const { return file_ >= 0; }

  void add(const std::string& text) {
    say("audit: " + text);
    const std::string line = std::to_string(system_clock().wall_ms()) + " " + text + "\n";
    const std::lock_guard lock(mutex_);
    if (::write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      say("the audit log cannot be written");
    }
  }

 private:
  std::mutex mutex_;
  const int file_;
};

sigset_t end_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

void wait_for_end_signal() {
  const sigset_t signals = end_signals();
  int received = 0;
  sigwait(&signals, &received);
  say("ends");
}

bool is_loopback_host(const std::string& host) {
  return host == "127.0.0.1" || host == "localhost" || host == "::1";
}

Status check_listening(const ClusterAddress& bind, const TlsFiles& tls) {
  const int given = !tls.certificate.empty() + !tls.key.empty() + !tls.ca.empty();
  if (given != 0 && given != 3) {
    return Status::invalid_argument("--tls-cert, --tls-key and --tls-ca go together");
  }
  if (given == 3 && (bind.host == "0.0.0.0" || bind.host == "::")) {
    return Status::invalid_argument("--bind " + bind.host +
                                    ": give the address at which other hosts reach this one");
  }
  if (is_loopback_host(bind.host) || given == 3) return Status::ok();
  return Status::invalid_argument("--bind " + bind.host +
                                  ": beyond 127.0.0.1 a session needs TLS, because whoever may "
                                  "submit jobs runs code: --tls-cert, --tls-key and --tls-ca");
}

/// The given one, or the first of this user's cache that no other process works in.
Result<std::pair<std::string, std::unique_ptr<DirectoryLock>>> take_work_directory(
    const Flags& flags) {
  const auto take = [](const std::string& path) -> Result<std::unique_ptr<DirectoryLock>> {
    SLUICE_RETURN_IF_ERROR(make_private_directory(path));
    return DirectoryLock::acquire(path);
  };
  if (!flags.work_directory.empty()) {
    SLUICE_ASSIGN_OR_RETURN(auto lock, take(flags.work_directory));
    return std::make_pair(flags.work_directory, std::move(lock));
  }
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  if (cache == nullptr && home == nullptr) {
    return Status::invalid_argument("--work-dir is needed: neither HOME nor XDG_CACHE_HOME is set");
  }
  const std::string base = (cache != nullptr ? std::string(cache) : std::string(home) + "/.cache") +
                           "/sluice/sluiced/" + flags.role;
  for (int i = 1; i <= kWorkDirectoriesMax; ++i) {
    const std::string path = base + (i == 1 ? "" : "-" + std::to_string(i));
    auto lock = take(path);
    if (lock.is_ok()) return std::make_pair(path, std::move(lock).value());
  }
  return Status::resource_exhausted("all work directories at " + base + " are in use");
}

/// What this machine has, or this process's group may have.
int64_t machine_memory_bytes() {
  int64_t bytes = ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE);
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  int64_t most = 0;
  if (limit >> most && most > 0) bytes = std::min(bytes, most);
  return bytes;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "host";
  return name.data();
}

Result<Duration> duration_of(const char* flag, const std::string& text) {
  const auto parsed = parse_duration(text);
  if (!parsed || parsed->count() <= 0) {
    return Status::invalid_argument(std::string(flag) + ": '" + text +
                                    "' is no duration like 10s or 500ms");
  }
  return *parsed;
}

Status run_job_manager(const Flags& flags) {
  SLUICE_ASSIGN_OR_RETURN(
      ClusterAddress bind,
      parse_cluster_address(flags.bind.empty() ? std::to_string(kDefaultPort) : flags.bind));
  SLUICE_RETURN_IF_ERROR(check_listening(bind, flags.tls));
  SLUICE_ASSIGN_OR_RETURN(const auto work, take_work_directory(flags));
  if (!flags.ha_directory.empty())
    SLUICE_RETURN_IF_ERROR(make_private_directory(flags.ha_directory));
  SLUICE_ASSIGN_OR_RETURN(
      const Leadership leadership,
      take_leadership(local_file_system(), flags.ha_directory,
                      host_name() + ", process " + std::to_string(::getpid()), system_clock()));
  AuditLog audit(work.first + "/audit.log");
  if (!audit.is_open()) return Status::from_errno(errno, "open " + work.first + "/audit.log");
  Dispatcher::Settings settings;
  settings.bind_host = bind.host;
  settings.tls = flags.tls;
  settings.work_directory = work.first;
  settings.ha_directory = flags.ha_directory;
  settings.epoch = leadership.epoch;
  settings.state.placement = flags.placement == "spread" ? Placement::kSpread : Placement::kPack;
  SLUICE_ASSIGN_OR_RETURN(settings.state.agent_timeout,
                          duration_of("--agent-timeout", flags.agent_timeout));
  SLUICE_ASSIGN_OR_RETURN(settings.cancel_grace, duration_of("--cancel-grace", flags.cancel_grace));
  settings.master_memory_bytes = static_cast<int64_t>(flags.master_memory);
  settings.on_note = say;
  SLUICE_ASSIGN_OR_RETURN(const auto dispatcher,
                          Dispatcher::open(settings, local_file_system(), system_clock()));
  SessionService service(*dispatcher);
  SessionServer::Settings listening;
  listening.host = bind.host;
  listening.port = bind.port;
  listening.tls = flags.tls;
  listening.tokens = {make_token(), make_token()};
  listening.allow_submission = flags.allow_submission || is_loopback_host(bind.host);
  listening.audit = [&](const std::string& text) {
    audit.add("epoch " + std::to_string(leadership.epoch) + " " + text);
  };
  SLUICE_ASSIGN_OR_RETURN(const auto server, SessionServer::start(*dispatcher, service, listening));
  std::unique_ptr<EndpointFile> announced;
  if (flags.tls.ca.empty()) {
    ControlEndpoint endpoint;
    endpoint.job = "session";
    endpoint.host = bind.host;
    endpoint.port = server->port();
    endpoint.read_token = listening.tokens.read;
    endpoint.operate_token = listening.tokens.operate;
    endpoint.is_session = true;
    endpoint.cluster = bind.host + ":" + std::to_string(server->port());
    SLUICE_ASSIGN_OR_RETURN(const std::string directory, runtime_directory());
    SLUICE_ASSIGN_OR_RETURN(announced, EndpointFile::announce(directory, endpoint));
  }
  say("listening on " + bind.host + ":" + std::to_string(server->port()) + ", work in " +
      work.first);
  wait_for_end_signal();
  return Status::ok();
}

Status run_task_manager(const Flags& flags) {
  Agent::Settings settings;
  SLUICE_ASSIGN_OR_RETURN(
      settings.manager,
      parse_cluster_address(flags.manager.empty() ? std::to_string(kDefaultPort) : flags.manager));
  SLUICE_ASSIGN_OR_RETURN(const ClusterAddress bind,
                          parse_cluster_address(flags.bind.empty() ? "0" : flags.bind));
  SLUICE_RETURN_IF_ERROR(check_listening(bind, flags.tls));
  settings.manager.certificate = flags.tls.certificate;
  settings.manager.key = flags.tls.key;
  settings.manager.ca = flags.tls.ca;
  settings.bind_host = bind.host;
  settings.tls = flags.tls;
  SLUICE_ASSIGN_OR_RETURN(const auto work, take_work_directory(flags));
  settings.work_directory = work.first;
  settings.incarnation = make_token().substr(0, 32);
  settings.slots =
      flags.slots > 0 ? flags.slots : static_cast<int>(std::thread::hardware_concurrency());
  settings.name = flags.name.empty() ? host_name() + ":" + std::to_string(::getpid()) : flags.name;
  settings.memory_bytes =
      flags.memory > 0
          ? static_cast<int64_t>(flags.memory)
          : static_cast<int64_t>(static_cast<double>(machine_memory_bytes()) * kMemoryShare);
  settings.on_note = say;
  SLUICE_ASSIGN_OR_RETURN(const auto agent, Agent::open(settings, system_clock()));
  say("agent " + settings.name + ", " + std::to_string(settings.slots) + " slots with " +
      std::to_string(settings.memory_bytes / settings.slots >> 20) + " MiB each, work in " +
      work.first);
  std::thread([&agent] {
    wait_for_end_signal();
    agent->stop();
  }).detach();
  agent->run();
  return Status::ok();
}

void add_flags(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", std::string("sluiced ") + kSluiceVersion);
  app.set_config("--config", "", "flags as 'name = value' lines");
  app.add_option("--role", flags.role, "jobmanager or taskmanager")
      ->required()
      ->check(CLI::IsMember({"jobmanager", "taskmanager"}));
  app.add_option(
      "--bind", flags.bind,
      "HOST:PORT where the JobManager listens (127.0.0.1:6123); HOST of an agent's workers");
  app.add_option("--jobmanager", flags.manager, "HOST:PORT of the JobManager, for agents");
  app.add_option("--slots", flags.slots, "slots that an agent lends (one per core)")
      ->check(CLI::Range(1, kAgentSlotsMax));
  app.add_option("--name", flags.name, "how lists call an agent (HOST:PID)");
  app.add_option("--memory", flags.memory,
                 "memory of all workers of an agent, shared out by slots (80 % of the machine's)")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--master-memory", flags.master_memory, "memory of the master of a job (1 GiB)")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--work-dir", flags.work_directory, "for executables and logs; private");
  app.add_option("--ha-dir", flags.ha_directory,
                 "where a JobManager keeps its jobs for the next one");
  app.add_flag("--allow-submission", flags.allow_submission,
               "take jobs over the network; on 127.0.0.1 they always are");
  app.add_option("--placement", flags.placement, "pack: few agents a job; spread: many (pack)")
      ->check(CLI::IsMember({"pack", "spread"}));
  app.add_option("--agent-timeout", flags.agent_timeout,
                 "without a word for so long an agent is lost (2s)");
  app.add_option("--cancel-grace", flags.cancel_grace,
                 "how long a cancelled job may take to end (5s)");
  app.add_option("--tls-cert", flags.tls.certificate, "certificate of this process");
  app.add_option("--tls-key", flags.tls.key, "its key");
  app.add_option("--tls-ca", flags.tls.ca, "CA of everybody who may take part");
}

int sluiced_main(int argc, char** argv) {
  CLI::App app{"A process of a Sluice session: its JobManager, or an agent that lends slots.",
               "sluiced"};
  Flags flags;
  add_flags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "sluiced: %s\n", error.what());
    return kExitUsage;
  }
  const sigset_t signals = end_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const Status status =
      flags.role == "jobmanager" ? run_job_manager(flags) : run_task_manager(flags);
  if (status.is_ok()) return 0;
  say(status.message());
  return status.code() == StatusCode::kInvalidArgument ? kExitUsage : kExitFailed;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  // A closed connection is an error of the write, not of the process.
  std::signal(SIGPIPE, SIG_IGN);
  return sluice::sluiced_main(argc, argv);
}
