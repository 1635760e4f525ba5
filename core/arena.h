// Memory that lives as long as the batches that point into it.
//
// A TextArena is a bump allocator with a thread-safe reference count. Batches hold references to
// every arena their Text fields may point into, so a batch can be handed to another task without
// copying text. Only one thread appends at a time (the task that builds the batch).
//
// User code creates Text values without naming an arena: the task sets the arena of the batch being
// built as the thread's *current* arena (ArenaScope) around every call into user code.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "core/byte_block.h"
#include "core/check.h"

namespace sluice {

/// Intrusive reference: T has add_ref() and release().
template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* pointer) : pointer_(pointer) {
    if (pointer_) pointer_->add_ref();
  }
  Ref(const Ref& other) : Ref(other.pointer_) {}
  Ref(Ref&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  template <class U>
  // NOLINTNEXTLINE(google-explicit-constructor): as a U* becomes a T*.
  requires std::is_convertible_v<U*, T*> Ref(Ref<U> other) : pointer_(other.detach()) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  ~Ref() {
    if (pointer_) pointer_->release();
  }

  T* get() const { return pointer_; }
  T* operator->() const { return pointer_; }
  T& operator*() const { return *pointer_; }
  explicit operator bool() const { return pointer_ != nullptr; }
  /// Gives up the reference without releasing it.
  T* detach() { return std::exchange(pointer_, nullptr); }
  void reset() { *this = Ref(); }

 private:
  T* pointer_ = nullptr;
};

class TextArena {
 public:
  static constexpr size_t kFirstChunkBytes = 4096;
  static constexpr size_t kChunkBytesMax = 64 * 1024;

  TextArena() = default;
  TextArena(const TextArena&) = delete;
  TextArena& operator=(const TextArena&) = delete;

  /// `size` uninitialised bytes, unaligned, valid while the arena lives.
  char* allocate(size_t size) {
    if (size > static_cast<size_t>(end_ - next_)) return allocate_slow(size);
    char* result = next_;
    next_ += size;
    used_bytes_ += size;
    return result;
  }
  /// Copies bytes in; the pointer is valid while the arena lives.
  const char* copy(const char* data, size_t size) {
    char* to = allocate(size);
    std::memcpy(to, data, size);
    return to;
  }
  /// Texts may point into these bytes as well, of which `used` are counted here.
  void hold(std::shared_ptr<const ByteBlock> bytes, size_t used) {
    used_bytes_ += used;
    held_.push_back(std::move(bytes));
  }
  size_t used_bytes() const { return used_bytes_; }
  /// Forgets all contents but keeps one chunk. Only while nobody else holds a reference.
  void clear();

  void add_ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  bool is_unique() const { return references_.load(std::memory_order_acquire) == 1; }

 private:
  ~TextArena() = default;
  char* allocate_slow(size_t size);

  struct Chunk {
    std::unique_ptr<char[]> bytes;
    size_t size;
  };
  char* next_ = nullptr;
  char* end_ = nullptr;
  size_t used_bytes_ = 0;
  std::vector<Chunk> chunks_;
  std::vector<std::shared_ptr<const ByteBlock>> held_;
  std::atomic<uint32_t> references_{0};
};

using TextArenaRef = Ref<TextArena>;

/// The arena into which Text values made on this thread copy their bytes. When no task has set one
/// (main(), tests, job builders) it is an arena of the thread that lives until the thread ends.
TextArena& current_text_arena();

/// Sets the current arena while it lives; scopes nest.
class ArenaScope {
 public:
  explicit ArenaScope(TextArena* arena);
  ~ArenaScope();
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  TextArena* previous_;
};

}  // namespace sluice
