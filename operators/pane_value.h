// A value in a pane that owns the bytes of its texts, so that it outlives the batch it was made
// from.
//
// For values without Text it is the value and nothing else. Copies share text blocks
// (state/api/text_block.h); update() keeps what did not change.
#pragma once

#include <utility>

#include "state/api/text_block.h"

namespace sluice {

template <class V>
class PaneValue {
 public:
  PaneValue() = default;
  explicit PaneValue(V value) : value_(std::move(value)) { own_texts(value_); }
  PaneValue(const PaneValue& other) : value_(other.value_) { share_texts(value_); }
  PaneValue(PaneValue&& other) noexcept : value_(std::exchange(other.value_, V{})) {}
  PaneValue& operator=(PaneValue other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~PaneValue() { release_texts(value_); }

  const V& get() const { return value_; }
  /// change(V&) may set texts from anywhere that is alive during the call.
  template <class F>
  void update(F&& change) {
    V next = value_;
    change(next);
    own_texts_of_successor(next, value_);
    release_texts(value_);
    value_ = std::move(next);
  }

 private:
  V value_{};
};

template <class V>
requires(!kContainsText<V>) class PaneValue<V> {
 public:
  PaneValue() = default;
  explicit PaneValue(V value) : value_(std::move(value)) {}

  const V& get() const { return value_; }
  template <class F>
  void update(F&& change) {
    change(value_);
  }

 private:
  V value_{};
};

}  // namespace sluice
