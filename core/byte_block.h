// Bytes in one allocation of their own, which are handed from one owner to the next instead of
// being copied: what a task encodes travels to the network's thread, what arrives there becomes the
// memory behind the texts of a batch. New bytes are not initialised. One thread at a time.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "core/check.h"

namespace sluice {

class ByteBlock {
 public:
  ByteBlock() = default;
  explicit ByteBlock(size_t size)
      : bytes_(size == 0 ? nullptr : std::make_unique_for_overwrite<char[]>(size)),
        size_(size),
        capacity_(size) {}
  explicit ByteBlock(std::string_view bytes) : ByteBlock(bytes.size()) {
    if (!bytes.empty()) std::memcpy(bytes_.get(), bytes.data(), bytes.size());
  }
  ByteBlock(const ByteBlock& other) : ByteBlock(other.view()) {}
  ByteBlock(ByteBlock&& other) noexcept
      : bytes_(std::move(other.bytes_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  ByteBlock& operator=(ByteBlock other) noexcept {
    bytes_.swap(other.bytes_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~ByteBlock() = default;

  char* data() { return bytes_.get(); }
  const char* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// What the allocation holds; size() is what is in use.
  size_t capacity() const { return capacity_; }
  std::string_view view() const { return {bytes_.get(), size_}; }
  char& operator[](size_t at) { return bytes_[at]; }
  friend bool operator==(const ByteBlock& a, const ByteBlock& b) { return a.view() == b.view(); }

  /// Without touching the bytes; `size` is at most capacity().
  void resize(size_t size) {
    SLUICE_CHECK(size <= capacity_);
    size_ = size;
  }
  /// Room for `capacity` bytes; the first size() are kept.
  void reserve(size_t capacity) {
    if (capacity <= capacity_) return;
    auto fresh = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(fresh.get(), bytes_.get(), size_);
    bytes_ = std::move(fresh);
    capacity_ = capacity;
  }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace sluice
