#include "core/arena.h"

#include <algorithm>

namespace sluice {
namespace {

// Lets AddressSanitizer see uses of text after its batch was recycled.
#if defined(__SANITIZE_ADDRESS__)
extern "C" void __asan_poison_memory_region(void const volatile* addr, size_t size);
extern "C" void __asan_unpoison_memory_region(void const volatile* addr, size_t size);
void poison(const void* p, size_t n) { __asan_poison_memory_region(p, n); }
void unpoison(const void* p, size_t n) { __asan_unpoison_memory_region(p, n); }
#else
void poison(const void* /*p*/, size_t /*n*/) {}
void unpoison(const void* /*p*/, size_t /*n*/) {}
#endif

thread_local TextArena* t_current_arena = nullptr;

}  // namespace

char* TextArena::allocate_slow(size_t size) {
  const size_t last = chunks_.empty() ? kFirstChunkBytes / 2 : chunks_.back().size;
  const size_t chunk = std::max(size, std::min(last * 2, kChunkBytesMax));
  chunks_.push_back({std::unique_ptr<char[]>(new char[chunk]), chunk});
  next_ = chunks_.back().bytes.get();
  end_ = next_ + chunk;
  return allocate(size);
}

void TextArena::clear() {
  used_bytes_ = 0;
  held_.clear();
  if (chunks_.empty()) return;
  const auto largest =
      std::max_element(chunks_.begin(), chunks_.end(),
                       [](const Chunk& a, const Chunk& b) { return a.size < b.size; });
  std::swap(chunks_.front(), *largest);
  chunks_.resize(1);
  next_ = chunks_.front().bytes.get();
  end_ = next_ + chunks_.front().size;
  poison(next_, chunks_.front().size);
  unpoison(next_, chunks_.front().size);
}

TextArena& current_text_arena() {
  if (t_current_arena == nullptr) {
    thread_local const TextArenaRef fallback{new TextArena()};
    return *fallback;
  }
  return *t_current_arena;
}

ArenaScope::ArenaScope(TextArena* arena) : previous_(t_current_arena) { t_current_arena = arena; }
ArenaScope::~ArenaScope() { t_current_arena = previous_; }

}  // namespace sluice
