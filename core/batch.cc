#include "core/batch.h"

#include <algorithm>

namespace sluice {

void Batch::share_arenas_of(const Batch& other) {
  const auto share = [&](const TextArenaRef& arena) {
    if (!arena || arena.get() == own_arena_.get()) return;
    for (const auto& held : shared_arenas_) {
      if (held.get() == arena.get()) return;
    }
    shared_arenas_.push_back(arena);
  };
  share(other.own_arena_);
  for (const auto& arena : other.shared_arenas_) share(arena);
}

TextArena& Batch::own_arena() {
  if (!own_arena_) own_arena_ = TextArenaRef(new TextArena());
  return *own_arena_;
}

void Batch::fill_times() {
  times_.reserve(std::min<size_t>(row_limit_, 65536));
  times_.resize(rows_, kNoTimestamp);
}

void Batch::reset_side(uint32_t row_limit) {
  row_limit_ = row_limit;
  times_.clear();
  key_hashes_.clear();
  kinds_.clear();
  shared_arenas_.clear();
  if (own_arena_) {
    if (own_arena_->is_unique()) {
      own_arena_->clear();
    } else {
      own_arena_.reset();
    }
  }
}

size_t Batch::side_bytes() const {
  return times_.capacity() * sizeof(EventTime) + key_hashes_.capacity() * sizeof(uint64_t) +
         kinds_.capacity();
}

void Batch::encode_side(ByteWriter& writer) const {
  const auto flags = static_cast<uint8_t>((times_.empty() ? 0 : 1) | (key_hashes_.empty() ? 0 : 2) |
                                          (kinds_.empty() ? 0 : 4));
  writer.fixed(flags);
  const auto write = [&writer]<class Item>(const std::vector<Item>& array) {
    if (!array.empty()) writer.bytes(array.data(), array.size() * sizeof(Item));
  };
  write(times_);
  write(key_hashes_);
  write(kinds_);
}

bool Batch::decode_side(ByteReader& reader, uint32_t rows) {
  const auto read = [&](auto& array) {
    using Item = typename std::remove_cvref_t<decltype(array)>::value_type;
    const std::string_view bytes = reader.bytes(size_t{rows} * sizeof(Item));
    if (reader.failed()) return;
    array.resize(rows);
    if (rows > 0) std::memcpy(static_cast<void*>(array.data()), bytes.data(), bytes.size());
  };
  const auto flags = reader.fixed<uint8_t>();
  if ((flags & 1) != 0) read(times_);
  if ((flags & 2) != 0) read(key_hashes_);
  if ((flags & 4) != 0) read(kinds_);
  return !reader.failed() && flags < 8;
}

}  // namespace sluice
