#include "tools/cli/command_line.h"

#include <cstdio>
#include <functional>
#include <map>

#include <CLI/CLI.hpp>

#include "core/version.h"
#include "tools/cli/command_context.h"
#include "tools/cli/completion.h"
#include "tools/cli/human_text.h"

namespace sluice {

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

/// A flag's text as a Duration: "10s", "500ms".
void add_duration(CLI::App* app, const char* name, Duration& value, const char* text) {
  app->add_option_function<std::string>(
         name,
         [&value, name](const std::string& given) {
           const auto parsed = parse_duration(given);
           if (!parsed || parsed->count() <= 0) {
             throw CLI::ValidationError(name, "'" + given + "' is no duration like 10s or 500ms");
           }
           value = *parsed;
         },
         text)
      ->type_name("DURATION");
}

class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", std::string("sluice ") + kSluiceVersion);
    app_.fallthrough(false);
    app_.footer(
        "JOB is a job's id, its name, or the beginning of its id; it may be left out when "
        "one job runs.\n`sluice COMMAND --help` tells more.");
    add_start();
    add_looks();
    add_steering();
    add_live();
    CLI::App* completion = app_.add_subcommand("completion", "Print completion for a shell");
    completion->add_option("SHELL", shell_, "bash")->required()->check(CLI::IsMember({"bash"}));
    commands_["completion"] = [this](const CommandFlags&) {
      print(bash_completion(app_));
      return Status::ok();
    };
  }

  int run(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      print(help());
      return 0;
    } catch (const CLI::CallForVersion& version) {
      print(std::string(version.what()) + "\n");
      return 0;
    } catch (const CLI::ParseError& error) {
      std::fprintf(stderr, "sluice: %s\n", single_line(error.what()).c_str());
      return kExitUsage;
    }
    const CLI::App* command = app_.get_subcommands().front();
    const auto usage = take_words(*command);
    const Status status = usage.is_ok() ? commands_.at(command->get_name())(flags_) : usage;
    if (status.is_ok()) return 0;
    std::fprintf(stderr, "sluice: %s\n", single_line(status.message()).c_str());
    return usage.is_ok() ? kExitFailed : kExitUsage;
  }

 private:
  using Command = std::function<Status(const CommandFlags&)>;

  std::string help() const {
    const auto chosen = app_.get_subcommands();
    return chosen.empty() ? app_.help() : chosen.front()->help("sluice");
  }
  CLI::App* add(const char* name, const char* text, Command command) {
    commands_[name] = std::move(command);
    return app_.add_subcommand(name, text);
  }
  CLI::App* add_look(const char* name, const char* text, Command command) {
    CLI::App* app = add(name, text, std::move(command));
    add_cluster(app);
    app->add_flag("--json", flags_.json, "print JSON");
    return app;
  }
  void add_cluster(CLI::App* app) {
    app->add_option("--jobmanager", flags_.cluster.address, "a cluster instead of the jobs here")
        ->type_name("HOST:PORT")
        ->envname("SLUICE_JOBMANAGER");
    const auto add_file = [app](const char* name, std::string& value, const char* variable,
                                const char* text) {
      app->add_option(name, value, text)->type_name("FILE")->envname(variable);
    };
    add_file("--tls-cert", flags_.cluster.certificate, "SLUICE_TLS_CERT",
             "what to show a JobManager on another host");
    add_file("--tls-key", flags_.cluster.key, "SLUICE_TLS_KEY", "its key");
    add_file("--tls-ca", flags_.cluster.ca, "SLUICE_TLS_CA", "who signs the JobManager's");
  }
  void add_job(CLI::App* app) { app->add_option("JOB", flags_.job, "which job"); }
  void add_options_of_run(CLI::App* app) {
    app->add_option("-p,--parallelism", flags_.run.parallelism, "subtasks of each operator")
        ->type_name("N");
    app->add_option("-D", flags_.run.options, "any option of docs/options.md")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    // All that follows the program is the job's.
    app->prefix_command();
    app->footer("sluice " + app->get_name() + " [OPTIONS] EXECUTABLE [FLAGS OF THE JOB]");
  }

  void add_start() {
    CLI::App* run = add("run", "Run a job's program, here or in a session", command_run);
    add_cluster(run);
    run->add_flag("--json", flags_.json, "print JSON, of a job in a session");
    run->add_flag("-d,--detached", flags_.run.detached, "in the background, output to a log file");
    run->add_option("-s,--from-snapshot", flags_.run.restore,
                    "start from a savepoint, a checkpoint, or the newest one")
        ->type_name("PATH|latest");
    run->add_flag("-n,--allow-non-restored-state", flags_.run.allow_non_restored,
                  "leave out state of operators the job has no more");
    run->add_flag("--claim", flags_.run.claim, "delete the savepoint when it is not needed");
    add_options_of_run(run);
    CLI::App* info = add("info", "Show the plan of a job that is not started", command_info);
    info->add_flag("--json", flags_.json, "print JSON");
    info->add_flag("--dot", flags_.dot, "print Graphviz");
    add_options_of_run(info);
  }

  void add_looks() {
    CLI::App* list = add_look("list", "List running jobs", command_list);
    list->add_flag("--ids", flags_.ids, "only their ids");
    add_job(add_look("status", "Show one job: state, tasks, records, checkpoints", command_status));
    CLI::App* checkpoints =
        add_look("checkpoints", "Show the checkpoints of a job", command_checkpoints);
    add_job(checkpoints);
    checkpoints->add_flag("--subtasks", flags_.subtasks, "one line for each subtask, too");
    add_job(add_look("exceptions", "Show what failed in a job", command_exceptions));
    add_look("taskmanagers", "Show TaskManagers and their slots", command_task_managers);
    CLI::App* logs = add_look("logs", "Show the log of a job", command_logs);
    add_job(logs);
    logs->add_option("--lines", flags_.lines, "how many of the newest lines (200)")
        ->check(CLI::Range(1, 1'000'000));
  }

  void add_steering() {
    const auto steering = [this](const char* name, const char* text, Command command) {
      CLI::App* app = add_look(name, text, std::move(command));
      add_job(app);
      add_duration(app, "--timeout", flags_.timeout, "how long to wait (60s)");
      return app;
    };
    steering("cancel", "End a job at once", command_cancel);
    CLI::App* stop = steering("stop", "Stop a job with a savepoint", command_stop);
    stop->add_flag("--drain", flags_.drain, "fire all windows first; not for going on later");
    stop->add_option("--savepoint-dir", flags_.target, "where the savepoint goes")
        ->type_name("DIR");
    CLI::App* savepoint =
        steering("savepoint", "Take a savepoint, or delete one", command_savepoint);
    savepoint->add_option("DIR", flags_.target, "where it goes; else the job's own place");
    savepoint->add_option("--dispose", flags_.dispose, "delete this savepoint")->type_name("PATH");
    steering("checkpoint", "Take a checkpoint now", command_checkpoint);
    CLI::App* rescale =
        steering("rescale", "Change the parallelism of a running job", command_rescale);
    rescale->add_option("-p,--parallelism", flags_.parallelism, "the new one")
        ->required()
        ->check(CLI::Range(1, 32768));
  }

  void add_live() {
    CLI::App* actors = add_look("actors", "Show the live tree of actors", command_actors);
    add_job(actors);
    actors->add_flag("--channels", flags_.channels, "one line for each channel, too");
    actors->add_flag("--watch", flags_.watch, "again and again; q quits, t toggles channels");
    CLI::App* graph =
        add_look("graph", "Show the graph of a job with its back pressure", command_graph);
    add_job(graph);
    CLI::Option* dot = graph->add_flag("--dot", flags_.dot, "print Graphviz");
    graph->add_flag("--svg", flags_.svg, "print SVG")->excludes(dot);
    CLI::App* watermarks = add_look(
        "watermarks", "Show what holds the event time of a job back, and why", command_watermarks);
    add_job(watermarks);
    watermarks->add_flag("--all", flags_.details, "every channel and split, too");
    CLI::App* top = add("top", "Show all jobs live; q quits, t switches to tasks", command_top);
    add_cluster(top);
    add_job(top);
    top->add_flag("--tasks", flags_.tasks, "tasks instead of vertices");
    top->add_flag("--json", flags_.json, "print a line of JSON for each look");
    for (CLI::App* app : {actors, top}) {
      add_duration(app, "--interval", flags_.interval, "time between looks (1s)");
      app->add_option("--screens", flags_.screens, "end after so many looks")
          ->check(CLI::Range(1, 1'000'000));
    }
  }

  /// The words behind `run` and `info` are the program and its flags.
  Status take_words(const CLI::App& command) {
    if (command.get_name() != "run" && command.get_name() != "info") return Status::ok();
    std::vector<std::string> words = command.remaining();
    if (!words.empty() && words.front() == "--") words.erase(words.begin());
    if (words.empty() || words.front().starts_with("-")) {
      return Status::invalid_argument(command.get_name() + " needs the program of a job" +
                                      (words.empty() ? std::string() : ", not " + words.front()));
    }
    flags_.run.executable = words.front();
    flags_.run.job_words.assign(words.begin() + 1, words.end());
    return Status::ok();
  }

  CLI::App app_{"Runs, watches and steers Sluice jobs.", "sluice"};
  std::map<std::string, Command> commands_;
  CommandFlags flags_;
  std::string shell_;
};

}  // namespace

int sluice_main(int argc, const char* const* argv) { return CommandLine().run(argc, argv); }

}  // namespace sluice
