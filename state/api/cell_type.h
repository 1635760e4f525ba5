// What a table of rows must know about one kind of cell without knowing its C++ type.
//
// A cell is a fixed number of bytes inside a row that may be moved with memcpy. The functions below
// run once per cell and page copy, snapshot entry or restored entry, never per record: handles know
// their type and work on the bytes directly.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/codec.h"
#include "core/schema.h"
#include "core/status.h"
#include "state/api/state_ttl.h"

namespace sluice {

/// Receives what one cell of one key writes into a snapshot.
class CellWriter {
 public:
  virtual ~CellWriter() = default;
  /// `suffix` follows the key's bytes: the map key of a MapState, otherwise empty.
  virtual void put(std::string_view suffix, std::string_view value) = 0;

  /// Empty buffers for the bytes of an entry, used again for every entry.
  EncodeBuffer& new_suffix() { return suffix_.clear(); }
  EncodeBuffer& new_value() { return value_.clear(); }

 private:
  EncodeBuffer suffix_;
  EncodeBuffer value_;
};

struct CellContext {
  StateTtl ttl;
  int64_t now_ms = 0;
  /// How restored bytes were stored; null when just as they are written now.
  const TypeSchema* stored_suffix = nullptr;
  const TypeSchema* stored_value = nullptr;
  /// The table's count of bytes outside of pages; null while a snapshot is written.
  int64_t* box_bytes = nullptr;

  void add_box_bytes(int64_t bytes) const {
    if (box_bytes != nullptr) *box_bytes += bytes;
  }
};

struct CellType {
  uint32_t bytes = 0;
  uint32_t alignment = 1;
  /// The cell's address in the snapshot has a suffix, so one cell makes many entries.
  bool has_suffix = false;
  /// After a bitwise copy of a present cell; null when nothing is referenced.
  void (*share)(char* cell) = nullptr;
  /// Releases what a present cell refers to; null when nothing.
  void (*destroy)(char* cell) = nullptr;
  /// Writes the entries of a present cell, without expired ones.
  void (*write)(const char* cell, const CellContext& context, CellWriter& writer) = nullptr;
  /// Fetches into the cache what write() will read outside of the row: step 0 first, and each of
  /// the `fetch_steps` when what the one before has asked for is there. Null: nothing.
  void (*fetch)(const char* cell, uint32_t step) = nullptr;
  uint32_t fetch_steps = 0;
  /// Adds a restored entry; `is_present` says whether the cell holds something and is set when it
  /// does afterwards (an entry that has expired meanwhile is dropped).
  Status (*read)(char* cell, bool& is_present, const CellContext& context, std::string_view suffix,
                 std::string_view value) = nullptr;
  /// Drops what has expired from a present cell; true when nothing is left (the cell is destroyed
  /// then). Null for kinds without TTL.
  bool (*expire)(char* cell, const CellContext& context) = nullptr;
  /// Bytes a present cell holds outside of the row, as it has reported them to the table; null when
  /// none.
  int64_t (*outside_bytes)(const char* cell) = nullptr;
  /// When the entry of a present cell that lives longest was refreshed last; null without TTL.
  int64_t (*last_touched_ms)(const char* cell) = nullptr;
  /// With TTL: a written value begins with the time of its last refresh (int64).
  bool value_starts_with_time = false;
};

/// Schema texts (core/schema.h) of what a cell writes.
struct CellSchema {
  std::string value;
  std::string suffix;  // Empty without suffix.
};

/// Reads a value that was stored as `stored` (null: as it is written now).
template <class T>
T decode_stored(ByteReader& reader, const TypeSchema* stored) {
  T value{};
  if (stored != nullptr) {
    decode_with_schema(reader, *stored, value);
  } else {
    Codec<T>::decode(reader, value);
  }
  return value;
}

/// A cell of the table's layout, as handles hold it.
struct CellRef {
  uint32_t offset = 0;
  uint32_t index = 0;
  uint64_t bit = 0;
};

}  // namespace sluice
