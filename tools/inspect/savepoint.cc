// Looks into savepoints and checkpoints, also of a running job.
//
//   savepoint list PATH [--json]
//   savepoint dump PATH --uid UID --state NAME [--format json|csv]
//   savepoint history PATH [--json] [--last N] [--subtasks]
//   savepoint dispose PATH
//
// Exit status: 0 done, 1 the snapshot is damaged or cannot be read, 2 wrong usage (flags, a path
// that is no snapshot). Every error is one line on stderr.
#include "state/savepoint.h"

#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "tools/inspect/dump_state.h"
#include "tools/inspect/list_snapshot.h"
#include "tools/inspect/show_history.h"
#include "tools/inspect/snapshot_place.h"

namespace sluice {
namespace {

struct Request {
  std::string path;
  bool json = false;
  std::string uid;
  std::string state;
  std::string format = "json";
  size_t last = 0;
  bool subtasks = false;
};

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

/// Calls `use` on the snapshot that the path means. The newest checkpoint of a running job may go
/// before its files are open: then there is a newer one.
template <class Use>
Status with_snapshot(const Request& request, Use use) {
  constexpr int kTriesMax = 5;
  FileSystem& files = local_file_system();
  for (int tried = 1;; ++tried) {
    const auto found = find_snapshot(files, request.path);
    if (!found.is_ok()) return found.status();
    for (const std::string& note : found->notes) {
      std::fprintf(stderr, "savepoint: a newer one cannot be used: %s\n", note.c_str());
    }
    Status used = use(*found);
    const bool is_gone = used.code() == StatusCode::kNotFound && found->is_newest;
    if (!is_gone || tried == kTriesMax) return used;
  }
}

Status list(const Request& request) {
  return with_snapshot(request, [&](const FoundSnapshot& found) {
    SLUICE_ASSIGN_OR_RETURN(const Json listing, list_snapshot(local_file_system(), found));
    print(request.json ? to_line(listing) + "\n" : listing_text(listing));
    return Status::ok();
  });
}

Status dump(const Request& request) {
  return with_snapshot(request, [&](const FoundSnapshot& found) {
    SLUICE_ASSIGN_OR_RETURN(StateDump dump, StateDump::open(local_file_system(), found.metadata,
                                                            request.uid, request.state));
    return dump.write(request.format == "csv" ? DumpFormat::kCsv : DumpFormat::kJson, stdout);
  });
}

Status history(const Request& request) {
  FileSystem& files = local_file_system();
  SLUICE_ASSIGN_OR_RETURN(const std::string directory, find_job_directory(files, request.path));
  SLUICE_ASSIGN_OR_RETURN(auto records, CheckpointHistory::read(files, directory));
  if (request.last > 0 && records.size() > request.last) {
    records.erase(records.begin(), records.end() - static_cast<std::ptrdiff_t>(request.last));
  }
  print(request.json ? to_line(history_json(records)) + "\n"
                     : history_text(records, request.subtasks));
  return Status::ok();
}

Status dispose(const Request& request) {
  SLUICE_RETURN_IF_ERROR(dispose_savepoint(local_file_system(), request.path));
  print("disposed of " + request.path + "\n");
  return Status::ok();
}

int exit_status_of(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return 0;
    case StatusCode::kInvalidArgument:
    case StatusCode::kNotFound:
    case StatusCode::kFailedPrecondition:
      return 2;
    default:
      return 1;
  }
}

CLI::App* add_command(CLI::App& app, const char* name, const char* text, Request& request) {
  CLI::App* command = app.add_subcommand(name, text);
  command->add_option("PATH", request.path, "savepoint, checkpoint, or directory of checkpoints")
      ->required();
  return command;
}

int run(int argc, char** argv) {
  CLI::App app("Looks into savepoints and checkpoints, also of a running job.", "savepoint");
  app.require_subcommand(1);
  Request request;
  CLI::App* list_command =
      add_command(app, "list", "operators, states, schemas, key groups, files", request);
  list_command->add_flag("--json", request.json, "one JSON object");
  CLI::App* dump_command = add_command(app, "dump", "the entries of one state", request);
  dump_command->add_option("--uid", request.uid, "of the operator")->required();
  dump_command->add_option("--state", request.state, "its name")->required();
  dump_command->add_option("--format", request.format, "json (one object a line) or csv")
      ->check(CLI::IsMember({"json", "csv"}));
  CLI::App* history_command =
      add_command(app, "history", "the checkpoints of a job that have ended", request);
  history_command->add_flag("--json", request.json, "one JSON array");
  history_command->add_option("--last", request.last, "only the newest N");
  history_command->add_flag("--subtasks", request.subtasks, "a line for each subtask");
  add_command(app, "dispose", "delete a savepoint and its files", request);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::Error& error) {
    std::fprintf(stderr, "savepoint: %s (--help tells more)\n", error.what());
    return 2;
  }
  const std::string command = app.get_subcommands().front()->get_name();
  const Status done = command == "list"      ? list(request)
                      : command == "dump"    ? dump(request)
                      : command == "history" ? history(request)
                                             : dispose(request);
  if (!done.is_ok()) std::fprintf(stderr, "savepoint: %s\n", done.message().c_str());
  return exit_status_of(done);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::run(argc, argv); }
