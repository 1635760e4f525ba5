#include "connectors/kafka/kafka_claim.h"

#include <charconv>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_marker_read.h"
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
      last = (*opened)->claim(incarnation, restored);
      if (last.is_ok()) return last;
      if (!(*opened)->is_broken()) return last;
    } else {
      last = opened.status();
      if (last.retry() != Retry::kWithBackoff) return last;
    }
  }
  return last;
}

// The ids of the sink that any run has used, with their numbers.
struct KnownId {
  std::string id;
  int number = 0;
};
Result<std::vector<KnownId>> claim_find_ids(const KafkaSinkSettings& settings,
                                            const std::string& prefix) {
  SLUICE_ASSIGN_OR_RETURN(const auto cluster, KafkaCluster::open(settings.properties.connection()));
  SLUICE_ASSIGN_OR_RETURN(const std::vector<std::string> groups, cluster->groups(prefix));
  std::vector<KnownId> known;
  for (const std::string& group : groups) {
    int number = 0;
    const char* end = group.data() + group.size();
    const auto parsed = std::from_chars(group.data() + prefix.size(), end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) known.push_back({group, number});
  }
  return known;
}

// A run that wakes up here, after another has gone on with its work, must not claim a part of the
// ids: the other one would go on with the rest.
Status claim_check_all(const KafkaSinkSettings& settings, const std::vector<KnownId>& known,
                       CheckpointId restored) {
  SLUICE_ASSIGN_OR_RETURN(const auto client, open_marker_client(settings.properties));
  for (const KnownId& one : known) {
    SLUICE_ASSIGN_OR_RETURN(
        const KafkaMarker marker,
        read_kafka_marker(*client, one.id, settings.topic, KafkaMarkerView::kBeforeOpen));
    SLUICE_RETURN_IF_ERROR(claim_check(marker, one.id, restored));
  }
  return Status::ok();
}

}  // namespace

Status claim_transactional_ids(const KafkaSinkSettings& settings, const TaskInfo& task,
                               std::optional<CheckpointId> restored, uint64_t incarnation) {
  const std::string prefix = settings.transactional_ids(task);
  SLUICE_ASSIGN_OR_RETURN(const auto known, claim_find_ids(settings, prefix));
  if (restored && !settings.allow_repeats) {
    SLUICE_RETURN_IF_ERROR(claim_check_all(settings, known, *restored));
  }
  SLUICE_RETURN_IF_ERROR(
      claim_id(settings, prefix + std::to_string(task.subtask), restored, incarnation));
  for (const KnownId& one : known) {
    const bool left_over = one.number >= task.parallelism;
    if (!left_over || one.number % task.parallelism != task.subtask) continue;
    SLUICE_RETURN_IF_ERROR(claim_id(settings, one.id, restored, incarnation));
  }
  return Status::ok();
}

}  // namespace sluice
