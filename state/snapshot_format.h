// The bytes of a snapshot file: one operator subtask in one checkpoint (docs/formats.md).
//
//   header | section ... section | index | trailer
//
// A section holds entries of one keyed state sorted by (key group, key), or items of operator
// state. The index describes the sections with their checksums and is covered by a checksum in the
// trailer, so every byte but the padding of the header is checked when it is read. Sections of one
// state with the same run number are one sorted sequence. Plain data; no I/O.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/snapshot.h"

namespace sluice {

inline constexpr uint32_t kSnapshotFormatVersion = 1;
inline constexpr uint64_t kSnapshotHeaderMagic = 0x31504E5343554C53ULL;   // "SLUCSNP1"
inline constexpr uint64_t kSnapshotTrailerMagic = 0x31444E4543554C53ULL;  // "SLUCEND1"
inline constexpr size_t kSnapshotHeaderBytes = 16;
inline constexpr size_t kSnapshotTrailerBytes = 32;

/// Whose state a file holds. Stored in the file, so that a file that was swapped with another one
/// is noticed.
struct SnapshotIdentity {
  CheckpointId checkpoint;
  std::string operator_uid;
  int subtask = 0;
  int parallelism = 1;
  int max_parallelism = kDefaultMaxParallelism;
  /// Only changes since the file before it in the chain.
  bool is_delta = false;

  KeyGroupRange key_groups() const {
    return key_group_range_of(subtask, parallelism, max_parallelism);
  }
  friend bool operator==(const SnapshotIdentity&, const SnapshotIdentity&) = default;
};

/// Persisted: do not renumber.
enum class SectionKind : uint8_t { kKeyed = 0, kItems = 1 };

struct SnapshotSection {
  SectionKind kind = SectionKind::kKeyed;
  uint32_t state = 0;  // Index into states; unused for items.
  uint32_t run = 0;
  int first_group = 0;
  int last_group = -1;
  uint64_t offset = 0;
  uint64_t size = 0;
  uint32_t count = 0;
  uint32_t crc32c = 0;
};

struct SnapshotStateName {
  std::string name;
  std::string schema;
};

struct SnapshotIndex {
  SnapshotIdentity identity;
  std::vector<SnapshotStateName> states;
  std::vector<SnapshotSection> sections;
};

struct SnapshotTrailer {
  uint64_t index_offset = 0;
  uint64_t index_size = 0;
  uint32_t index_crc32c = 0;
};

void append_snapshot_header(std::string& out);
void append_snapshot_index(const SnapshotIndex& index, std::string& out);
void append_snapshot_trailer(const SnapshotTrailer& trailer, std::string& out);

/// kCorruption without a path: the caller adds it.
Status check_snapshot_header(std::string_view bytes);
Result<SnapshotTrailer> parse_snapshot_trailer(std::string_view bytes, uint64_t file_size);
Result<SnapshotIndex> parse_snapshot_index(std::string_view bytes, const SnapshotTrailer& trailer);

/// Start of the entries of one key group within a section.
struct GroupBlock {
  uint32_t group = 0;
  uint32_t count = 0;
  uint32_t bytes = 0;
};
inline constexpr size_t kGroupBlockBytes = 12;

/// One stored entry. The value's length is stored plus one; zero stands for a tombstone.
struct SnapshotEntry {
  std::string_view key;
  std::string_view value;
  bool is_tombstone = false;
};

/// Seven bits a byte, the lowest first.
inline char* put_varint(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}
inline constexpr size_t kVarintBytesMax = 10;

/// Null when the bytes end too early or the number is too long.
inline const char* get_varint(const char* from, const char* end, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && from < end; shift += 7) {
    const auto byte = static_cast<uint8_t>(*from++);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return from;
  }
  return nullptr;
}

/// The byte after the entry, or null when the bytes are not an entry.
inline const char* parse_snapshot_entry(const char* from, const char* end, SnapshotEntry& entry) {
  uint64_t key_size = 0;
  uint64_t value_code = 0;
  from = get_varint(from, end, key_size);
  if (from == nullptr) return nullptr;
  from = get_varint(from, end, value_code);
  if (from == nullptr) return nullptr;
  entry.is_tombstone = value_code == 0;
  const uint64_t value_size = entry.is_tombstone ? 0 : value_code - 1;
  const auto left = static_cast<uint64_t>(end - from);
  if (key_size > left || value_size > left - key_size) return nullptr;
  entry.key = {from, key_size};
  entry.value = {from + key_size, value_size};
  return from + key_size + value_size;
}

/// The first eight bytes of a key as a number that sorts as the bytes do.
inline uint64_t key_prefix(std::string_view key) {
  uint64_t prefix = 0;
  std::memcpy(&prefix, key.data(), key.size() < 8 ? key.size() : 8);
  return __builtin_bswap64(prefix);
}

}  // namespace sluice
