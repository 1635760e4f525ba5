// Text: the string type of records, 16 bytes, immutable, trivially copyable, never allocating by
// itself.
//
// Up to 12 bytes live inside the value; longer ones are a 4-byte prefix and a pointer into the
// arena of the batch that carries the record (the layout of Neumann and Freitag, "Umbra", CIDR
// 2020). Making a Text from a string copies the bytes into the thread's current arena
// (core/arena.h); Text::view() does not copy and the caller guarantees the lifetime.
//
// A Text is valid inside the user function that receives it. State copies it in; an object that
// outlives the record takes `.str()`.
#pragma once

#include <algorithm>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

#include "core/arena.h"

namespace sluice {

class Text {
 public:
  static constexpr size_t kInlineBytes = 12;
  static constexpr size_t kBytesMax = UINT32_MAX;

  Text() = default;
  Text(std::string_view text) {  // NOLINT(google-explicit-constructor): strings are Texts.
    if (text.size() <= kInlineBytes) {
      set_inline(text);
    } else {
      set_pointer(current_text_arena().copy(text.data(), text.size()), text);
    }
  }
  Text(const char* text) : Text(std::string_view(text)) {}         // NOLINT
  Text(const std::string& text) : Text(std::string_view(text)) {}  // NOLINT

  /// No copy: `text` must outlive every use of the result.
  static Text view(std::string_view text) {
    Text result;
    if (text.size() <= kInlineBytes) {
      result.set_inline(text);
    } else {
      result.set_pointer(text.data(), text);
    }
    return result;
  }
  /// A copy with its bytes in `arena` (inline texts need none).
  static Text copy_to(std::string_view text, TextArena& arena) {
    if (text.size() <= kInlineBytes) return view(text);
    Text result;
    result.set_pointer(arena.copy(text.data(), text.size()), text);
    return result;
  }
  /// Copies the bytes of a long text to `to` and points there from now on; how many these are.
  size_t move_to(char* to) {
    if (is_inline()) return 0;
    std::memcpy(to, pointer(), size());
    tail_ = reinterpret_cast<uintptr_t>(to);
    return size();
  }

  size_t size() const { return static_cast<uint32_t>(head_); }
  bool empty() const { return size() == 0; }
  bool is_inline() const { return size() <= kInlineBytes; }
  const char* data() const {
    return is_inline() ? reinterpret_cast<const char*>(this) + kSizeBytes : pointer();
  }
  std::string_view view() const { return {data(), size()}; }
  std::string str() const { return std::string(view()); }
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor)

  friend bool operator==(const Text& a, const Text& b) {
    if (a.head_ != b.head_) return false;
    if (a.tail_ == b.tail_) return true;
    return !a.is_inline() && std::memcmp(a.pointer(), b.pointer(), a.size()) == 0;
  }
  friend bool operator==(const Text& a, std::string_view b) { return a.view() == b; }
  friend bool operator==(const Text& a, const char* b) { return a.view() == b; }
  friend std::strong_ordering operator<=>(const Text& a, const Text& b) {
    return a.view() <=> b.view();
  }
  friend std::ostream& operator<<(std::ostream& out, const Text& text) {
    return out << text.view();
  }

 private:
  static constexpr size_t kSizeBytes = 4;

  template <class Word>
  static uint64_t load(const char* from) {
    Word word = 0;
    std::memcpy(&word, from, sizeof word);
    return word;
  }
  // The words are put together in registers: loading what was just written byte by byte would wait
  // for the stores. Loads that overlap bring the same bytes to the same place.
  void set_inline(std::string_view text) {
    const char* from = text.data();
    const size_t n = text.size();
    uint64_t low = 0;   // The first eight bytes,
    uint64_t high = 0;  // and the four behind them.
    if (n >= 8) {
      low = load<uint64_t>(from);
      if (n > 8) high = load<uint64_t>(from + n - 8) >> (8 * (16 - n));
    } else if (n >= 4) {
      low = load<uint32_t>(from) | load<uint32_t>(from + n - 4) << (8 * (n - 4));
    } else if (n > 0) {
      low = load<uint8_t>(from) | load<uint8_t>(from + n / 2) << (8 * (n / 2)) |
            load<uint8_t>(from + n - 1) << (8 * (n - 1));
    }
    head_ = n | low << 32;
    tail_ = low >> 32 | high << 32;
  }
  /// `text`: the same characters, which are in the cache already.
  void set_pointer(const char* data, std::string_view text) {
    SLUICE_CHECK(text.size() <= kBytesMax);
    head_ = text.size() | load<uint32_t>(text.data()) << 32;
    tail_ = reinterpret_cast<uintptr_t>(data);
  }
  const char* pointer() const {
    return reinterpret_cast<const char*>(static_cast<uintptr_t>(tail_));  // NOLINT
  }

  // In memory: the size in four bytes, then twelve of the text, or four of them and a pointer.
  // Unused bytes are zero, so equality compares words.
  uint64_t head_ = 0;
  uint64_t tail_ = 0;
};

static_assert(sizeof(Text) == 16);
static_assert(std::endian::native == std::endian::little, "the size stands first");

}  // namespace sluice

template <>
struct std::hash<sluice::Text> {
  size_t operator()(const sluice::Text& text) const noexcept {
    return std::hash<std::string_view>()(text.view());
  }
};
