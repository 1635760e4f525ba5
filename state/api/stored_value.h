// How a value of type T stands in the bytes of a row.
//
// Values that are plain bytes (also records of numbers, times and Texts) stand in the row itself;
// everything else (std::string, vectors, maps, records that hold such) in a CowBox behind a
// pointer. Either way the bytes may be moved with memcpy, and copied with memcpy followed by
// share().
#pragma once

#include <cstring>
#include <new>
#include <utility>

#include "state/api/cow_box.h"

namespace sluice {

/// Largest value that stands in the row itself.
inline constexpr size_t kInlineBytesMax = 1024;

/// Pairs and tuples of numbers count as plain although their assignment is not trivial.
template <class T>
inline constexpr bool kStoredInline =
    std::is_trivially_copy_constructible_v<T>&& std::is_trivially_destructible_v<T> &&
    sizeof(T) <= kInlineBytesMax && alignof(T) <= 16;

template <class T>
struct StoredValue {
  using Box = CowBox<T>;
  static constexpr bool kInline = kStoredInline<T>;
  static constexpr uint32_t kBytes = kInline ? sizeof(T) : sizeof(Box*);
  static constexpr uint32_t kAlignment = kInline ? alignof(T) : alignof(Box*);
  /// Whether copies and removals have to be told to share() and destroy().
  static constexpr bool kHasReferences = !kInline || kContainsText<T>;

  static Box* box_of(const char* cell) {
    Box* box = nullptr;
    std::memcpy(&box, cell, sizeof(box));
    return box;
  }
  static void set_box(char* cell, Box* box) { std::memcpy(cell, &box, sizeof(box)); }

  /// `cell` holds a value.
  static const T& get(const char* cell) {
    if constexpr (kInline) {
      return *std::launder(reinterpret_cast<const T*>(cell));
    } else {
      return box_of(cell)->value();
    }
  }
  /// Puts a first value, with its texts copied, into an empty cell.
  static void construct(char* cell, const T& value) {
    if constexpr (kInline) {
      T* stored = new (cell) T(value);
      own_texts(*stored);
    } else {
      T copy(value);
      own_texts(copy);
      set_box(cell, new Box(std::move(copy)));
    }
  }
  /// Replaces the value of a cell that holds one.
  static void assign(char* cell, const T& value) {
    if constexpr (kInline && !kContainsText<T>) {
      new (cell) T(value);
    } else if constexpr (kInline) {
      T copy(value);
      const T old = get(cell);
      own_texts_of_successor(copy, old);
      release_texts(old);
      new (cell) T(copy);
    } else {
      Box* box = box_of(cell);
      if constexpr (!kContainsText<T> && std::is_copy_assignable_v<T>) {
        if (box->is_unique()) {
          box->mutable_value() = value;
          return;
        }
      }
      T copy(value);
      own_texts_of_successor(copy, box->value());
      set_box(cell, new Box(std::move(copy)));
      box->release();
    }
  }
  /// Calls f(T&) on the value of a cell that holds one. Texts that f puts in are copied.
  template <class F>
  static void modify(char* cell, F&& f) {
    if constexpr (kContainsText<T>) {
      T copy(get(cell));
      f(copy);
      assign(cell, copy);
    } else if constexpr (kInline) {
      f(*std::launder(reinterpret_cast<T*>(cell)));
    } else {
      Box* box = Box::make_unique(box_of(cell));
      set_box(cell, box);
      f(box->mutable_value());
    }
  }
  static void share(char* cell) {
    if constexpr (!kInline) {
      box_of(cell)->add_reference();
    } else {
      share_texts(get(cell));
    }
  }
  static void destroy(char* cell) {
    if constexpr (!kInline) {
      box_of(cell)->release();
    } else {
      release_texts(get(cell));
    }
  }
  /// Bytes outside the row, roughly: what the box and its containers take.
  static int64_t outside_bytes(const T& value);
};

/// A string's bytes when they do not stand inside the string itself.
inline int64_t heap_bytes_of_string(const std::string& value) {
  static const size_t kInside = std::string().capacity();
  return value.size() > kInside ? static_cast<int64_t>(value.size()) : 0;
}

/// Heap bytes that `value` refers to, for memory accounting: contents, not allocator overhead. A
/// function of the value alone, so that what is added for a value is what is taken off for it
/// later. A type with a member heap_bytes() answers itself.
template <class T>
int64_t heap_bytes_of(const T& value) {
  if constexpr (requires { value.heap_bytes(); }) {
    return value.heap_bytes();
  } else if constexpr (std::is_same_v<T, Text>) {
    return value.is_inline() ? 0 : static_cast<int64_t>(value.size());
  } else if constexpr (std::is_same_v<T, std::string>) {
    return heap_bytes_of_string(value);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return heap_bytes_of_string(value.data);
  } else if constexpr (kStoredInline<T> && !kContainsText<T>) {
    return 0;
  } else if constexpr (kIsOptional<T>) {
    return value ? heap_bytes_of(*value) : 0;
  } else if constexpr (kIsVector<T> || kIsArray<T>) {
    int64_t bytes = 0;
    if constexpr (kIsVector<T>) {
      bytes += static_cast<int64_t>(value.size() * sizeof(typename T::value_type));
    }
    using Item = typename T::value_type;
    if constexpr (!kStoredInline<Item> || kContainsText<Item>) {
      for (const auto& item : value) bytes += heap_bytes_of(static_cast<const Item&>(item));
    }
    return bytes;
  } else if constexpr (kIsMap<T>) {
    constexpr int64_t kNodeBytes = 32 + sizeof(typename T::value_type);
    int64_t bytes = static_cast<int64_t>(value.size()) * kNodeBytes;
    for (const auto& [key, mapped] : value) bytes += heap_bytes_of(key) + heap_bytes_of(mapped);
    return bytes;
  } else if constexpr (kIsTuple<T>) {
    return std::apply([](const auto&... item) { return (int64_t{0} + ... + heap_bytes_of(item)); },
                      value);
  } else if constexpr (DescribedRecord<T>) {
    int64_t bytes = 0;
    for_each_field(value, [&](const char*, const auto& field) { bytes += heap_bytes_of(field); });
    return bytes;
  } else {
    return 0;
  }
}

template <class T>
int64_t StoredValue<T>::outside_bytes(const T& value) {
  if constexpr (!kHasReferences) {
    return 0;
  } else {
    return heap_bytes_of(value) + (kInline ? 0 : static_cast<int64_t>(sizeof(Box)));
  }
}

}  // namespace sluice
