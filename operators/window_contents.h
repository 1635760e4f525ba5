// What the general window operator keeps per key and window: the contents (an accumulator or the
// elements), the trigger's state and the state of the window function.
//
// Buckets stand in a MapState of the key's row under the number of the window, so they are shared
// with frozen views, copied on write, restored and moved between subtasks like any keyed state.
// Texts are owned. One task.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/codec.h"
#include "core/schema.h"
#include "core/stable_hash.h"
#include "operators/evictor.h"
#include "operators/pane_aggregate.h"
#include "operators/pane_value.h"
#include "state/api/stored_value.h"

namespace sluice {

/// One accumulator; empty after a purge.
template <class In, class Agg>
class WindowAccumulator {
 public:
  using Acc = AccumulatorOf<Agg>;
  using Element = AggregateResult<Agg>;
  static constexpr bool kCanAbsorb = kCanMerge<Agg>;

  bool is_empty() const { return !filled_; }
  void add(Agg& agg, const In& record, EventTime /*time*/) {
    if (!filled_) acc_ = PaneValue<Acc>(agg.create_accumulator());
    filled_ = true;
    acc_.update([&](Acc& acc) { add_to_accumulator(agg, acc, record); });
  }
  /// Takes over the contents of a later window.
  void absorb(Agg& agg, const WindowAccumulator& other) {
    if (!other.filled_) return;
    if (!filled_) {
      *this = other;
    } else if constexpr (kCanAbsorb) {
      acc_.update([&](Acc& acc) { merge_accumulators(agg, acc, other.acc_.get()); });
    }
  }
  void clear() {
    acc_ = PaneValue<Acc>();
    filled_ = false;
  }
  /// What it holds outside of itself.
  int64_t heap_bytes() const { return heap_bytes_of(acc_.get()); }
  /// Calls f(span of the one result).
  template <class F>
  void with_elements(Agg& agg, F&& f) {
    const auto& result = agg.get_result(acc_.get());
    f(std::span<const Element>(&result, 1));
  }

  void encode(ByteWriter& writer) const {
    writer.fixed(static_cast<uint8_t>(filled_));
    if (filled_) Codec<Acc>::encode(acc_.get(), writer);
  }
  void decode(ByteReader& reader) {
    clear();
    if (reader.fixed<uint8_t>() == 0) return;
    acc_ = PaneValue<Acc>(sluice::decode<Acc>(reader));
    filled_ = true;
  }
  static TypeSchema schema() { return schema_of<std::optional<Acc>>(); }
  void decode_as(ByteReader& reader, const TypeSchema& stored) {
    std::optional<Acc> acc;
    decode_with_schema(reader, stored, acc);
    clear();
    if (!acc) return;
    acc_ = PaneValue<Acc>(*std::move(acc));
    filled_ = true;
  }

 private:
  bool filled_ = false;
  PaneValue<Acc> acc_;
};

/// All elements in order of arrival, with their times when an evictor wants them.
template <class In, bool kTimed>
class WindowList {
 public:
  using Element = In;
  static constexpr bool kCanAbsorb = true;

  WindowList() = default;
  WindowList(const WindowList& other)
      : values_(other.values_), times_(other.times_), heap_bytes_(other.heap_bytes_) {
    for (const In& value : values_) share_texts(value);
  }
  WindowList(WindowList&& other) noexcept
      : values_(std::exchange(other.values_, {})),
        times_(std::exchange(other.times_, {})),
        heap_bytes_(std::exchange(other.heap_bytes_, 0)) {}
  WindowList& operator=(WindowList other) noexcept {
    std::swap(values_, other.values_);
    std::swap(times_, other.times_);
    std::swap(heap_bytes_, other.heap_bytes_);
    return *this;
  }
  ~WindowList() { release_all(); }

  bool is_empty() const { return values_.empty(); }
  std::span<const In> values() const { return values_; }
  template <class Agg>
  void add(Agg& /*agg*/, const In& record, EventTime time) {
    append(record, time);
  }
  template <class Agg>
  void absorb(Agg& /*agg*/, const WindowList& other) {
    for (size_t i = 0; i < other.values_.size(); ++i) {
      append(other.values_[i], kTimed ? other.times_[i] : kNoTimestamp);
    }
  }
  void clear() {
    release_all();
    values_.clear();
    times_.clear();
    heap_bytes_ = 0;
  }
  int64_t heap_bytes() const { return heap_bytes_; }
  template <class Agg, class F>
  void with_elements(Agg& /*agg*/, F&& f) {
    f(std::span<const In>(values_));
  }
  /// Calls f(WindowElements<In>&), which may remove some.
  template <class F>
  void change_elements(F&& f) requires kTimed {
    WindowElements<In> elements(values_, times_);
    const size_t before = values_.size();
    f(elements);
    if (values_.size() == before) return;
    heap_bytes_ = 0;
    for (const In& value : values_) heap_bytes_ += bytes_of(value);
  }

  void encode(ByteWriter& writer) const {
    Codec<std::vector<In>>::encode(values_, writer);
    if constexpr (kTimed) Codec<std::vector<EventTime>>::encode(times_, writer);
  }
  void decode(ByteReader& reader) {
    clear();
    const uint32_t count = reader.count();
    for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
      append(sluice::decode<In>(reader), kNoTimestamp);
    }
    decode_times(reader);
  }
  static TypeSchema schema() {
    if constexpr (kTimed) return schema_of<std::tuple<std::vector<In>, std::vector<EventTime>>>();
    return schema_of<std::vector<In>>();
  }
  void decode_as(ByteReader& reader, const TypeSchema& stored) {
    clear();
    const TypeSchema& list = kTimed ? stored.children[0] : stored;
    const uint32_t count = reader.count();
    for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
      In record{};
      decode_with_schema(reader, list.children[0], record);
      append(record, kNoTimestamp);
    }
    decode_times(reader);
  }

 private:
  void decode_times(ByteReader& reader) {
    if constexpr (kTimed) {
      Codec<std::vector<EventTime>>::decode(reader, times_);
      if (times_.size() != values_.size()) reader.fail();
    }
  }
  static int64_t bytes_of(const In& value) {
    return static_cast<int64_t>(sizeof(In)) + heap_bytes_of(value);
  }
  void append(const In& record, EventTime time) {
    values_.push_back(record);
    own_texts(values_.back());
    heap_bytes_ += bytes_of(values_.back());
    if constexpr (kTimed) times_.push_back(time);
  }
  void release_all() {
    if constexpr (kContainsText<In>) {
      for (const In& value : values_) release_texts(value);
    }
  }

  std::vector<In> values_;
  std::vector<EventTime> times_;
  int64_t heap_bytes_ = 0;
};

/// Everything about one window of one key.
template <class W, class Contents, class TriggerState, class WindowState>
struct WindowBucket {
  W window{};  // Grows when sessions merge.
  Contents contents;
  PaneValue<TriggerState> trigger;
  PaneValue<WindowState> state;

  int64_t heap_bytes() const {
    return contents.heap_bytes() + heap_bytes_of(trigger.get()) + heap_bytes_of(state.get());
  }
};

template <class W, class Contents, class TriggerState, class WindowState>
struct Codec<WindowBucket<W, Contents, TriggerState, WindowState>> {
  using Bucket = WindowBucket<W, Contents, TriggerState, WindowState>;

  static void encode(const Bucket& bucket, ByteWriter& writer) {
    Codec<W>::encode(bucket.window, writer);
    bucket.contents.encode(writer);
    Codec<TriggerState>::encode(bucket.trigger.get(), writer);
    Codec<WindowState>::encode(bucket.state.get(), writer);
  }
  static void decode(ByteReader& reader, Bucket& bucket) {
    Codec<W>::decode(reader, bucket.window);
    bucket.contents.decode(reader);
    bucket.trigger = PaneValue<TriggerState>(sluice::decode<TriggerState>(reader));
    bucket.state = PaneValue<WindowState>(sluice::decode<WindowState>(reader));
  }
  /// Always these fields in this order; what they hold may evolve.
  static TypeSchema schema() {
    TypeSchema schema = detail::plain_schema(SchemaKind::kRecord, 0, "Window");
    schema.field_names = {"window", "contents", "trigger", "state"};
    schema.children = {schema_of<W>(), Contents::schema(), schema_of<TriggerState>(),
                       schema_of<WindowState>()};
    return schema;
  }
  static void decode_as(ByteReader& reader, const TypeSchema& stored, Bucket& bucket) {
    decode_with_schema(reader, stored.children[0], bucket.window);
    bucket.contents.decode_as(reader, stored.children[1]);
    TriggerState trigger{};
    decode_with_schema(reader, stored.children[2], trigger);
    bucket.trigger = PaneValue<TriggerState>(std::move(trigger));
    WindowState state{};
    decode_with_schema(reader, stored.children[3], state);
    bucket.state = PaneValue<WindowState>(std::move(state));
  }
};

}  // namespace sluice
