// One reference-counted heap value behind a pointer-sized cell, for state that is not plain bytes.
//
// Copying a page or freezing a table adds a reference; the task clones the value before it writes
// while anybody else holds one. Invariant: only the task that owns the table writes, and only into
// a box with one reference. Texts inside the value are owned (state/api/text_block.h). Reference
// counts are thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "state/api/text_block.h"

namespace sluice {

template <class T>
class CowBox {
 public:
  CowBox() = default;
  explicit CowBox(T value) : value_(std::move(value)) {}
  CowBox(const CowBox&) = delete;
  CowBox& operator=(const CowBox&) = delete;

  const T& value() const { return value_; }
  /// Only for the owner of the single reference.
  T& mutable_value() { return value_; }
  bool is_unique() const { return references_.load(std::memory_order_acquire) == 1; }

  void add_reference() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  /// A copy with one reference.
  CowBox* clone() const {
    auto* copy = new CowBox(value_);
    share_texts(copy->value_);
    return copy;
  }
  /// The box to write to in place of `box`: itself when unique, otherwise a clone that takes over
  /// the caller's reference.
  static CowBox* make_unique(CowBox* box) {
    if (box->is_unique()) return box;
    CowBox* copy = box->clone();
    box->release();
    return copy;
  }

 private:
  ~CowBox() { release_texts(value_); }

  std::atomic<uint32_t> references_{1};
  T value_{};
};

}  // namespace sluice
