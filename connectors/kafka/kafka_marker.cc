#include "connectors/kafka/kafka_marker.h"

#include <algorithm>
#include <charconv>

namespace sluice {
namespace {

constexpr std::string_view kMarkerPrefix = "sluice1";
constexpr int kHex = 16;
constexpr char kFresh = 'f';

}  // namespace

Result<KafkaMarker> KafkaMarker::parse(std::string_view metadata) {
  KafkaMarker marker;
  if (metadata.empty()) return marker;
  const auto damaged = [&] {
    return Status::corruption("kafka: the marker of a sink is not ours: '" +
                              std::string(metadata.substr(0, 80)) + "'");
  };
  if (!metadata.starts_with(kMarkerPrefix)) return damaged();
  std::string_view rest = metadata.substr(kMarkerPrefix.size());
  while (!rest.empty()) {
    Entry entry;
    if (rest.front() != ';') return damaged();
    rest.remove_prefix(1);
    const char* end = rest.data() + rest.size();
    const auto id = std::from_chars(rest.data(), end, entry.incarnation, kHex);
    if (id.ec != std::errc() || id.ptr == end || *id.ptr != ':') return damaged();
    const auto number = std::from_chars(id.ptr + 1, end, entry.checkpoint);
    if (number.ec != std::errc()) return damaged();
    rest.remove_prefix(static_cast<size_t>(number.ptr - rest.data()));
    entry.fresh = rest.starts_with(kFresh);
    if (entry.fresh) rest.remove_prefix(1);
    marker.entries_.push_back(entry);
  }
  return marker;
}

std::string KafkaMarker::to_text() const {
  std::string text(kMarkerPrefix);
  char digits[24];
  for (const Entry& entry : entries_) {
    const auto id = std::to_chars(digits, digits + sizeof(digits), entry.incarnation, kHex);
    text += ';';
    text.append(digits, id.ptr);
    text += ':';
    text += std::to_string(entry.checkpoint);
    if (entry.fresh) text += kFresh;
  }
  return text;
}

const KafkaMarker::Entry* KafkaMarker::find(uint64_t incarnation) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.incarnation == incarnation;
  });
  return found == entries_.end() ? nullptr : &*found;
}

bool KafkaMarker::covers(uint64_t incarnation, CheckpointId checkpoint) const {
  const Entry* entry = find(incarnation);
  return entry != nullptr && entry->checkpoint >= checkpoint.value;
}

int64_t KafkaMarker::newest_commit() const {
  int64_t newest = kClaimed;
  for (size_t i = entries_.size(); i-- > 0;) {
    newest = std::max(newest, entries_[i].checkpoint);
    if (entries_[i].fresh) break;
  }
  return newest;
}

void KafkaMarker::add(uint64_t incarnation, CheckpointId checkpoint) {
  for (Entry& entry : entries_) {
    if (entry.incarnation != incarnation) continue;
    entry.checkpoint = std::max(entry.checkpoint, checkpoint.value);
    return;
  }
  entries_.push_back({incarnation, checkpoint.value});
  if (entries_.size() > kIncarnationsMax) entries_.erase(entries_.begin());
}

void KafkaMarker::claim(uint64_t incarnation, bool fresh) {
  add(incarnation, CheckpointId{kClaimed});
  if (fresh) entries_.back().fresh = true;
}

uint64_t KafkaMarker::newest_claim() const {
  return entries_.empty() ? 0 : entries_.back().incarnation;
}

}  // namespace sluice
