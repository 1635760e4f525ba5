// The graph of a running job, coloured by back pressure: for a terminal, Graphviz and browsers.
// Pure.
#pragma once

#include <string>
#include <vector>

#include "core/inspection.h"
#include "tools/cli/task_rates.h"

namespace sluice {

std::string graph_text(const JobInspection& job, const std::vector<TaskRates>& rates, bool colour);
std::string graph_dot(const JobInspection& job, const std::vector<TaskRates>& rates);
std::string graph_svg(const JobInspection& job, const std::vector<TaskRates>& rates);
/// The inspection with "rates" and "back_pressure" at each vertex.
std::string graph_json(const JobInspection& job, const std::vector<TaskRates>& rates);

}  // namespace sluice
