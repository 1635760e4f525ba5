// What a sink subtask has committed so far, as it stands in the brokers: the memory that makes a
// repeated commit recognisable.
//
// A marker is the committed offset of a consumer group of its own, written in the same transaction
// as the epoch's records. The offset is the checkpoint's number, for people; the metadata holds,
// per incarnation of the writer, the newest checkpoint committed. Within an incarnation epochs are
// committed in order, so that number covers all before it. A writer claims the id before it has
// any epoch, so an incarnation that is not in the marker was forgotten: the oldest are, and all are
// when the brokers drop the group's offsets.
//
//   sluice1 { ";" incarnation in hex ":" committed ":" restored }     oldest claim first
//
// `committed` is the newest checkpoint committed, `restored` the one that the run started from; -1
// is none. Numbers before a run that started from nothing mean nothing to those after it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/status.h"

namespace sluice {

class KafkaMarker {
 public:
  /// Fits a broker's default limit of 4096 bytes for the metadata of an offset.
  static constexpr size_t kIncarnationsMax = 64;

  static Result<KafkaMarker> parse(std::string_view metadata);
  std::string to_text() const;

  bool covers(uint64_t incarnation, CheckpointId checkpoint) const;
  bool knows(uint64_t incarnation) const { return find(incarnation) != nullptr; }
  bool is_empty() const { return entries_.empty(); }
  /// The newest checkpoint committed since the last run that started from nothing; -1 when none.
  int64_t newest_commit() const;
  /// Says that `checkpoint` of `incarnation` is committed.
  void add(uint64_t incarnation, CheckpointId checkpoint);
  /// A new writer has taken over; its job started from `restored` or from nothing.
  void claim(uint64_t incarnation, std::optional<CheckpointId> restored);
  /// Whether a run that claimed after `incarnation` started without that checkpoint: it makes the
  /// checkpoint's results anew.
  bool is_superseded(uint64_t incarnation, CheckpointId checkpoint) const;

  struct Entry {
    uint64_t incarnation = 0;
    int64_t committed = kNone;
    int64_t restored = kNone;
  };
  static constexpr int64_t kNone = -1;
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  const Entry* find(uint64_t incarnation) const;

  // Oldest claim first.
  std::vector<Entry> entries_;
};

}  // namespace sluice
