#include "connectors/kafka/kafka_enumerator.h"

#include <algorithm>
#include <regex>

#include "core/codec.h"

namespace sluice {
namespace {

constexpr uint8_t kEnumeratorVersion = 1;

}  // namespace

Status KafkaEnumerator::open(int source_parallelism) {
  parallelism_ = source_parallelism;
  SLUICE_RETURN_IF_ERROR(settings_.check());
  SLUICE_ASSIGN_OR_RETURN(cluster_, KafkaCluster::open(settings_.consumer_properties()));
  SLUICE_ASSIGN_OR_RETURN(const std::vector<KafkaPartition> found, find_new());
  if (!restored_) return add_first(found);
  for (const KafkaPartition& partition : found) {
    partitions_[partition] = KafkaSplit{.partition = partition};
  }
  return Status::ok();
}

Result<std::vector<KafkaPartition>> KafkaEnumerator::list_partitions() {
  SLUICE_ASSIGN_OR_RETURN(const std::vector<KafkaTopic> topics, cluster_->topics());
  std::vector<KafkaPartition> partitions;
  const auto add = [&](const KafkaTopic& topic) {
    for (int32_t id = 0; id < topic.partitions; ++id) partitions.push_back({topic.name, id});
  };
  for (const std::string& wanted : settings_.topics) {
    const auto found = std::find_if(topics.begin(), topics.end(),
                                    [&](const KafkaTopic& topic) { return topic.name == wanted; });
    if (found == topics.end()) {
      return Status::not_found("kafka " + settings_.properties.brokers() + ": topic '" + wanted +
                               "' does not exist");
    }
    add(*found);
  }
  if (settings_.topics.empty()) {
    const std::regex pattern(settings_.pattern);
    for (const KafkaTopic& topic : topics) {
      // Kafka's own topics start like this and are never meant.
      if (topic.name.starts_with("__") || !std::regex_match(topic.name, pattern)) continue;
      add(topic);
    }
  }
  return partitions;
}

Result<std::vector<KafkaPartition>> KafkaEnumerator::find_new() {
  SLUICE_ASSIGN_OR_RETURN(std::vector<KafkaPartition> found, list_partitions());
  std::erase_if(found, [&](const KafkaPartition& partition) {
    return partitions_.find(partition) != partitions_.end();
  });
  return found;
}

Result<std::vector<KafkaCluster::Place>> KafkaEnumerator::start_places(
    const std::vector<KafkaPartition>& partitions) {
  std::vector<KafkaCluster::Place> places;
  places.reserve(partitions.size());
  for (const KafkaPartition& partition : partitions) places.push_back({partition, -1});
  const KafkaStart& start = settings_.start;
  if (start.kind == KafkaStart::Kind::kGroupOffsets) {
    SLUICE_ASSIGN_OR_RETURN(places, cluster_->committed(partitions));
  } else if (start.kind == KafkaStart::Kind::kTime) {
    SLUICE_ASSIGN_OR_RETURN(places, cluster_->offsets_for_time(partitions, start.from_time));
  } else if (start.kind == KafkaStart::Kind::kOffsets) {
    for (auto& place : places) {
      const auto given = start.from_offsets.find(place.partition);
      if (given != start.from_offsets.end()) place.offset = given->second;
    }
  }
  // Without an offset by now: the end or the beginning. The end must be fixed here, so that a job
  // that dies before its first message begins at the same place again.
  const bool is_fallback =
      start.kind == KafkaStart::Kind::kGroupOffsets || start.kind == KafkaStart::Kind::kOffsets;
  const KafkaStart::Kind rest = start.kind == KafkaStart::Kind::kTime ? KafkaStart::Kind::kLatest
                                : is_fallback                         ? start.otherwise
                                                                      : start.kind;
  std::vector<KafkaCluster::Place> ends;
  if (rest == KafkaStart::Kind::kLatest) {
    SLUICE_ASSIGN_OR_RETURN(ends, cluster_->end_offsets(partitions));
  }
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i].offset >= 0) continue;
    places[i].offset = ends.empty() ? KafkaSplit::kEarliest : ends[i].offset;
  }
  return places;
}

Status KafkaEnumerator::add_first(const std::vector<KafkaPartition>& partitions) {
  SLUICE_ASSIGN_OR_RETURN(const std::vector<KafkaCluster::Place> starts, start_places(partitions));
  std::vector<KafkaCluster::Place> begins;
  std::vector<KafkaCluster::Place> ends;
  if (settings_.bounded) {
    SLUICE_ASSIGN_OR_RETURN(begins, cluster_->begin_offsets(partitions));
    SLUICE_ASSIGN_OR_RETURN(ends, cluster_->end_offsets(partitions));
  }
  for (size_t i = 0; i < starts.size(); ++i) {
    KafkaSplit split{.partition = partitions[i], .next = starts[i].offset};
    if (settings_.bounded) {
      split.end = ends[i].offset;
      // An empty partition has no message that could tell that its end is reached.
      if (split.next == KafkaSplit::kEarliest && begins[i].offset >= split.end) {
        split.next = split.end;
      }
    }
    partitions_[partitions[i]] = split;
  }
  return Status::ok();
}

int KafkaEnumerator::owner_of(const KafkaPartition& partition) const {
  uint64_t start = 0;
  for (const char c : partition.topic) start = start * 31 + static_cast<uint8_t>(c);
  return static_cast<int>((start + static_cast<uint64_t>(partition.id)) %
                          static_cast<uint64_t>(parallelism_));
}

SplitEnumerator::Assignment KafkaEnumerator::next(int subtask) {
  Assignment assignment;
  for (auto& [partition, split] : partitions_) {
    if (!split || owner_of(partition) != subtask) continue;
    assignment.splits.push_back(split->encode());
    split.reset();
  }
  assignment.no_more = discovery_interval() == std::nullopt;
  return assignment;
}

void KafkaEnumerator::add_back(std::vector<SourceSplit> splits) {
  for (const SourceSplit& encoded : splits) {
    auto split = KafkaSplit::decode(encoded);
    SLUICE_CHECK_MSG(split.is_ok(), "a split comes back as it was handed out");
    partitions_[split->partition] = *split;
  }
}

Status KafkaEnumerator::discover() {
  auto found = find_new();
  // A broker that does not answer now is asked again next time; reading goes on meanwhile.
  if (!found.is_ok()) {
    return found.status().retry() == Retry::kWithBackoff ? Status::ok() : found.status();
  }
  for (const KafkaPartition& partition : *found) {
    partitions_[partition] = KafkaSplit{.partition = partition};
  }
  return Status::ok();
}

std::string KafkaEnumerator::snapshot() const {
  std::string state;
  ByteWriter writer(state);
  writer.fixed(kEnumeratorVersion);
  writer.fixed(static_cast<uint32_t>(partitions_.size()));
  for (const auto& [partition, split] : partitions_) {
    const SourceSplit encoded = split.value_or(KafkaSplit{.partition = partition}).encode();
    writer.fixed(static_cast<uint8_t>(split.has_value()));
    writer.text(encoded.id);
    writer.text(encoded.data);
  }
  return state;
}

Status KafkaEnumerator::restore(std::string_view state) {
  ByteReader reader(state);
  std::map<KafkaPartition, std::optional<KafkaSplit>> stored;
  const auto version = reader.fixed<uint8_t>();
  const uint32_t count = reader.count();
  for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
    const bool is_pending = reader.fixed<uint8_t>() != 0;
    SourceSplit encoded;
    encoded.id = std::string(reader.text());
    encoded.data = std::string(reader.text());
    if (reader.failed()) break;
    SLUICE_ASSIGN_OR_RETURN(const KafkaSplit split, KafkaSplit::decode(encoded));
    stored[split.partition] = is_pending ? std::optional(split) : std::nullopt;
  }
  if (reader.failed() || version != kEnumeratorVersion) {
    return Status::corruption("kafka: the stored partitions of a source cannot be read");
  }
  // What an earlier open() found and the checkpoint does not know is new since the checkpoint.
  for (const auto& [partition, split] : partitions_) {
    if (stored.find(partition) == stored.end()) {
      stored[partition] = KafkaSplit{.partition = partition};
    }
  }
  partitions_ = std::move(stored);
  restored_ = true;
  return Status::ok();
}

}  // namespace sluice
