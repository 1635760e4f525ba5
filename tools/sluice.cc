// The command line tool: `bazel run //tools:sluice -- --help`.
#include <csignal>

#include "tools/cli/command_line.h"

int main(int argc, char** argv) {
  // A closed pipe is an error of the write, not of the process.
  std::signal(SIGPIPE, SIG_IGN);
  return sluice::sluice_main(argc, argv);
}
