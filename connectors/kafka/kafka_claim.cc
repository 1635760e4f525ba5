#include "connectors/kafka/kafka_claim.h"

#include <charconv>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_producer.h"
#include "connectors/kafka/kafka_transaction.h"

namespace sluice {
namespace {

// An earlier run, or another subtask that still commits for it, may fence a claim under way.
constexpr int kClaimAttemptsMax = 8;

Status claim_check(const KafkaMarker& marker, const std::string& id, CheckpointId restored) {
  const int64_t newest = marker.newest_commit();
  if (newest <= restored.value) return Status::ok();
  return Status::failed_precondition(
      "kafka sink: the topic has the results of checkpoint " + std::to_string(newest) + " (" + id +
      "), the job started from " + std::to_string(restored.value) +
      ": results in between would be written twice; start from the newest checkpoint, or allow "
      "repeats");
}

Status claim_id(const KafkaSinkSettings& settings, const std::string& id,
                std::optional<CheckpointId> restored, uint64_t incarnation) {
  Status last;
  for (int attempt = 0; attempt < kClaimAttemptsMax; ++attempt) {
    auto opened =
        KafkaTransaction::open(producer_properties(settings.properties), id, settings.topic);
    if (opened.is_ok()) {
      if (restored && !settings.allow_repeats) {
        SLUICE_RETURN_IF_ERROR(claim_check((*opened)->marker(), id, *restored));
      }
      last = (*opened)->claim(incarnation, !restored);
      if (last.is_ok()) return last;
      if (!(*opened)->is_broken()) return last;
    } else {
      last = opened.status();
      if (last.retry() != Retry::kWithBackoff) return last;
    }
  }
  return last;
}

// Ids of the sink with numbers beyond the parallelism of this run, this subtask's share.
Result<std::vector<std::string>> claim_find_left_over(const KafkaSinkSettings& settings,
                                                      const TaskInfo& task,
                                                      const std::string& prefix) {
  SLUICE_ASSIGN_OR_RETURN(const auto cluster, KafkaCluster::open(settings.query_properties()));
  SLUICE_ASSIGN_OR_RETURN(const std::vector<std::string> groups, cluster->groups(prefix));
  std::vector<std::string> mine;
  for (const std::string& group : groups) {
    int number = 0;
    const char* end = group.data() + group.size();
    const auto parsed = std::from_chars(group.data() + prefix.size(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end || number < task.parallelism) continue;
    if (number % task.parallelism == task.subtask) mine.push_back(group);
  }
  return mine;
}

}  // namespace

Status claim_transactional_ids(const KafkaSinkSettings& settings, const TaskInfo& task,
                               std::optional<CheckpointId> restored, uint64_t incarnation) {
  const std::string prefix = settings.transactional_ids(task);
  SLUICE_RETURN_IF_ERROR(
      claim_id(settings, prefix + std::to_string(task.subtask), restored, incarnation));
  SLUICE_ASSIGN_OR_RETURN(const auto left_over, claim_find_left_over(settings, task, prefix));
  for (const std::string& id : left_over) {
    SLUICE_RETURN_IF_ERROR(claim_id(settings, id, restored, incarnation));
  }
  return Status::ok();
}

}  // namespace sluice
