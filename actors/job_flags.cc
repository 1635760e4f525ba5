#include "actors/job_flags.h"

#include <memory>
#include <utility>

#include <CLI/CLI.hpp>

#include "core/options_file.h"

namespace sluice {
namespace {

/// A flag that stands for one option of the table.
struct OptionFlag {
  const char* flags;
  const char* key;
  const char* type;
  const char* text;
};
constexpr OptionFlag kOptionFlags[] = {
    {"-p,--parallelism", "parallelism.default", "N", "subtasks of each operator (one per core)"},
    {"--on-bad-record", "on-bad-record", "fail|dead-letter",
     "what happens to a record that cannot be read (dead-letter)"},
    {"--state-backend", "state.backend", "hashmap|rocksdb", "where keyed state lives (hashmap)"},
    {"--checkpoint-dir", "execution.checkpointing.dir", "DIR", "where checkpoints go"},
    {"--checkpoint-interval", "execution.checkpointing.interval", "DURATION",
     "time between checkpoints (none)"},
};

struct ParsedWords {
  std::vector<std::string> named = std::vector<std::string>(std::size(kOptionFlags));
  std::vector<std::string> assignments;
  std::string config;
  std::string summary = "text";
  std::string explain;
  std::string role = "embedded";
  std::string bind;
  std::string manager;
  std::string control;
  std::string advertise;
};

std::unique_ptr<CLI::App> make_app(JobFlags& flags, ParsedWords& parsed) {
  auto app = std::make_unique<CLI::App>();
  app->allow_extras();
  app->set_help_flag();
  app->add_flag("-h,--help", flags.help, "this text");
  for (size_t i = 0; i < std::size(kOptionFlags); ++i) {
    app->add_option(kOptionFlags[i].flags, parsed.named[i]);
  }
  app->add_option("-D", parsed.assignments)->allow_extra_args(false);
  app->add_option("--config", parsed.config);
  app->add_option("--job", flags.job);
  app->add_option("--summary", parsed.summary);
  app->add_option("--explain", parsed.explain)->expected(0, 1)->default_str("text");
  app->add_option("-s,--from-snapshot", flags.restore.from);
  app->add_flag("-n,--allow-non-restored-state", flags.restore.allow_non_restored);
  app->add_flag("--claim", flags.restore.claim);
  app->add_flag("--drain", flags.drain);
  app->add_flag("-q,--quiet", flags.quiet);
  app->add_option("--role", parsed.role);
  app->add_option("--bind", parsed.bind);
  app->add_option("--jobmanager", parsed.manager);
  app->add_option("--control-bind", parsed.control);
  app->add_option("--advertise", parsed.advertise);
  app->add_option("--slots", flags.cluster.slots)->check(CLI::Range(1, 4096));
  app->add_option("--cluster-id", flags.cluster.cluster);
  app->add_option("--ha-dir", flags.cluster.ha_directory);
  app->add_option("--tls-cert", flags.cluster.bind.certificate);
  app->add_option("--tls-key", flags.cluster.bind.key);
  app->add_option("--tls-ca", flags.cluster.bind.ca);
  app->add_flag("--reactive", flags.cluster.reactive);
  app->add_flag("--insecure", flags.cluster.insecure);
  app->add_option("--port-file", flags.port_file);
  return app;
}

Status apply_options(const CLI::App& app, const ParsedWords& parsed, Options& options) {
  if (!parsed.config.empty()) {
    SLUICE_RETURN_IF_ERROR(read_options_file(parsed.config, options));
  }
  for (const auto& assignment : parsed.assignments) {
    SLUICE_RETURN_IF_ERROR(options.set_assignment(assignment).with_prefix("-D "));
  }
  for (size_t i = 0; i < std::size(kOptionFlags); ++i) {
    const std::string flag(kOptionFlags[i].flags);
    const std::string name = flag.substr(flag.find("--"));
    if (app.count(name) == 0) continue;
    SLUICE_RETURN_IF_ERROR(
        options.set(kOptionFlags[i].key, parsed.named[i]).with_prefix(name + ": "));
  }
  return Status::ok();
}

Status apply_control(const ParsedWords& parsed, JobFlags& flags) {
  if (parsed.control.empty()) return Status::ok();
  if (flags.role != ProcessRole::kJobManager) {
    return Status::invalid_argument("--control-bind needs --role jobmanager");
  }
  if (flags.cluster.bind.ca.empty()) {
    return Status::invalid_argument(
        "--control-bind needs --tls-cert, --tls-key and --tls-ca: it lets others steer the job");
  }
  SLUICE_ASSIGN_OR_RETURN(const ClusterAddress control, parse_cluster_address(parsed.control));
  flags.cluster.control = flags.cluster.bind;
  flags.cluster.control.host = control.host;
  flags.cluster.control.port = control.port;
  return Status::ok();
}

Status apply_role(const ParsedWords& parsed, JobFlags& flags) {
  // A session's job master is the JobManager of one job.
  if (parsed.role == "jobmanager" || parsed.role == "jobmaster") {
    flags.role = ProcessRole::kJobManager;
  } else if (parsed.role == "taskmanager") {
    flags.role = ProcessRole::kTaskManager;
  } else if (parsed.role != "embedded") {
    return Status::invalid_argument("--role: '" + parsed.role +
                                    "' is none of embedded, jobmanager, taskmanager, jobmaster");
  }
  if (flags.role == ProcessRole::kEmbedded && !(parsed.bind + parsed.manager).empty()) {
    return Status::invalid_argument("--bind and --jobmanager need --role");
  }
  if (!parsed.bind.empty()) {
    SLUICE_ASSIGN_OR_RETURN(const ClusterAddress bind, parse_cluster_address(parsed.bind));
    flags.cluster.bind.host = bind.host;
    flags.cluster.bind.port = bind.port;
  } else if (flags.role == ProcessRole::kJobManager) {
    flags.cluster.bind.port = kJobManagerPort;
  }
  if (flags.role == ProcessRole::kTaskManager) {
    const std::string text =
        parsed.manager.empty() ? std::to_string(kJobManagerPort) : parsed.manager;
    SLUICE_ASSIGN_OR_RETURN(flags.cluster.manager, parse_cluster_address(text));
    if (!parsed.advertise.empty()) {
      SLUICE_ASSIGN_OR_RETURN(flags.cluster.advertise, parse_cluster_address(parsed.advertise));
    }
  }
  return Status::ok();
}

Status apply_words(const CLI::App& app, const ParsedWords& parsed, JobFlags& flags) {
  if (parsed.summary != "text" && parsed.summary != "json") {
    return Status::invalid_argument("--summary: '" + parsed.summary + "' is neither text nor json");
  }
  if (app.count("--explain") > 0) {
    if (parsed.explain.empty() || parsed.explain == "text") {
      flags.explain = PlanFormat::kText;
    } else if (parsed.explain == "json") {
      flags.explain = PlanFormat::kJson;
    } else if (parsed.explain == "dot") {
      flags.explain = PlanFormat::kDot;
    } else {
      return Status::invalid_argument("--explain: '" + parsed.explain +
                                      "' is none of text, json, dot");
    }
  }
  SLUICE_RETURN_IF_ERROR(apply_role(parsed, flags));
  SLUICE_RETURN_IF_ERROR(apply_control(parsed, flags));
  if (flags.cluster.reactive && flags.role != ProcessRole::kJobManager) {
    return Status::invalid_argument("--reactive needs --role jobmanager");
  }
  return apply_options(app, parsed, flags.options);
}

}  // namespace

JobFlags parse_job_flags(const std::vector<std::string>& words) {
  JobFlags flags;
  ParsedWords parsed;
  const auto app = make_app(flags, parsed);
  try {
    // CLI11 takes the words from the back.
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    app->parse(std::move(reversed));
  } catch (const CLI::Error& error) {
    flags.status = Status::invalid_argument(error.what());
  }
  flags.summary_json = parsed.summary == "json";
  if (!flags.status.is_ok()) return flags;
  flags.job_words = app->remaining();
  flags.status = apply_words(*app, parsed, flags);
  return flags;
}

std::string job_flags_help() {
  std::string text;
  const auto line = [&](std::string left, const std::string& right) {
    left = "  " + left;
    if (left.size() < 34) left.resize(34, ' ');
    text += left + " " + right + "\n";
  };
  for (const auto& flag : kOptionFlags) line(std::string(flag.flags) + " " + flag.type, flag.text);
  line("-D KEY=VALUE", "any option of docs/options.md");
  line("--config FILE", "options as 'key: value' lines");
  line("-s,--from-snapshot PATH|latest", "start from a savepoint, a checkpoint, or the newest one");
  line("-n,--allow-non-restored-state", "leave out state of operators the job has no more");
  line("--claim", "delete the savepoint of -s when it is not needed");
  line("--drain", "a stop with checkpoints finishes windows and timers first");
  line("--summary text|json", "form of the last line on stdout (text)");
  line("--explain [text|json|dot]", "print the plan and do not run");
  line("--job NAME", "which job, when the program has several");
  line("-q,--quiet", "no progress, no notes");
  line("--role ROLE", "embedded (all in this process), jobmanager, taskmanager or jobmaster");
  line("--bind HOST:PORT", "where to listen (127.0.0.1; JobManager port 6123)");
  line("--jobmanager HOST:PORT", "where the JobManager listens (127.0.0.1:6123)");
  line("--control-bind HOST:PORT",
       "where `sluice` on other hosts reaches the JobManager, with TLS");
  line("--advertise HOST:PORT", "where others reach a TaskManager (as --bind; port 0: the same)");
  line("--slots N", "tasks of one operator a TaskManager can run (one per core)");
  line("--reactive", "the parallelism follows the slots of the TaskManagers there are");
  line("--ha-dir DIR", "where a JobManager keeps what its successor must know");
  line("--cluster-id NAME", "processes of another cluster are refused (default)");
  line("--tls-cert, --tls-key, --tls-ca FILE", "who this process is, and who may talk to it");
  line("--insecure", "listen beyond 127.0.0.1 without TLS");
  line("--port-file FILE", "gets the port on which this process listens");
  line("-h,--help", "this text");
  return text;
}

}  // namespace sluice
