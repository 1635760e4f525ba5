#include "api/execute.h"

namespace sluice {

Result<JobResult> StreamEnvironment::execute(std::string name) {
  SLUICE_RETURN_IF_ERROR(status());
  JobSettings settings;
  settings.name = std::move(name);
  settings.options = options();
  return run_embedded(std::move(graph()), settings);
}

}  // namespace sluice
