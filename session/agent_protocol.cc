#include "session/agent_protocol.h"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>

#include "session/sha256.h"

namespace sluice {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(WorkerReport, id, state, pid, how, ended_well,
                                                last_words)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LogOrder, id, job, lines_max)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LogAnswer, id, lines)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AgentReport, incarnation, name, version, host, pid,
                                                slots, resident_bytes, is_leaving, revision,
                                                workers, logs)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(WorkerOrder, id, job, artefact, words, directory,
                                                slots)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AgentOrders, revision, workers, logs)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Submission, program, artefact, words, directory)

namespace {

constexpr size_t kNameBytesMax = 200;
constexpr size_t kWordsMax = 1000;

template <class T>
std::string dump(const T& value) {
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <class T>
Result<T> parse(std::string_view text) {
  try {
    return nlohmann::json::parse(text).get<T>();
  } catch (const nlohmann::json::exception& error) {
    return Status::invalid_argument(std::string("not the JSON that was expected: ") + error.what());
  }
}

/// A name for people: what is no printable ASCII would play tricks in a terminal or a log.
bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= kNameBytesMax &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

std::string to_json(const AgentReport& report) { return dump(report); }
std::string to_json(const AgentOrders& orders) { return dump(orders); }
std::string to_json(const Submission& submission) { return dump(submission); }

Result<AgentReport> agent_report_from_json(std::string_view text) {
  SLUICE_ASSIGN_OR_RETURN(AgentReport report, parse<AgentReport>(text));
  if (!is_name(report.incarnation) || !is_name(report.name)) {
    return Status::invalid_argument("an agent has a name and an incarnation");
  }
  if (report.slots < 1 || report.slots > kAgentSlotsMax) {
    return Status::invalid_argument("an agent has from 1 to " + std::to_string(kAgentSlotsMax) +
                                    " slots");
  }
  return report;
}

Result<AgentOrders> agent_orders_from_json(std::string_view text) {
  SLUICE_ASSIGN_OR_RETURN(AgentOrders orders, parse<AgentOrders>(text));
  for (const WorkerOrder& order : orders.workers) {
    if (!is_sha256(order.artefact) || !is_job_id(order.job) || !is_name(order.id)) {
      return Status::invalid_argument("an order names its job and its artefact by their digits");
    }
  }
  for (const LogOrder& order : orders.logs) {
    if (!is_job_id(order.job) || order.lines_max < 0 || order.lines_max > kLogLinesMax) {
      return Status::invalid_argument("an order for logs names its job and a number of lines");
    }
  }
  return orders;
}

Result<Submission> submission_from_json(std::string_view text) {
  SLUICE_ASSIGN_OR_RETURN(Submission submission, parse<Submission>(text));
  if (!is_name(submission.program)) {
    return Status::invalid_argument("the program's name has characters that cannot be shown");
  }
  if (!is_sha256(submission.artefact)) {
    return Status::invalid_argument("an artefact is named by the 64 digits of its hash");
  }
  if (submission.words.size() > kWordsMax) {
    return Status::invalid_argument("more than " + std::to_string(kWordsMax) + " flags");
  }
  return submission;
}

bool is_job_id(std::string_view text) {
  return text.size() == kJobIdDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace sluice
