#include "state/api/row_layout.h"

#include <algorithm>
#include <new>
#include <utility>

#include "core/check.h"
#include "state/api/page_memory.h"

namespace sluice {
namespace {

static_assert(alignof(RowPage) <= PageMemory::kAlignment);

size_t page_size(const RowLayout& layout, uint32_t capacity) {
  return sizeof(RowPage) + size_t{capacity} * layout.row_bytes;
}

}  // namespace

RowPage* RowLayout::allocate_page(uint32_t capacity) const {
  const size_t size = page_size(*this, capacity);
  void* memory = PageMemory::allocate(size);
  auto* page = new (memory) RowPage();
  page->capacity = capacity;
  page_bytes.fetch_add(static_cast<int64_t>(size), std::memory_order_relaxed);
  return page;
}

RowPage* RowLayout::make_page(uint32_t capacity, uint64_t epoch) const {
  RowPage* page = allocate_page(capacity);
  page->clear_epoch = next_clear_epoch(epoch);
  return page;
}

RowPage* RowLayout::copy_page(RowPage* page) const {
  RowPage* copy = allocate_page(page->capacity);
  copy->used = page->used;
  copy->clear_epoch = page->clear_epoch;
  std::memcpy(copy->rows(), page->rows(), size_t{page->used} * row_bytes);
  if (!has_shares()) return copy;
  for (uint32_t slot = 0; slot < copy->used; ++slot) {
    share_row(copy->rows() + size_t{slot} * row_bytes);
  }
  return copy;
}

bool RowLayout::has_shares() const {
  return key->share != nullptr || std::any_of(cells.begin(), cells.end(), [](const RowCell& cell) {
           return cell.type->share != nullptr;
         });
}

void RowLayout::share_row(char* row) const {
  const uint64_t header = load_header(row);
  if ((header & kRowInUse) == 0) return;
  if (key->share != nullptr) key->share(row + key_offset);
  for (const RowCell& cell : cells) {
    if (cell.type->share != nullptr && (header & cell.ref.bit) != 0) {
      cell.type->share(row + cell.ref.offset);
    }
  }
}

bool RowLayout::save_row(RowPage* page, char* row) const {
  constexpr uint32_t kFirstSavedRows = 16;
  // Saving a row takes some 50 ns, which is what copying a sixteenth of a page of short rows takes.
  const uint32_t saved_rows_max = std::max<uint32_t>(1, rows_per_page / 16);
  const uint64_t header = load_header(row);
  if (!is_row_changed(header, row_epoch_bits(page->view_epoch))) return true;
  const ViewLock::Entry entry = page->view_lock.try_enter();
  if (entry != ViewLock::Entry::kEntered) return entry == ViewLock::Entry::kClosed;
  RowPage*& saved = page->saved;
  if (saved != nullptr && saved->used == saved_rows_max) {
    page->view_lock.leave();
    return false;
  }
  if (saved == nullptr) {
    saved = allocate_page(std::min(kFirstSavedRows, saved_rows_max));
  } else if (saved->used == saved->capacity) {
    saved = grow_page(saved, std::min(saved->capacity * 2, saved_rows_max));
  }
  char* copy = saved->rows() + size_t{saved->used++} * row_bytes;
  std::memcpy(copy, row, row_bytes);
  share_row(copy);
  store_header(row, header & ~(kRowEpochMask | kRowFresh));
  page->view_lock.leave();
  return true;
}

void RowLayout::close_page(RowPage* page) const {
  page->view_lock.enter();
  RowPage* saved = std::exchange(page->saved, nullptr);
  page->view_lock.close();
  if (saved != nullptr) release_page(saved);
}

RowPage* RowLayout::grow_page(RowPage* page, uint32_t capacity) const {
  RowPage* larger = allocate_page(capacity);
  larger->used = page->used;
  larger->clear_epoch = page->clear_epoch;
  std::memcpy(larger->rows(), page->rows(), size_t{page->used} * row_bytes);
  free_page_memory(page);
  return larger;
}

void RowLayout::clear_epochs(RowPage* page, uint64_t epoch) const {
  char* row = page->rows();
  for (uint32_t slot = 0; slot < page->used; ++slot, row += row_bytes) {
    store_header(row, load_header(row) & ~(kRowEpochMask | kRowFresh));
  }
  page->clear_epoch = next_clear_epoch(epoch);
}

// Not all pages in the same epoch: the task would stand still for all of them.
uint64_t RowLayout::next_clear_epoch(uint64_t epoch) const {
  constexpr uint64_t kSpread = 8;
  return epoch + kRowEpochs - pages_made_++ % kSpread;
}

void RowLayout::release_page(RowPage* page) const {
  if (page->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  bool any_destroy = key->destroy != nullptr;
  for (const RowCell& cell : cells) any_destroy = any_destroy || cell.type->destroy != nullptr;
  for (uint32_t slot = 0; any_destroy && slot < page->used; ++slot) {
    char* row = page->rows() + size_t{slot} * row_bytes;
    const uint64_t header = load_header(row);
    if ((header & kRowInUse) == 0) continue;
    for (const RowCell& cell : cells) {
      if (cell.type->destroy != nullptr && (header & cell.ref.bit) != 0) {
        cell.type->destroy(row + cell.ref.offset);
      }
    }
    if (key->destroy != nullptr) key->destroy(row + key_offset);
  }
  free_page_memory(page);
}

void RowLayout::free_page_memory(RowPage* page) const {
  const size_t size = page_size(*this, page->capacity);
  page_bytes.fetch_sub(static_cast<int64_t>(size), std::memory_order_relaxed);
  page->~RowPage();
  PageMemory::release(page, size);
}

}  // namespace sluice
