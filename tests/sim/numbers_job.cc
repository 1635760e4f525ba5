// A job program for tests of the entry point: the toy job with its faults as flags.
#include <fstream>
#include <unistd.h>

#include "api/stream.h"
#include "tests/support/toy_job.h"

namespace sluice {

SLUICE_JOB(numbers) {
  ToyOptions toy;
  toy.numbers = args.get<int64_t>("numbers", 1000, "how many; negative: without end");
  toy.parallelism = 0;
  toy.enumerator_error = args.text("missing-input", "", "what the enumerator says is missing");
  toy.validate_error = args.text("output-in-the-way", "", "what the sink finds");
  if (args.is_given("throw-at")) toy.map_throws_at = args.get<int64_t>("throw-at", 0, "number");
  // So that a test knows when the job is at work, however busy the machine is.
  const std::string marker = args.path_or("marker", "", "file to make when number 100 passes");
  const bool stuck = args.flag("stuck", "user code does not come back from number 100");
  toy.on_number = [marker, stuck](int64_t number) {
    if (number != 100) return;
    if (!marker.empty()) std::ofstream(marker) << number;
    if (stuck) {
      for (;;) ::pause();
    }
  };
  if (args.flag("disk-full", "the sink cannot write")) toy.sink_fails_at = 20;
  env.graph() = make_toy_graph(toy, std::make_shared<ToyRecord>());
}

}  // namespace sluice
