// One pane's contents: an open-addressing table key → value whose entries lie densely in pages, in
// the order in which their keys came first, so results are in the same order for equal input.
//
//   slots (tag, entry) ──► pages of entries {key, tag, value}
//
// freeze() is O(pages): it shares the pages, and the first write to a shared page copies that page
// alone. Only entries are frozen, never the slots. Texts of keys lie in the table's arena; values
// own theirs (operators/pane_value.h). Written by one task; frozen views may be read and dropped on
// another thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "core/arena.h"
#include "core/record.h"
#include "state/api/key_order.h"

namespace sluice {

template <class K, class V>
class PaneTable {
 public:
  struct Entry {
    K key;
    uint32_t tag;  // Lower half of the key's hash.
    V value;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  /// Entries as they were at the freeze, and which of them changed since the freeze before.
  class Frozen;

  uint32_t size() const { return size_; }
  bool is_empty() const { return size_ == 0; }
  const Entry& operator[](uint32_t i) const {
    return pages_[i >> kPageShift]->entry(i & kPageMask);
  }

  uint32_t find(const K& key, uint32_t tag) const {
    if (slots_.empty()) {
      for (uint32_t i = 0; i < size_; ++i) {
        const Entry& entry = (*this)[i];
        if (entry.tag == tag && keys_equal(entry.key, key)) return i;
      }
      return kNone;
    }
    for (uint32_t at = tag & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.entry == 0) return kNone;
      if (slot.tag == tag && keys_equal((*this)[slot.entry - 1].key, key)) return slot.entry - 1;
    }
  }
  /// The key must be absent. The value is made from `value`.
  uint32_t add(const K& key, uint32_t tag, V value);
  /// To change entry i; marks it as changed. The reference lives until the next add() or freeze().
  V& writable(uint32_t i) {
    PageRef& page = pages_[i >> kPageShift];
    if (!page->is_unique()) page = page->clone(page->capacity);
    if (was_frozen_) changed_[i >> 6] |= uint64_t{1} << (i & 63);
    return page->entry(i & kPageMask).value;
  }
  void prefetch(uint32_t tag) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[tag & mask_]);
  }

  Frozen freeze();
  /// Whether a snapshot holds entries of this table, which must be erased when it is dropped.
  bool was_frozen() const { return was_frozen_; }

  /// Forgets everything but keeps the slots' memory.
  void clear();
  size_t bytes() const {
    return pages_.size() * (sizeof(Entry) << kPageShift) + slots_.size() * sizeof(Slot) +
           (arena_ ? arena_->used_bytes() : 0);
  }

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t entry = 0;  // Index + 1; 0 = free.
  };
  static constexpr uint32_t kFirstPageEntries = 8;
  static constexpr uint32_t kPageBytes = 8192;
  static constexpr uint32_t kPageEntries =
      std::bit_floor(std::clamp<uint32_t>(kPageBytes / sizeof(Entry), kFirstPageEntries, 256));
  static constexpr uint32_t kPageShift = std::countr_zero(kPageEntries);
  static constexpr uint32_t kPageMask = kPageEntries - 1;

  class Page;
  using PageRef = Ref<Page>;

  void grow_slots();
  void place(uint32_t tag, uint32_t entry) {
    uint32_t at = tag & mask_;
    while (slots_[at].entry != 0) at = (at + 1) & mask_;
    slots_[at] = {tag, entry + 1};
  }

  std::vector<PageRef> pages_;
  std::vector<Slot> slots_;  // Empty while the first small page is searched directly.
  uint32_t mask_ = 0;
  uint32_t size_ = 0;
  bool was_frozen_ = false;
  std::vector<uint64_t> changed_;  // Bit per entry; kept once the table was frozen.
  TextArenaRef arena_;
};

/// Up to kPageEntries entries; immutable while referenced twice.
template <class K, class V>
class PaneTable<K, V>::Page {
 public:
  static PageRef make(uint32_t capacity) {
    void* memory = ::operator new(kHeader + capacity * sizeof(Entry),
                                  std::align_val_t(alignof(Entry) > 16 ? alignof(Entry) : 16));
    return PageRef(new (memory) Page(capacity));
  }
  PageRef clone(uint32_t wanted_capacity) const {
    PageRef copy = make(wanted_capacity);
    for (; copy->size < size; ++copy->size) {
      new (&copy->entry(copy->size)) Entry(entry(copy->size));
    }
    return copy;
  }
  /// Into a bigger page; this one is left empty and must be unique.
  PageRef move_to(uint32_t wanted_capacity) {
    PageRef moved = make(wanted_capacity);
    for (; moved->size < size; ++moved->size) {
      new (&moved->entry(moved->size)) Entry(std::move(entry(moved->size)));
    }
    return moved;
  }

  Entry& entry(uint32_t i) { return entries()[i]; }
  const Entry& entry(uint32_t i) const { return const_cast<Page*>(this)->entries()[i]; }

  bool is_unique() const { return references_.load(std::memory_order_acquire) == 1; }
  void add_ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    for (uint32_t i = 0; i < size; ++i) entry(i).~Entry();
    this->~Page();
    ::operator delete(static_cast<void*>(this),
                      std::align_val_t(alignof(Entry) > 16 ? alignof(Entry) : 16));
  }

  uint32_t size = 0;
  const uint32_t capacity;

 private:
  explicit Page(uint32_t capacity_wanted) : capacity(capacity_wanted) {}
  ~Page() = default;
  Entry* entries() {
    return std::launder(reinterpret_cast<Entry*>(reinterpret_cast<char*>(this) + kHeader));
  }
  // Entries follow the page's own members in the same block.
  static constexpr size_t kHeader = alignof(Entry) > 16 ? alignof(Entry) : 16;
  std::atomic<uint32_t> references_{0};
  static_assert(3 * sizeof(uint32_t) <= 16);
};

template <class K, class V>
class PaneTable<K, V>::Frozen {
 public:
  uint32_t size() const { return size_; }
  const Entry& operator[](uint32_t i) const {
    return pages_[i >> kPageShift]->entry(i & kPageMask);
  }
  using Item = Entry;
  /// Calls f(i) for every entry, or for those that are new or were written since the freeze before.
  template <class F>
  void for_each_entry(bool changed_only, F&& f) const {
    if (!changed_only || changed_.empty()) {
      for (uint32_t i = 0; i < size_; ++i) f(i);
      return;
    }
    for (size_t word = 0; word < changed_.size(); ++word) {
      for (uint64_t bits = changed_[word]; bits != 0; bits &= bits - 1) {
        f(static_cast<uint32_t>(word << 6) + static_cast<uint32_t>(std::countr_zero(bits)));
      }
    }
  }
  uint32_t changed_count() const {
    if (changed_.empty()) return size_;
    uint32_t count = 0;
    for (const uint64_t bits : changed_) count += static_cast<uint32_t>(std::popcount(bits));
    return count;
  }

 private:
  friend class PaneTable;
  std::vector<PageRef> pages_;
  uint32_t size_ = 0;
  std::vector<uint64_t> changed_;  // Empty: everything is new.
  TextArenaRef arena_;
};

// ---- implementation -----------------------------------------------------------------------------

template <class K, class V>
uint32_t PaneTable<K, V>::add(const K& key, uint32_t tag, V value) {
  const uint32_t i = size_;
  SLUICE_CHECK_MSG(i < kNone - 1, "a pane holds at most 2^32 − 2 keys");
  if ((i & kPageMask) == 0) {
    pages_.push_back(Page::make(i == 0 ? kFirstPageEntries : kPageEntries));
  } else {
    PageRef& page = pages_.back();
    if (page->size == page->capacity) {
      const uint32_t wanted = std::min(page->capacity * 4, kPageEntries);
      page = page->is_unique() ? page->move_to(wanted) : page->clone(wanted);
    } else if (!page->is_unique()) {
      page = page->clone(page->capacity);
    }
  }
  K owned = key;
  if constexpr (kContainsText<K>) {
    if (!arena_) arena_ = TextArenaRef(new TextArena());
    move_texts_to(owned, *arena_);
  }
  Page& page = *pages_.back();
  new (&page.entry(page.size)) Entry{std::move(owned), tag, std::move(value)};
  ++page.size;
  ++size_;
  if (!slots_.empty() || size_ > kFirstPageEntries) {
    if (size_ * 5ULL > slots_.size() * 3ULL) {
      grow_slots();
    } else {
      place(tag, i);
    }
  }
  if (was_frozen_) {
    changed_.resize((size_ + 63) / 64);
    changed_[i >> 6] |= uint64_t{1} << (i & 63);
  }
  return i;
}

template <class K, class V>
void PaneTable<K, V>::grow_slots() {
  const size_t wanted = std::max<size_t>(4 * kFirstPageEntries, slots_.size() * 2);
  SLUICE_CHECK(wanted <= (size_t{1} << 32));
  slots_.assign(wanted, Slot{});
  mask_ = static_cast<uint32_t>(wanted - 1);
  for (uint32_t i = 0; i < size_; ++i) place((*this)[i].tag, i);
}

template <class K, class V>
typename PaneTable<K, V>::Frozen PaneTable<K, V>::freeze() {
  Frozen frozen;
  frozen.pages_ = pages_;
  frozen.size_ = size_;
  frozen.arena_ = arena_;
  if (was_frozen_) frozen.changed_ = std::move(changed_);
  changed_.assign((size_ + 63) / 64, 0);
  was_frozen_ = true;
  return frozen;
}

template <class K, class V>
void PaneTable<K, V>::clear() {
  // A table that once was large must not make every later clear expensive.
  if (slots_.size() > 64 && slots_.size() > size_ * 16ULL) {
    slots_ = {};
  } else if (size_ <= kFirstPageEntries) {
    slots_.clear();
  } else {
    std::memset(static_cast<void*>(slots_.data()), 0, slots_.size() * sizeof(Slot));
  }
  pages_.clear();
  size_ = 0;
  was_frozen_ = false;
  changed_.clear();
  arena_.reset();
}

}  // namespace sluice
