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
//   sluice1 { ";" incarnation in hex ":" checkpoint, -1 = none yet [ "f" ] }     oldest claim first
//
// "f": a run that started from nothing, so that numbers of checkpoints before it mean nothing to
// it.
#pragma once

#include <cstdint>
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
  /// A new writer has taken over; `fresh` when its job did not start from a snapshot.
  void claim(uint64_t incarnation, bool fresh);
  /// The writer that claimed last, 0 when none has.
  uint64_t newest_claim() const;

  struct Entry {
    uint64_t incarnation = 0;
    int64_t checkpoint = kClaimed;
    bool fresh = false;
  };
  static constexpr int64_t kClaimed = -1;
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  const Entry* find(uint64_t incarnation) const;

  // Oldest claim first.
  std::vector<Entry> entries_;
};

}  // namespace sluice
