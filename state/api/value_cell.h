// The cell of one value with or without time to live: what ValueState, ReducingState and
// AggregatingState have in common.
//
//   [value or box pointer][int64 last touched, only with TTL]
#pragma once

#include <cstdint>
#include <cstring>

#include "core/codec.h"
#include "state/api/cell_type.h"
#include "state/api/row_table.h"
#include "state/api/stored_value.h"

namespace sluice {

/// The schema of a T that stands behind the time of its last refresh when it has a time to live.
template <class T>
std::string timed_schema(StateTtl ttl) {
  return ttl.is_on() ? "(time," + schema_text<T>() + ")" : schema_text<T>();
}

template <class T, bool kTimed>
struct ValueCell {
  using Stored = StoredValue<T>;
  static constexpr uint32_t kTimeOffset = (Stored::kBytes + 7) / 8 * 8;

  static int64_t touched(const char* cell) {
    int64_t ms = 0;
    std::memcpy(&ms, cell + kTimeOffset, sizeof(ms));
    return ms;
  }
  static void touch(char* cell, int64_t ms) { std::memcpy(cell + kTimeOffset, &ms, sizeof(ms)); }

  static const CellType* type() {
    static const CellType kType = [] {
      CellType type;
      type.bytes = kTimed ? kTimeOffset + 8 : Stored::kBytes;
      type.alignment = kTimed && Stored::kAlignment < 8 ? 8 : Stored::kAlignment;
      if constexpr (Stored::kHasReferences) {
        type.share = [](char* cell) { Stored::share(cell); };
        type.destroy = [](char* cell) { Stored::destroy(cell); };
      }
      type.write = &ValueCell::write;
      if constexpr (Stored::kHasReferences) {
        type.fetch = &ValueCell::fetch;
        type.fetch_steps = 1;
      }
      type.read = &ValueCell::read;
      if constexpr (Stored::kHasReferences) {
        type.outside_bytes = [](const char* cell) {
          return Stored::outside_bytes(Stored::get(cell));
        };
      }
      if constexpr (kTimed) {
        type.expire = &ValueCell::expire;
        type.last_touched_ms = &ValueCell::touched;
        type.value_starts_with_time = true;
      }
      return type;
    }();
    return &kType;
  }

 private:
  static void write(const char* cell, const CellContext& context, CellWriter& out) {
    EncodeBuffer& bytes = out.new_value();
    if constexpr (kTimed) {
      if (context.ttl.is_expired(touched(cell), context.now_ms)) return;
      bytes.fixed(touched(cell));
    }
    Codec<T>::encode(Stored::get(cell), bytes);
    out.put({}, bytes.view());
  }
  static void fetch(const char* cell, uint32_t /*step*/) {
    if constexpr (Stored::kInline) {
      fetch_texts(Stored::get(cell));
    } else {
      fetch_bytes(Stored::box_of(cell), sizeof(typename Stored::Box));
    }
  }
  static Status read(char* cell, bool& is_present, const CellContext& context,
                     std::string_view suffix, std::string_view value) {
    ByteReader reader(value);
    int64_t ms = 0;
    if constexpr (kTimed) ms = reader.fixed<int64_t>();
    const TypeSchema* stored = context.stored_value;
    if (kTimed && stored != nullptr) stored = &stored->children[1];
    const T decoded = decode_stored<T>(reader, stored);
    if (!suffix.empty() || reader.failed() || !reader.at_end()) {
      return Status::corruption("a value cannot be decoded");
    }
    if (is_present) return Status::corruption("a key occurs twice");
    if (kTimed && context.ttl.is_expired(ms, context.now_ms)) return Status::ok();
    Stored::construct(cell, decoded);
    if constexpr (kTimed) touch(cell, ms);
    context.add_box_bytes(Stored::outside_bytes(decoded));
    is_present = true;
    return Status::ok();
  }
  static bool expire(char* cell, const CellContext& context) {
    if (!context.ttl.is_expired(touched(cell), context.now_ms)) return false;
    context.add_box_bytes(-Stored::outside_bytes(Stored::get(cell)));
    if constexpr (Stored::kHasReferences) Stored::destroy(cell);
    return true;
  }
};

/// Typed access to the cell of the current key. A plain value: table, place and time to live.
template <class T>
class ValueSlot {
 public:
  using Stored = StoredValue<T>;

  ValueSlot() = default;
  /// Registers the state; the table must not be sealed.
  static Result<ValueSlot> add_to(RowTable& table, const std::string& name, StateTtl ttl) {
    const CellType* type = ttl.is_on() ? ValueCell<T, true>::type() : ValueCell<T, false>::type();
    SLUICE_ASSIGN_OR_RETURN(const CellRef cell,
                            table.add_cell(name, type, ttl, {timed_schema<T>(ttl), {}}));
    return ValueSlot(table, cell, type, ttl);
  }

  /// Null when empty or expired. Valid until the next write to any state of the key.
  const T* get() const {
    const char* cell = table_->read_cell(cell_);
    if (cell == nullptr) return nullptr;
    if (ttl_.is_on() && !still_lives(cell)) return nullptr;
    return &Stored::get(cell);
  }
  /// `value` may be the stored value itself.
  void set(const T& value) {
    if constexpr (Stored::kInline) {
      // The write below may copy the page and free the old one, with `value` in it.
      const char* held = table_->read_cell(cell_);
      if (held != nullptr && held == reinterpret_cast<const char*>(&value)) {
        const T copy(value);
        return set_other(copy);
      }
    }
    set_other(value);
  }
  /// Calls f(T&) on the value, a default T when there is none.
  template <class F>
  void modify(F&& f) {
    if (ttl_.is_on() && get() == nullptr) clear();
    bool was_present = false;
    char* cell = table_->write_cell(cell_, was_present);
    if (!was_present) Stored::construct(cell, T{});
    if constexpr (Stored::kHasReferences) {
      const int64_t before = was_present ? Stored::outside_bytes(Stored::get(cell)) : 0;
      Stored::modify(cell, f);
      table_->add_box_bytes(Stored::outside_bytes(Stored::get(cell)) - before);
    } else {
      Stored::modify(cell, f);
    }
    if (ttl_.is_on()) ValueCell<T, true>::touch(cell, table_->now_ms());
  }
  /// The value in place, a default T when there is none; valid until the key changes.
  T& get_or_create() requires(Stored::kInline && !kContainsText<T>) {
    if (ttl_.is_on() && get() == nullptr) clear();
    bool was_present = false;
    char* cell = table_->write_cell(cell_, was_present);
    if (!was_present) Stored::construct(cell, T{});
    if (ttl_.is_on()) ValueCell<T, true>::touch(cell, table_->now_ms());
    return *std::launder(reinterpret_cast<T*>(cell));
  }
  /// The present value in place, texts included: the caller puts no other texts in.
  T& present_in_place() requires(Stored::kInline) {
    bool was_present = false;
    char* cell = table_->write_cell(cell_, was_present);
    SLUICE_CHECK(was_present);
    if (ttl_.is_on()) ValueCell<T, true>::touch(cell, table_->now_ms());
    return *std::launder(reinterpret_cast<T*>(cell));
  }
  void clear() {
    if constexpr (Stored::kHasReferences) {
      if (const char* cell = table_->read_cell(cell_)) {
        table_->add_box_bytes(-Stored::outside_bytes(Stored::get(cell)));
      }
    }
    table_->clear_cell(cell_, *type_);
  }

 private:
  ValueSlot(RowTable& table, CellRef cell, const CellType* type, StateTtl ttl)
      : table_(&table), cell_(cell), type_(type), ttl_(ttl) {}

  void set_other(const T& value) {
    bool was_present = false;
    char* cell = table_->write_cell(cell_, was_present);
    if constexpr (Stored::kHasReferences) {
      const int64_t before = was_present ? Stored::outside_bytes(Stored::get(cell)) : 0;
      table_->add_box_bytes(Stored::outside_bytes(value) - before);
    }
    if (was_present) {
      Stored::assign(cell, value);
    } else {
      Stored::construct(cell, value);
    }
    if (ttl_.is_on()) ValueCell<T, true>::touch(cell, table_->now_ms());
  }
  bool still_lives(const char*& cell) const {
    if (ttl_.is_expired(ValueCell<T, true>::touched(cell), table_->now_ms())) return false;
    if (ttl_.update == TtlUpdate::kOnReadAndWrite) {
      bool was_present = false;
      char* writable = table_->write_cell(cell_, was_present);
      ValueCell<T, true>::touch(writable, table_->now_ms());
      cell = writable;
    }
    return true;
  }

  RowTable* table_ = nullptr;
  CellRef cell_;
  const CellType* type_ = nullptr;
  StateTtl ttl_;
};

}  // namespace sluice
