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
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

#include "core/arena.h"

namespace sluice {

class alignas(8) Text {
 public:
  static constexpr size_t kInlineBytes = 12;
  static constexpr size_t kBytesMax = UINT32_MAX;

  Text() = default;
  Text(std::string_view text) {  // NOLINT(google-explicit-constructor): strings are Texts.
    if (text.size() <= kInlineBytes) {
      set_inline(text);
    } else {
      set_pointer(current_text_arena().copy(text.data(), text.size()), text.size());
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
      result.set_pointer(text.data(), text.size());
    }
    return result;
  }
  /// A copy with its bytes in `arena` (inline texts need none).
  static Text copy_to(std::string_view text, TextArena& arena) {
    if (text.size() <= kInlineBytes) return view(text);
    return view({arena.copy(text.data(), text.size()), text.size()});
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool is_inline() const { return size_ <= kInlineBytes; }
  const char* data() const { return is_inline() ? bytes_ : pointer(); }
  std::string_view view() const { return {data(), size_}; }
  std::string str() const { return std::string(view()); }
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor)

  friend bool operator==(const Text& a, const Text& b) {
    uint64_t a_head = 0;
    uint64_t b_head = 0;
    std::memcpy(&a_head, &a, 8);
    std::memcpy(&b_head, &b, 8);
    if (a_head != b_head) return false;
    uint64_t a_tail = 0;
    uint64_t b_tail = 0;
    std::memcpy(&a_tail, a.bytes_ + 4, 8);
    std::memcpy(&b_tail, b.bytes_ + 4, 8);
    if (a_tail == b_tail) return true;
    return !a.is_inline() && std::memcmp(a.pointer(), b.pointer(), a.size_) == 0;
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
  void set_inline(std::string_view text) {
    size_ = static_cast<uint32_t>(text.size());
    std::memcpy(bytes_, text.data() == nullptr ? "" : text.data(), text.size());
  }
  void set_pointer(const char* data, size_t size) {
    SLUICE_CHECK(size <= kBytesMax);
    size_ = static_cast<uint32_t>(size);
    std::memcpy(bytes_, data, 4);
    std::memcpy(bytes_ + 4, &data, 8);
  }
  const char* pointer() const {
    const char* result = nullptr;
    std::memcpy(&result, bytes_ + 4, 8);
    return result;
  }

  uint32_t size_ = 0;
  char bytes_[kInlineBytes] = {};  // Unused bytes are zero, so equality compares words.
};

static_assert(sizeof(Text) == 16);

}  // namespace sluice

template <>
struct std::hash<sluice::Text> {
  size_t operator()(const sluice::Text& text) const noexcept {
    return std::hash<std::string_view>()(text.view());
  }
};
