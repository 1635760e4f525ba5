#include "connectors/kafka/kafka_marker.h"

#include <algorithm>
#include <charconv>

namespace sluice {
namespace {

constexpr std::string_view kMarkerPrefix = "sluice1";
constexpr int kHex = 16;
constexpr int kDecimal = 10;

template <class Number>
bool marker_number(std::string_view& rest, Number& number, int base) {
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), number, base);
  rest.remove_prefix(static_cast<size_t>(parsed.ptr - rest.data()));
  return parsed.ec == std::errc();
}

bool marker_colon(std::string_view& rest) {
  if (!rest.starts_with(':')) return false;
  rest.remove_prefix(1);
  return true;
}

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
    const bool complete = marker_number(rest, entry.incarnation, kHex) && marker_colon(rest) &&
                          marker_number(rest, entry.committed, kDecimal) && marker_colon(rest) &&
                          marker_number(rest, entry.restored, kDecimal);
    if (!complete) return damaged();
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
    text += std::to_string(entry.committed) + ":" + std::to_string(entry.restored);
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
  return entry != nullptr && entry->committed >= checkpoint.value;
}

int64_t KafkaMarker::newest_commit() const {
  int64_t newest = kNone;
  for (size_t i = entries_.size(); i-- > 0;) {
    newest = std::max(newest, entries_[i].committed);
    if (entries_[i].restored == kNone) break;
  }
  return newest;
}

void KafkaMarker::add(uint64_t incarnation, CheckpointId checkpoint) {
  for (Entry& entry : entries_) {
    if (entry.incarnation != incarnation) continue;
    entry.committed = std::max(entry.committed, checkpoint.value);
    return;
  }
  entries_.push_back({incarnation, checkpoint.value});
  if (entries_.size() > kIncarnationsMax) entries_.erase(entries_.begin());
}

void KafkaMarker::claim(uint64_t incarnation, std::optional<CheckpointId> restored) {
  add(incarnation, CheckpointId{kNone});
  if (restored) entries_.back().restored = restored->value;
}

bool KafkaMarker::is_superseded(uint64_t incarnation, CheckpointId checkpoint) const {
  const Entry* entry = find(incarnation);
  const size_t first = entry == nullptr ? 0 : static_cast<size_t>(entry - entries_.data()) + 1;
  return std::any_of(entries_.begin() + static_cast<std::ptrdiff_t>(first), entries_.end(),
                     [&](const Entry& later) { return later.restored < checkpoint.value; });
}

}  // namespace sluice
