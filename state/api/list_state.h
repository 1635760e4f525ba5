// ListState<T>: a list of items per key. Flink's ListState.
//
// With a time to live each item has its own; items written by update() count from then. A list
// whose page was frozen is copied before the first write.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/codec.h"
#include "state/api/cow_box.h"
#include "state/api/row_table.h"
#include "state/api/state_descriptor.h"
#include "state/api/value_cell.h"

namespace sluice {

/// What the box of a list holds. Owns the texts of its items.
template <class T>
struct ListItems {
  std::vector<T> items;
  std::vector<int64_t> times;  // Of the last write, with TTL; else empty.
  int64_t bytes = 0;           // For memory accounting.

  ListItems() = default;
  ListItems(ListItems&&) noexcept = default;
  ListItems(const ListItems& other) : items(other.items), times(other.times), bytes(other.bytes) {
    for (const T& item : items) share_texts(item);
  }
  ListItems& operator=(const ListItems&) = delete;
  ~ListItems() {
    if constexpr (kContainsText<T>) {
      for (const T& item : items) release_texts(item);
    }
  }

  static int64_t bytes_of(const T& item) {
    return static_cast<int64_t>(sizeof(T)) + heap_bytes_of(item);
  }
  /// Appends a copy with its own texts; returns the bytes it takes.
  int64_t append(const T& item, bool timed, int64_t time_ms) {
    T copy(item);
    own_texts(copy);
    items.push_back(std::move(copy));
    if (timed) times.push_back(time_ms);
    const int64_t added = bytes_of(items.back());
    bytes += added;
    return added;
  }
  bool any_expired(const StateTtl& ttl, int64_t now_ms) const {
    return std::any_of(times.begin(), times.end(),
                       [&](int64_t time) { return ttl.is_expired(time, now_ms); });
  }
  void drop_expired(const StateTtl& ttl, int64_t now_ms) {
    size_t kept = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      if (ttl.is_expired(times[i], now_ms)) {
        bytes -= bytes_of(items[i]);
        release_texts(items[i]);
        continue;
      }
      if (kept != i) items[kept] = std::move(items[i]);
      times[kept++] = times[i];
    }
    items.erase(items.begin() + static_cast<std::ptrdiff_t>(kept), items.end());
    times.resize(kept);
  }
};

/// The cell of a list: a pointer to its box. Snapshot value: [T], with TTL [(time,T)].
template <class T>
struct ListCell {
  using Box = CowBox<ListItems<T>>;
  using Stored = StoredValue<ListItems<T>>;

  static Box* box_of(const char* cell) { return Stored::box_of(cell); }
  static void set_box(char* cell, Box* box) { Stored::set_box(cell, box); }

  static const CellType* type() {
    static const CellType kType = [] {
      CellType type;
      type.bytes = sizeof(Box*);
      type.alignment = alignof(Box*);
      type.share = [](char* cell) { box_of(cell)->add_reference(); };
      type.destroy = [](char* cell) { box_of(cell)->release(); };
      type.write = &ListCell::write;
      type.fetch = &ListCell::fetch;
      type.fetch_steps = kContainsText<T> ? 3 : 2;
      type.read = &ListCell::read;
      type.expire = &ListCell::expire;
      type.outside_bytes = [](const char* cell) { return box_of(cell)->value().bytes; };
      type.last_touched_ms = [](const char* cell) {
        const auto& times = box_of(cell)->value().times;
        return times.empty() ? INT64_MAX : *std::max_element(times.begin(), times.end());
      };
      return type;
    }();
    return &kType;
  }
  static std::string schema(const StateTtl& ttl) { return "[" + timed_schema<T>(ttl) + "]"; }

 private:
  static void write(const char* cell, const CellContext& context, CellWriter& out) {
    const ListItems<T>& list = box_of(cell)->value();
    EncodeBuffer& bytes = out.new_value();
    bytes.fixed(uint32_t{0});
    uint32_t count = 0;
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (context.ttl.is_on()) {
        if (context.ttl.is_expired(list.times[i], context.now_ms)) continue;
        bytes.fixed(list.times[i]);
      }
      Codec<T>::encode(list.items[i], bytes);
      ++count;
    }
    if (count == 0) return;
    bytes.overwrite(0, count);
    out.put({}, bytes.view());
  }
  static void fetch(const char* cell, uint32_t step) {
    constexpr size_t kItemsMax = 4;
    const Box* box = box_of(cell);
    if (step == 0) {
      fetch_bytes(box, sizeof(Box));
      return;
    }
    const auto& items = box->value().items;
    if (step == 1) {
      fetch_bytes(items.data(), items.size() * sizeof(T));
    } else {
      for (size_t i = 0; i < std::min(items.size(), kItemsMax); ++i) fetch_texts(items[i]);
    }
  }
  static Status read(char* cell, bool& is_present, const CellContext& context,
                     std::string_view suffix, std::string_view value) {
    if (is_present) return Status::corruption("a key occurs twice");
    const bool timed = context.ttl.is_on();
    const TypeSchema* stored =
        context.stored_value == nullptr ? nullptr : &context.stored_value->children[0];
    if (timed && stored != nullptr) stored = &stored->children[1];
    auto* box = new Box();
    ListItems<T>& list = box->mutable_value();
    ByteReader reader(value);
    const uint32_t count = reader.count();
    for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
      const int64_t time_ms = timed ? reader.fixed<int64_t>() : 0;
      const T item = decode_stored<T>(reader, stored);
      if (!context.ttl.is_expired(time_ms, context.now_ms)) list.append(item, timed, time_ms);
    }
    const bool damaged = !suffix.empty() || reader.failed() || !reader.at_end();
    if (damaged || list.items.empty()) {
      box->release();
      return damaged ? Status::corruption("a list cannot be decoded") : Status::ok();
    }
    context.add_box_bytes(list.bytes);
    set_box(cell, box);
    is_present = true;
    return Status::ok();
  }
  static bool expire(char* cell, const CellContext& context) {
    if (!box_of(cell)->value().any_expired(context.ttl, context.now_ms)) return false;
    Box* box = Box::make_unique(box_of(cell));
    set_box(cell, box);
    ListItems<T>& list = box->mutable_value();
    context.add_box_bytes(-list.bytes);
    list.drop_expired(context.ttl, context.now_ms);
    context.add_box_bytes(list.bytes);
    if (!list.items.empty()) return false;
    box->release();
    return true;
  }
};

template <class T>
class ListState {
  static_assert(!std::is_same_v<T, bool>, "use ListState<uint8_t> for a list of flags");

 public:
  /// Unbound; using it is an error.
  ListState() = default;
  static Result<ListState> add_to(RowTable& table, const ListStateDescriptor<T>& descriptor) {
    SLUICE_ASSIGN_OR_RETURN(const CellRef cell,
                            table.add_cell(descriptor.name, Cell::type(), descriptor.ttl,
                                           {Cell::schema(descriptor.ttl), {}}));
    return ListState(table, cell, descriptor.ttl);
  }

  /// The items in the order of adding; empty when there are none. Valid until the next write to any
  /// state of this key.
  std::span<const T> get() const {
    const char* cell = table_->read_cell(cell_);
    if (cell == nullptr) return {};
    if (ttl_.is_on()) {
      drop_expired(cell);
      if (ttl_.update == TtlUpdate::kOnReadAndWrite) touch_all();
      cell = table_->read_cell(cell_);
      if (cell == nullptr) return {};
    }
    return Cell::box_of(cell)->value().items;
  }
  bool is_empty() const { return get().empty(); }
  size_t size() const { return get().size(); }

  void add(const T& item) {
    table_->add_box_bytes(writable().append(item, ttl_.is_on(), table_->now_ms()));
  }
  template <class Range>
  void add_all(const Range& items) {
    for (const T& item : items) add(item);
  }
  /// Replaces the whole list; an empty range clears it. `items` must not come from this list.
  template <class Range>
  void update(const Range& items) {
    clear();
    add_all(items);
  }
  void clear() {
    const char* cell = table_->read_cell(cell_);
    if (cell == nullptr) return;
    table_->add_box_bytes(-Cell::box_of(cell)->value().bytes);
    table_->clear_cell(cell_, *Cell::type());
  }

 private:
  using Cell = ListCell<T>;
  using Box = typename Cell::Box;

  ListState(RowTable& table, CellRef cell, StateTtl ttl) : table_(&table), cell_(cell), ttl_(ttl) {}

  ListItems<T>& writable() const {
    bool was_present = false;
    char* cell = table_->write_cell(cell_, was_present);
    Box* box = was_present ? Box::make_unique(Cell::box_of(cell)) : new Box();
    Cell::set_box(cell, box);
    return box->mutable_value();
  }
  void drop_expired(const char* cell) const {
    const auto& list = Cell::box_of(cell)->value();
    if (!list.any_expired(ttl_, table_->now_ms())) return;
    ListItems<T>& kept = writable();
    table_->add_box_bytes(-kept.bytes);
    kept.drop_expired(ttl_, table_->now_ms());
    table_->add_box_bytes(kept.bytes);
    if (kept.items.empty()) table_->clear_cell(cell_, *Cell::type());
  }
  void touch_all() const {
    if (table_->read_cell(cell_) == nullptr) return;
    auto& times = writable().times;
    std::fill(times.begin(), times.end(), table_->now_ms());
  }

  RowTable* table_ = nullptr;
  CellRef cell_;
  StateTtl ttl_;
};

}  // namespace sluice
