// Two pipelines in one job, of which one fails as it is told.
#include "api/stream.h"
#include "tests/support/two_pipelines.h"

namespace sluice {

SLUICE_JOB(two_pipelines) {
  two_pipelines::Plan plan;
  plan.directory = args.path("directory", "where both write, and note what happened");
  const auto fails_at = args.get<int64_t>("fails-at", 0, "number at which one pipeline fails once");
  plan.failing_fails_at = {fails_at};
  two_pipelines::build(env, plan);
}

}  // namespace sluice
