// Text bytes that state owns: reference-counted blocks behind the long Texts of a stored value.
//
// A Text in a record points into the arena of its batch, which goes away. A stored value points
// into blocks of its own instead, one per long text. Copies of the value (copy-on-write pages,
// frozen views) only add references, because text bytes never change. Invariant: every long Text
// inside a stored value was made by own_texts() and is counted once per copy of the value.
// Thread-safe counts: frozen views are released on I/O threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "core/check.h"
#include "core/record.h"

namespace sluice {

class TextBlock {
 public:
  /// A copy of `text` in a new block with one reference; inline texts need none.
  static Text copy(const Text& text) {
    if (text.is_inline()) return text;
    void* memory = std::malloc(sizeof(TextBlock) + text.size());  // NOLINT: sized tail.
    SLUICE_CHECK_MSG(memory != nullptr, "out of memory for state text");
    auto* block = new (memory) TextBlock();
    char* bytes = reinterpret_cast<char*>(block + 1);
    std::memcpy(bytes, text.data(), text.size());
    return Text::view({bytes, text.size()});
  }
  /// `text` is inline or was made by copy().
  static void add_reference(const Text& text) {
    if (!text.is_inline()) of(text)->references_.fetch_add(1, std::memory_order_relaxed);
  }
  static void release(const Text& text) {
    if (text.is_inline()) return;
    TextBlock* block = of(text);
    if (block->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) std::free(block);
  }

 private:
  TextBlock() = default;
  static TextBlock* of(const Text& text) {
    return reinterpret_cast<TextBlock*>(const_cast<char*>(text.data())) - 1;  // NOLINT
  }
  std::atomic<uint32_t> references_{1};
};

/// Asks for the cache lines of `size` bytes, at most eight.
inline void fetch_bytes(const void* data, size_t size) {
  constexpr size_t kLineBytes = 64;
  constexpr size_t kLinesMax = 8;
  const char* at = static_cast<const char*>(data);
  for (size_t i = 0; i < std::min(size, kLineBytes * kLinesMax); i += kLineBytes) {
    __builtin_prefetch(at + i);
  }
  if (size > 0 && size < kLineBytes * kLinesMax) __builtin_prefetch(at + size - 1);
  // GCC takes a function that only prefetches for one without effect and drops the calls.
  asm volatile("");
}

/// Asks for the bytes of a stored value's long texts.
template <class T>
void fetch_texts(const T& value) {
  if constexpr (kContainsText<T>) {
    for_each_text(value, [](const Text& text) {
      if (!text.is_inline()) fetch_bytes(text.data(), text.size());
    });
  }
}

/// Replaces every long Text in `value` by a copy in a block of its own.
template <class T>
void own_texts(T& value) {
  if constexpr (kContainsText<T>) {
    for_each_text(value, [](Text& text) { text = TextBlock::copy(text); });
  }
}

/// The same for the successor of a stored value: texts taken over from `old` unchanged share its
/// blocks, so an accumulator that keeps its texts does not copy them with every update.
template <class T>
void own_texts_of_successor(T& value, const T& old) {
  if constexpr (kContainsText<T>) {
    for_each_text(value, [&](Text& text) {
      if (text.is_inline()) return;
      bool shared = false;
      for_each_text(old, [&](const Text& held) {
        shared = shared || (!held.is_inline() && held.data() == text.data());
      });
      if (shared) {
        TextBlock::add_reference(text);
      } else {
        text = TextBlock::copy(text);
      }
    });
  }
}

/// A bitwise or member-wise copy of a stored value was made.
template <class T>
void share_texts(const T& value) {
  if constexpr (kContainsText<T>) {
    for_each_text(value, [](const Text& text) { TextBlock::add_reference(text); });
  }
}

/// A stored value goes away.
template <class T>
void release_texts(const T& value) {
  if constexpr (kContainsText<T>) {
    for_each_text(value, [](const Text& text) { TextBlock::release(text); });
  }
}

}  // namespace sluice
