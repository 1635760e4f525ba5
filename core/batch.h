// Batches: the unit that flows between operators and tasks.
//
// A batch is an array of records of one type plus optional side arrays (event time, key hash, row
// kind; absent means none / +I) and references to the arenas its Text fields point into. It moves
// by pointer inside a process and is encoded only when it crosses to another one.
//
// Invariants: a batch is written by one task until it is handed on; with more than one reference it
// is immutable. A Mark says "the watermark is `watermark` after the first `row` rows": marks are
// positions in the stream and travel beside the batch (StreamBatch), because each consumer of a
// shared batch has its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "core/arena.h"
#include "core/check.h"
#include "core/codec.h"
#include "core/record.h"
#include "core/time.h"

namespace sluice {

/// What a row means in a changelog. Persisted and sent: do not renumber.
enum class RowKind : uint8_t {
  kInsert = 0,        // +I
  kUpdateBefore = 1,  // -U
  kUpdateAfter = 2,   // +U
  kDelete = 3,        // -D
};

/// The watermark after the first `row` rows of the batch beside it.
struct Mark {
  uint32_t row = 0;
  EventTime watermark;
};
using Marks = std::vector<Mark>;

/// Appends a mark; one that stands at the same row as the last is raised instead.
inline void add_mark(Marks& marks, uint32_t row, EventTime watermark) {
  if (!marks.empty() && marks.back().row == row) {
    marks.back().watermark = watermark;
  } else {
    marks.push_back({row, watermark});
  }
}

class Batch;
using BatchPtr = Ref<Batch>;

/// Identity and factories of a record type behind type-erased edges.
struct RecordType {
  const char* name;
  size_t row_bytes;
  BatchPtr (*make_batch)(uint32_t row_limit);
  /// Reads what Batch::encode wrote; null on malformed bytes. `spare`: a batch of this type that
  /// nobody needs any more, whose memory is used again, or null. With TextBytes::kStayPut what was
  /// read must be given to Batch::hold().
  BatchPtr (*decode_batch)(ByteReader& reader, BatchPtr spare);
  /// Whether Batch::encode and decode_batch work: there is a codec.
  bool is_encodable;
  bool contains_text;
};

class Batch {
 public:
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  virtual const RecordType& type() const = 0;
  /// Rows, side arrays and arenas, for memory accounting.
  virtual size_t bytes() const = 0;
  /// Drops all rows and references, keeps memory. Only when unique.
  virtual void reset(uint32_t row_limit) = 0;
  /// Copies rows [from, to) to targets[row - from]'s builder, bytes of texts included, until a
  /// builder is full; returns the first row not copied. Builders are batches of the same type. With
  /// a unique source non-trivial rows are moved instead of copied. `hashes` (may be null) become
  /// the key hashes of the copies.
  virtual uint32_t scatter(uint32_t from, uint32_t to, const uint16_t* targets,
                           const uint64_t* hashes, Batch* const* builders) = 0;
  /// Writes rows and side arrays.
  virtual void encode(ByteWriter& writer) const = 0;

  uint32_t rows() const { return rows_; }
  uint32_t row_limit() const { return row_limit_; }
  /// Whether a builder should be handed on: row or byte limit reached.
  bool is_full() const { return rows_ >= row_limit_ || text_bytes() >= kTextBytesMax; }

  bool has_times() const { return !times_.empty(); }
  EventTime time(uint32_t row) const { return times_.empty() ? kNoTimestamp : times_[row]; }
  std::span<const EventTime> times() const { return times_; }
  /// Sets every timestamp; times.size() == rows().
  void set_times(std::vector<EventTime> times) {
    SLUICE_CHECK(times.size() == rows_);
    times_ = std::move(times);
  }
  bool has_key_hashes() const { return !key_hashes_.empty(); }
  uint64_t key_hash(uint32_t row) const { return key_hashes_[row]; }
  std::span<const uint64_t> key_hashes() const { return key_hashes_; }
  bool has_kinds() const { return !kinds_.empty(); }
  RowKind kind(uint32_t row) const { return kinds_.empty() ? RowKind::kInsert : kinds_[row]; }

  /// Keeps alive the arenas another batch points into (records copied without their text bytes).
  void share_arenas_of(const Batch& other);
  /// Keeps bytes that its rows' texts point into; `used` of them are this batch's.
  void hold(std::shared_ptr<const ByteBlock> bytes, size_t used) {
    own_arena().hold(std::move(bytes), used);
  }
  /// The arena that new texts of this batch's rows belong to.
  TextArena& own_arena();
  const TextArenaRef& own_arena_ref() {
    own_arena();
    return own_arena_;
  }

  void add_ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  bool is_unique() const { return references_.load(std::memory_order_acquire) == 1; }

  static constexpr size_t kTextBytesMax = 64 * 1024;

 protected:
  explicit Batch(uint32_t row_limit) : row_limit_(row_limit) {}
  virtual ~Batch() = default;

  size_t text_bytes() const { return own_arena_ ? own_arena_->used_bytes() : 0; }
  /// Side values of the row about to be appended at index rows_; rows before it that have none get
  /// the default.
  void push_time(EventTime time) {
    if (times_.size() != rows_) fill_times();
    times_.push_back(time);
  }
  void push_kind(RowKind kind) {
    kinds_.resize(rows_, RowKind::kInsert);
    kinds_.push_back(kind);
  }
  /// Both, when the row or an earlier one has them. Most rows have neither: that stays a test in
  /// the caller's loop (a call per row cost a quarter of a source's time).
  [[gnu::always_inline]] void push_side(EventTime time, RowKind kind) {
    if (time == kNoTimestamp && kind == RowKind::kInsert && times_.empty() && kinds_.empty())
      return;
    push_side_values(time, kind);
  }
  [[gnu::noinline]] void push_side_values(EventTime time, RowKind kind) {
    if (time != kNoTimestamp || !times_.empty()) push_time(time);
    if (kind != RowKind::kInsert || !kinds_.empty()) push_kind(kind);
  }
  void fill_times();
  void reset_side(uint32_t row_limit);
  size_t side_bytes() const;
  void encode_side(ByteWriter& writer) const;
  bool decode_side(ByteReader& reader, uint32_t rows);

  uint32_t rows_ = 0;
  uint32_t row_limit_;
  // Invariant: each side array is empty or has exactly rows_ entries.
  std::vector<EventTime> times_;
  std::vector<uint64_t> key_hashes_;
  std::vector<RowKind> kinds_;
  TextArenaRef own_arena_;
  std::vector<TextArenaRef> shared_arenas_;

 private:
  std::atomic<uint32_t> references_{0};
};

template <class T>
const RecordType& record_type();

/// A batch of records of type T.
template <class T>
class TypedBatch final : public Batch {
 public:
  static Ref<TypedBatch> make(uint32_t row_limit) {
    return Ref<TypedBatch>(new TypedBatch(row_limit));
  }

  const RecordType& type() const override { return record_type<T>(); }

  T& operator[](uint32_t row) { return data_[row]; }
  const T& operator[](uint32_t row) const { return data_[row]; }
  std::span<const T> values() const { return {data_, rows_}; }
  std::span<T> mutable_values() { return {data_, rows_}; }

  /// Appends a record whose Text fields already point into arenas this batch holds.
  template <class U>
  void push(U&& value, EventTime time = kNoTimestamp, RowKind kind = RowKind::kInsert) {
    if (rows_ == capacity_) grow(rows_ + 1);
    new (data_ + rows_) T(std::forward<U>(value));
    push_side(time, kind);
    ++rows_;
  }
  /// Appends make()'s result, built in its place: copying a record that was just written field by
  /// field stalls on store forwarding (measured 10 ns for 64 bytes). make() must not touch this
  /// batch.
  template <class Make>
  void push_made(Make&& make, EventTime time = kNoTimestamp, RowKind kind = RowKind::kInsert) {
    if (rows_ == capacity_) grow(rows_ + 1);
    new (data_ + rows_) T(std::forward<Make>(make)());
    push_side(time, kind);
    ++rows_;
  }
  /// Appends many rows without a check per row. While it lives nothing else may touch the batch.
  class Appender {
   public:
    /// Room for `rows` more rows; `timed`: each row is given its time.
    Appender(TypedBatch& batch, uint32_t rows, bool timed) : batch_(batch), timed_(timed) {
      if (batch.rows_ + rows > batch.capacity_) batch.grow(batch.rows_ + rows);
      next_ = batch.data_ + batch.rows_;
      if (timed) {
        batch.times_.resize(batch.rows_, kNoTimestamp);
        batch.times_.resize(batch.rows_ + rows);
        next_time_ = batch.times_.data() + batch.rows_;
      }
    }
    ~Appender() {
      batch_.rows_ = static_cast<uint32_t>(next_ - batch_.data_);
      if (timed_) batch_.times_.resize(batch_.rows_);
    }
    Appender(const Appender&) = delete;
    Appender& operator=(const Appender&) = delete;

    template <class Make>
    [[gnu::always_inline]] void push_made(Make&& make, EventTime time) {
      new (next_) T(std::forward<Make>(make)());
      ++next_;
      if (timed_) *next_time_++ = time;
    }

   private:
    TypedBatch& batch_;
    T* next_;
    EventTime* next_time_ = nullptr;
    const bool timed_;
  };
  friend class Appender;
  /// Appends a copy with its text bytes in this batch's own arena.
  void push_copy(const T& value, EventTime time = kNoTimestamp, RowKind kind = RowKind::kInsert) {
    push(value, time, kind);
    if constexpr (kContainsText<T>) move_texts_to(data_[rows_ - 1], own_arena());
  }
  /// Keeps the rows for which keep(row) holds, in order, and moves the marks to the positions that
  /// are left. The batch must be unique; keep() may change the row in place.
  template <class Keep>
  void retain(Marks& marks, Keep&& keep);

  size_t bytes() const override {
    return static_cast<size_t>(capacity_) * sizeof(T) + side_bytes() + text_bytes();
  }
  void reset(uint32_t row_limit) override {
    destroy_rows();
    reset_side(row_limit);
  }
  uint32_t scatter(uint32_t from, uint32_t to, const uint16_t* targets, const uint64_t* hashes,
                   Batch* const* builders) override;
  void encode(ByteWriter& writer) const override;
  static BatchPtr decode(ByteReader& reader, BatchPtr spare);

 private:
  explicit TypedBatch(uint32_t row_limit) : Batch(row_limit) {}
  ~TypedBatch() override {
    destroy_rows();
    ::operator delete(static_cast<void*>(data_), std::align_val_t(alignof(T)));
  }
  void destroy_rows() {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      for (uint32_t row = 0; row < rows_; ++row) data_[row].~T();
    }
    rows_ = 0;
  }
  void grow(uint32_t at_least);

  T* data_ = nullptr;
  uint32_t capacity_ = 0;
};

template <class T>
const RecordType& record_type() {
  static const RecordType kType{
      typeid(T).name(),
      sizeof(T),
      [](uint32_t row_limit) -> BatchPtr { return TypedBatch<T>::make(row_limit); },
      [](ByteReader& reader, BatchPtr spare) {
        return TypedBatch<T>::decode(reader, std::move(spare));
      },
      Encodable<T>&& std::is_default_constructible_v<T>,
      kContainsText<T>};
  return kType;
}

/// The typed view of a batch whose type is known from the graph.
template <class T>
TypedBatch<T>& batch_cast(Batch& batch) {
  return static_cast<TypedBatch<T>&>(batch);
}
template <class T>
const TypedBatch<T>& batch_cast(const Batch& batch) {
  return static_cast<const TypedBatch<T>&>(batch);
}

/// A batch (null when there are only marks) and the watermarks inside it.
/// Invariant: marks are sorted by row, rows at most batch->rows(), watermarks strictly rising.
struct StreamBatch {
  BatchPtr batch;
  Marks marks;

  uint32_t rows() const { return batch ? batch->rows() : 0; }
  bool is_empty() const { return rows() == 0 && marks.empty(); }
};

// ---- implementation -----------------------------------------------------------------------------

template <class T>
void TypedBatch<T>::grow(uint32_t at_least) {
  // The first allocation fits the limit when that is small, so most builders never grow.
  constexpr uint32_t kEagerBytes = 64 * 1024;
  uint32_t wanted = capacity_ == 0 ? std::min<uint32_t>(row_limit_, 1 + kEagerBytes / sizeof(T))
                                   : std::min(capacity_ * 2, std::max(row_limit_, capacity_ + 64));
  wanted = std::max({wanted, at_least, 1U});
  auto* fresh =
      static_cast<T*>(::operator new (size_t{wanted} * sizeof(T), std::align_val_t(alignof(T))));
  if constexpr (std::is_trivially_copyable_v<T>) {
    if (rows_ > 0) std::memcpy(static_cast<void*>(fresh), data_, size_t{rows_} * sizeof(T));
  } else {
    for (uint32_t row = 0; row < rows_; ++row) {
      new (fresh + row) T(std::move(data_[row]));
      data_[row].~T();
    }
  }
  ::operator delete(static_cast<void*>(data_), std::align_val_t(alignof(T)));
  data_ = fresh;
  capacity_ = wanted;
}

template <class T>
template <class Keep>
void TypedBatch<T>::retain(Marks& marks, Keep&& keep) {
  uint32_t kept = 0;
  size_t next_mark = 0;
  size_t marks_kept = 0;
  const auto place_marks = [&](uint32_t before_row) {
    for (; next_mark < marks.size() && marks[next_mark].row <= before_row; ++next_mark) {
      const EventTime watermark = marks[next_mark].watermark;
      if (marks_kept > 0 && marks[marks_kept - 1].row == kept) {
        marks[marks_kept - 1].watermark = watermark;
      } else {
        marks[marks_kept++] = {kept, watermark};
      }
    }
  };
  for (uint32_t row = 0; row < rows_; ++row) {
    if (next_mark < marks.size()) place_marks(row);
    if (!keep(row)) continue;
    if (kept != row) {
      data_[kept] = std::move(data_[row]);
      if (!times_.empty()) times_[kept] = times_[row];
      if (!key_hashes_.empty()) key_hashes_[kept] = key_hashes_[row];
      if (!kinds_.empty()) kinds_[kept] = kinds_[row];
    }
    ++kept;
  }
  place_marks(rows_);
  marks.resize(marks_kept);
  if constexpr (!std::is_trivially_destructible_v<T>) {
    for (uint32_t row = kept; row < rows_; ++row) data_[row].~T();
  }
  rows_ = kept;
  if (!times_.empty()) times_.resize(kept);
  if (!key_hashes_.empty()) key_hashes_.resize(kept);
  if (!kinds_.empty()) kinds_.resize(kept);
}

template <class T>
uint32_t TypedBatch<T>::scatter(uint32_t from, uint32_t to, const uint16_t* targets,
                                const uint64_t* hashes, Batch* const* builders) {
  const bool steal = !std::is_trivially_copyable_v<T> && is_unique();
  const bool timed = !times_.empty();
  for (uint32_t row = from; row < to; ++row) {
    auto& target = static_cast<TypedBatch&>(*builders[targets[row - from]]);
    if (kContainsText<T> ? target.is_full() : target.rows_ >= target.row_limit_) return row;
    if (target.rows_ == target.capacity_) target.grow(target.rows_ + 1);
    T* slot = target.data_ + target.rows_;
    if (steal) {
      new (slot) T(std::move(data_[row]));
    } else {
      new (slot) T(data_[row]);
    }
    if constexpr (kContainsText<T>) move_texts_to(*slot, target.own_arena());
    if (hashes != nullptr) target.key_hashes_.push_back(hashes[row - from]);
    if (timed || !target.times_.empty()) target.push_time(time(row));
    if (!kinds_.empty() || !target.kinds_.empty()) target.push_kind(kind(row));
    ++target.rows_;
  }
  return to;
}

template <class T>
void TypedBatch<T>::encode(ByteWriter& writer) const {
  if constexpr (Encodable<T>) {
    writer.fixed(rows_);
    // A copy, so that the position is in a register and not in memory that a row might overlap.
    ByteWriter rest = writer;
    for (uint32_t row = 0; row < rows_; ++row) Codec<T>::encode(data_[row], rest);
    writer = rest;
    encode_side(writer);
  } else {
    SLUICE_CHECK_MSG(false, "this record type has no codec and cannot leave the process");
  }
}

template <class T>
BatchPtr TypedBatch<T>::decode(ByteReader& reader, BatchPtr spare) {
  if constexpr (Encodable<T> && std::is_default_constructible_v<T>) {
    const uint32_t rows = reader.count();
    const bool reuses = spare && spare->is_unique();
    if (reuses) spare->reset(rows);
    BatchPtr result = reuses ? std::move(spare) : BatchPtr(make(rows));
    auto& batch = static_cast<TypedBatch&>(*result);
    const ArenaScope scope(kContainsText<T> ? &batch.own_arena() : nullptr);
    // A copy, so that the position is in a register and not in memory that a row might overlap.
    ByteReader rest = reader;
    for (uint32_t row = 0; row < rows && !rest.failed(); ++row) {
      batch.push_made([&rest] {
        T value{};
        Codec<T>::decode(rest, value);
        return value;
      });
    }
    reader = rest;
    if (!batch.decode_side(reader, rows) || reader.failed()) return {};
    return result;
  } else {
    return {};
  }
}

}  // namespace sluice
