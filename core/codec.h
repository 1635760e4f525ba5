// The binary form of values: state, network frames and snapshots.
//
// Fixed-width little-endian integers, IEEE bits for floating point, u32 length + bytes for text and
// containers, one presence byte for optional, fields of a record in declared order. Every encoding
// is self-delimiting, so concatenations are unambiguous (semantics rule 41). The stored schema
// (core/schema.h) says which fields the bytes hold. Decoding is total: truncated or absurd bytes
// set the reader's failure flag and never read outside the buffer.
//
// A type of your own takes part by specialising Codec<T> with encode and decode.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "core/byte_block.h"
#include "core/record.h"

namespace sluice {

static_assert(std::endian::native == std::endian::little, "the wire order is the host order");

/// Appends to a string it does not own.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(&out) {}

  void bytes(const void* data, size_t size) {
    if (size < static_cast<size_t>(end_ - next_)) {
      std::memcpy(next_, data, size);
      next_ += size;
    } else {
      // Static: the address of a writer that is a local variable goes nowhere, so that it may live
      // in registers.
      const Place place = append({out_, block_, next_}, data, size);
      next_ = place.next;
      end_ = place.end;
    }
  }
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void fixed(T value) { bytes(&value, sizeof(value)); }
  void text(std::string_view value) {
    fixed(static_cast<uint32_t>(value.size()));
    bytes(value.data(), value.size());
  }
  size_t size() const { return out_ != nullptr ? out_->size() : used(); }

 protected:
  /// Of an EncodeBuffer: writes into the block.
  ByteWriter() = default;
  size_t used() const { return static_cast<size_t>(next_ - block_->data()); }
  void rewind_to(ByteBlock& block) {
    block_ = &block;
    next_ = block.data();
    end_ = next_ + block.capacity();
  }

 private:
  struct Target {
    std::string* out;
    ByteBlock* block;
    const char* next;
  };
  struct Place {
    char* next;
    char* end;
  };
  [[gnu::noinline]] static Place append(Target target, const void* data, size_t size) {
    if (target.out != nullptr) {
      target.out->append(static_cast<const char*>(data), size);
      return {};
    }
    ByteBlock& block = *target.block;
    const auto before = static_cast<size_t>(target.next - block.data());
    block.resize(before);
    block.reserve(std::max(kRoomMin, 2 * (before + size)));
    if (size > 0) std::memcpy(block.data() + before, data, size);
    return {block.data() + before + size, block.data() + block.capacity()};
  }

  static constexpr size_t kRoomMin = 256;

  std::string* out_ = nullptr;  // Null: an EncodeBuffer.
  ByteBlock* block_ = nullptr;
  char* next_ = nullptr;
  char* end_ = nullptr;
};

/// A writer with a buffer of its own that is used for one value after another: what is encoded
/// costs neither an allocation nor a call for each field.
class EncodeBuffer final : public ByteWriter {
 public:
  EncodeBuffer() { rewind_to(room_); }
  EncodeBuffer(const EncodeBuffer&) = delete;
  EncodeBuffer& operator=(const EncodeBuffer&) = delete;

  /// Empties the buffer and makes room; views of what was in it are void.
  EncodeBuffer& clear(size_t room = 0) {
    room_.resize(0);
    room_.reserve(room);
    rewind_to(room_);
    return *this;
  }
  std::string_view view() const { return {room_.data(), used()}; }
  /// What was written; the buffer is empty. Its memory goes with it unless most of that is unused.
  ByteBlock take() {
    if (2 * used() < room_.capacity()) {
      ByteBlock copy(view());
      clear();
      return copy;
    }
    room_.resize(used());
    ByteBlock taken = std::move(room_);
    rewind_to(room_);
    return taken;
  }
  /// Empties the buffer and gives its memory back when that is more than `bytes_max`.
  void trim(size_t bytes_max) {
    if (room_.capacity() > bytes_max) room_ = ByteBlock();
    clear();
  }
  /// Replaces what was written at `offset`.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void overwrite(size_t offset, T value) {
    std::memcpy(room_.data() + offset, &value, sizeof(value));
  }

 private:
  ByteBlock room_;
};

/// What becomes of the bytes of a Text that is read.
enum class TextBytes : uint8_t {
  kCopied,   // Into the current arena.
  kStayPut,  // The text points to where they were read, which must outlive it.
};

/// Reads from bytes it does not own; after a failure all further reads give zero.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes, TextBytes texts = TextBytes::kCopied)
      : next_(bytes.data()), end_(next_ + bytes.size()), texts_(texts) {}

  TextBytes text_bytes() const { return texts_; }

  template <class T>
  requires std::is_trivially_copyable_v<T> T fixed() {
    T value{};
    if (remaining() < sizeof(T)) {
      fail();
      return value;
    }
    std::memcpy(&value, next_, sizeof(T));
    next_ += sizeof(T);
    return value;
  }
  /// A view into the input.
  std::string_view bytes(size_t size) {
    if (remaining() < size) {
      fail();
      return {};
    }
    const std::string_view view(next_, size);
    next_ += size;
    return view;
  }
  std::string_view text() { return bytes(fixed<uint32_t>()); }
  /// A count of items of at least one byte each: refuses counts that cannot fit in what remains.
  uint32_t count() {
    const auto n = fixed<uint32_t>();
    if (n > remaining()) {
      fail();
      return 0;
    }
    return n;
  }

  void fail() {
    failed_ = true;
    next_ = end_;
  }
  bool failed() const { return failed_; }
  size_t remaining() const { return static_cast<size_t>(end_ - next_); }
  bool at_end() const { return next_ == end_; }

 private:
  const char* next_;
  const char* end_;
  TextBytes texts_;
  bool failed_ = false;
};

template <class T>
struct Codec;

template <class T>
concept Encodable = requires(const T& value, T& target, ByteWriter& writer, ByteReader& reader) {
  Codec<T>::encode(value, writer);
  Codec<T>::decode(reader, target);
};

template <class T>
void encode(const T& value, ByteWriter& writer) {
  Codec<T>::encode(value, writer);
}
template <class T>
std::string encode_to_string(const T& value) {
  std::string out;
  ByteWriter writer(out);
  Codec<T>::encode(value, writer);
  return out;
}
/// Where the bytes of Text fields are says the reader.
template <class T>
T decode(ByteReader& reader) {
  T value{};
  Codec<T>::decode(reader, value);
  return value;
}

template <class T>
requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) struct Codec<T> {
  static void encode(T value, ByteWriter& writer) { writer.fixed(value); }
  static void decode(ByteReader& reader, T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = reader.fixed<uint8_t>() != 0;
    } else {
      value = reader.fixed<T>();
    }
  }
};

template <>
struct Codec<EventTime> {
  static void encode(EventTime value, ByteWriter& writer) { writer.fixed(value.ms); }
  static void decode(ByteReader& reader, EventTime& value) { value.ms = reader.fixed<int64_t>(); }
};

template <class Rep, class Period>
struct Codec<std::chrono::duration<Rep, Period>> {
  using D = std::chrono::duration<Rep, Period>;
  static void encode(D value, ByteWriter& writer) {
    writer.fixed(static_cast<int64_t>(value.count()));
  }
  static void decode(ByteReader& reader, D& value) {
    value = D(static_cast<Rep>(reader.fixed<int64_t>()));
  }
};

template <>
struct Codec<Text> {
  static void encode(const Text& value, ByteWriter& writer) { writer.text(value.view()); }
  static void decode(ByteReader& reader, Text& value) {
    const std::string_view text = reader.text();
    value = reader.text_bytes() == TextBytes::kStayPut ? Text::view(text) : Text(text);
  }
};

template <>
struct Codec<std::string> {
  static void encode(const std::string& value, ByteWriter& writer) { writer.text(value); }
  static void decode(ByteReader& reader, std::string& value) { value = std::string(reader.text()); }
};

template <>
struct Codec<Bytes> {
  static void encode(const Bytes& value, ByteWriter& writer) { writer.text(value.data); }
  static void decode(ByteReader& reader, Bytes& value) { value.data = std::string(reader.text()); }
};

template <class T>
struct Codec<std::optional<T>> {
  static void encode(const std::optional<T>& value, ByteWriter& writer) {
    writer.fixed(static_cast<uint8_t>(value.has_value()));
    if (value) Codec<T>::encode(*value, writer);
  }
  static void decode(ByteReader& reader, std::optional<T>& value) {
    value.reset();
    if (reader.fixed<uint8_t>() != 0) Codec<T>::decode(reader, value.emplace());
  }
};

template <class T, class A>
struct Codec<std::vector<T, A>> {
  static void encode(const std::vector<T, A>& value, ByteWriter& writer) {
    writer.fixed(static_cast<uint32_t>(value.size()));
    for (const auto& item : value) Codec<T>::encode(item, writer);
  }
  static void decode(ByteReader& reader, std::vector<T, A>& value) {
    value.clear();
    const uint32_t n = reader.count();
    value.reserve(n);
    for (uint32_t i = 0; i < n && !reader.failed(); ++i) {
      T item{};
      Codec<T>::decode(reader, item);
      value.push_back(std::move(item));
    }
  }
};

template <class M>
requires kIsMap<M>
struct Codec<M> {
  static void encode(const M& value, ByteWriter& writer) {
    writer.fixed(static_cast<uint32_t>(value.size()));
    for (const auto& [key, mapped] : value) {
      Codec<typename M::key_type>::encode(key, writer);
      Codec<typename M::mapped_type>::encode(mapped, writer);
    }
  }
  static void decode(ByteReader& reader, M& value) {
    value.clear();
    const uint32_t n = reader.count();
    for (uint32_t i = 0; i < n && !reader.failed(); ++i) {
      typename M::key_type key{};
      typename M::mapped_type mapped{};
      Codec<typename M::key_type>::decode(reader, key);
      Codec<typename M::mapped_type>::decode(reader, mapped);
      value.emplace(std::move(key), std::move(mapped));
    }
  }
};

template <class T>
requires kIsTuple<T>
struct Codec<T> {
  static void encode(const T& value, ByteWriter& writer) {
    std::apply(
        [&](const auto&... item) {
          (Codec<std::remove_cvref_t<decltype(item)>>::encode(item, writer), ...);
        },
        value);
  }
  static void decode(ByteReader& reader, T& value) {
    std::apply(
        [&](auto&... item) {
          (Codec<std::remove_cvref_t<decltype(item)>>::decode(reader, item), ...);
        },
        value);
  }
};

template <class T, size_t N>
struct Codec<std::array<T, N>> {
  static void encode(const std::array<T, N>& value, ByteWriter& writer) {
    for (const auto& item : value) Codec<T>::encode(item, writer);
  }
  static void decode(ByteReader& reader, std::array<T, N>& value) {
    for (auto& item : value) Codec<T>::decode(reader, item);
  }
};

template <DescribedRecord T>
struct Codec<T> {
  static void encode(const T& value, ByteWriter& writer) {
    for_each_field(value, [&](const char*, const auto& field) {
      Codec<std::remove_cvref_t<decltype(field)>>::encode(field, writer);
    });
  }
  static void decode(ByteReader& reader, T& value) {
    for_each_field(value, [&](const char*, auto& field) {
      Codec<std::remove_cvref_t<decltype(field)>>::decode(reader, field);
    });
  }
};

}  // namespace sluice
