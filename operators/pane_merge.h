// The running result of a sliding window, so that each slide costs O(1) merges per key.
//
// RunningSums is for accumulators that can be taken apart again: new panes are added, old ones
// subtracted. TwoStacks is for the others (maximum, distinct, ...): the panes of the window form a
// queue made of two stacks. Newer panes are merged into one accumulator per key (the back); when
// the older ones are used up, they are stacked anew: every entry then holds the merge of itself and
// all newer entries of its key, so the oldest entry of a key is the merge of the whole stack and
// dropping a pane uncovers the next:
//
//   pane 3 ◄─ pane 4 ◄─ pane 5 │ panes 6 7 8
//   3+4+5     4+5       5      │ back = 6+7+8        result = front of the key + back
//
// Both read the panes themselves from the PaneStore and hold only derived values: nothing here goes
// into a snapshot. Owned by one operator.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "operators/pane_aggregate.h"
#include "operators/pane_store.h"
#include "operators/pane_table.h"
#include "operators/pane_value.h"

namespace sluice {

template <class K, class Acc, class Agg>
class RunningSums {
 public:
  using PaneTableType = PaneTable<K, PaneValue<Acc>>;
  using Store = PaneStore<PaneTableType>;

  explicit RunningSums(Agg& agg) : agg_(agg) {}

  /// Rows of any key, live or not, in a stable order until the next change.
  uint32_t size() const { return rows_.size(); }
  bool is_live(uint32_t i) const { return rows_[i].value.panes > 0; }
  bool is_empty() const { return dead_ == rows_.size(); }
  const K& key(uint32_t i) const { return rows_[i].key; }
  /// Calls f(accumulator) with the merge of all panes of row i.
  template <class F>
  void with_result(uint32_t i, F&& f) const {
    f(rows_[i].value.sum.get());
  }

  /// Takes in the panes that start in [from, to).
  void add_panes(Store& store, int64_t from, int64_t to) {
    if (dead_ > 64 && dead_ > rows_.size() / 2) compact();
    for (size_t p = store.lower_bound(from); p < store.size() && store.at(p).start < to; ++p) {
      const PaneTableType& table = store.at(p).table;
      for (uint32_t i = 0; i < table.size(); ++i) add_entry(table[i]);
    }
  }
  /// Takes out the panes that start in [from, to); they must have been added.
  void remove_panes(Store& store, int64_t from, int64_t to) {
    for (size_t p = store.lower_bound(from); p < store.size() && store.at(p).start < to; ++p) {
      const PaneTableType& table = store.at(p).table;
      for (uint32_t i = 0; i < table.size(); ++i) remove_entry(table[i]);
    }
  }
  /// An element came to a pane that was taken in already; `is_new`: the pane had no entry for the
  /// key. change(accumulator) adds the element.
  template <class F>
  void add_late(const K& key, uint32_t tag, int64_t /*pane*/, bool is_new, F&& change) {
    uint32_t row = rows_.find(key, tag);
    if (row == rows_.kNone) {
      row = rows_.add(key, tag, Row{});
      ++dead_;
    }
    Row& target = rows_.writable(row);
    if (target.panes == 0) {
      target.sum = PaneValue<Acc>(agg_.create_accumulator());
      --dead_;
    }
    target.panes += is_new ? 1 : 0;
    target.sum.update(change);
  }

 private:
  struct Row {
    PaneValue<Acc> sum;
    uint32_t panes = 0;  // Panes of the window with an entry of the key; 0 = dead.
  };
  using Entry = typename PaneTableType::Entry;

  void add_entry(const Entry& entry) {
    const uint32_t row = rows_.find(entry.key, entry.tag);
    if (row == rows_.kNone) {
      rows_.add(entry.key, entry.tag, Row{entry.value, 1});
      return;
    }
    Row& target = rows_.writable(row);
    if (target.panes++ == 0) {
      target.sum = entry.value;
      --dead_;
    } else {
      target.sum.update([&](Acc& sum) { merge_accumulators(agg_, sum, entry.value.get()); });
    }
  }
  void remove_entry(const Entry& entry) {
    const uint32_t row = rows_.find(entry.key, entry.tag);
    SLUICE_CHECK(row != rows_.kNone);
    Row& target = rows_.writable(row);
    if (--target.panes == 0) {
      target.sum = PaneValue<Acc>();
      ++dead_;
    } else {
      target.sum.update([&](Acc& sum) { unmerge_accumulators(agg_, sum, entry.value.get()); });
    }
  }
  void compact() {
    PaneTable<K, Row> live;
    for (uint32_t i = 0; i < rows_.size(); ++i) {
      if (is_live(i)) live.add(rows_[i].key, rows_[i].tag, rows_[i].value);
    }
    rows_ = std::move(live);
    dead_ = 0;
  }

  Agg& agg_;
  PaneTable<K, Row> rows_;
  uint32_t dead_ = 0;
};

template <class K, class Acc, class Agg>
class TwoStacks {
 public:
  using PaneTableType = PaneTable<K, PaneValue<Acc>>;
  using Store = PaneStore<PaneTableType>;

  explicit TwoStacks(Agg& agg) : agg_(agg) {}

  uint32_t size() const { return rows_.size(); }
  bool is_live(uint32_t i) const { return rows_[i].value.is_live(); }
  bool is_empty() const { return dead_ == rows_.size(); }
  const K& key(uint32_t i) const { return rows_[i].key; }
  template <class F>
  void with_result(uint32_t i, F&& f) const {
    const Row& row = rows_[i].value;
    if (row.front == nullptr) {
      f(row.back.get());
    } else if (!row.has_back) {
      f(row.front->suffix.get());
    } else {
      Acc merged = row.front->suffix.get();
      merge_accumulators(agg_, merged, row.back.get());
      f(merged);
    }
  }

  void add_panes(Store& store, int64_t from, int64_t to) {
    for (size_t p = store.lower_bound(from); p < store.size() && store.at(p).start < to; ++p) {
      const PaneTableType& table = store.at(p).table;
      for (uint32_t i = 0; i < table.size(); ++i) add_entry(table[i]);
    }
    added_to_ = to;
  }
  void remove_panes(Store& store, int64_t from, int64_t to) {
    if (to >= added_to_) {
      fronts_.clear();
      rows_.clear();
      dead_ = 0;
      return;
    }
    for (size_t p = store.lower_bound(from); p < store.size() && store.at(p).start < to; ++p) {
      if (fronts_.empty()) restack(store, store.at(p).start);
      pop_front(store.at(p).start);
    }
  }
  template <class F>
  void add_late(const K& key, uint32_t tag, int64_t pane, bool /*is_new*/, F&& change) {
    uint32_t at = rows_.find(key, tag);
    if (at == rows_.kNone) {
      at = rows_.add(key, tag, Row{});
      ++dead_;
    }
    Row& row = rows_.writable(at);
    if (!row.is_live()) --dead_;
    if (!fronts_.empty() && pane <= fronts_.back()->pane) {
      add_late_to_front(row, at, pane, change);
      return;
    }
    if (!row.has_back) row.back = PaneValue<Acc>(agg_.create_accumulator());
    row.has_back = true;
    row.back.update(change);
  }

 private:
  /// The merge of one key's entries from `pane` to the newest stacked pane.
  struct Item {
    uint32_t row;
    Item* next;  // The key's next newer entry.
    int64_t pane;
    PaneValue<Acc> suffix;
  };
  struct Row {
    Item* front = nullptr;
    bool has_back = false;
    PaneValue<Acc> back;
    bool is_live() const { return front != nullptr || has_back; }
  };
  struct Front {
    int64_t pane = 0;
    std::vector<Item> items;  // Never grows once items are linked.
    std::deque<Item> late_items;
  };
  using Entry = typename PaneTableType::Entry;

  void add_entry(const Entry& entry) {
    const uint32_t at = rows_.find(entry.key, entry.tag);
    if (at == rows_.kNone) {
      rows_.add(entry.key, entry.tag, Row{nullptr, true, entry.value});
      return;
    }
    Row& row = rows_.writable(at);
    if (!row.is_live()) --dead_;
    if (row.has_back) {
      row.back.update([&](Acc& back) { merge_accumulators(agg_, back, entry.value.get()); });
    } else {
      row.back = entry.value;
      row.has_back = true;
    }
  }

  /// Makes all panes in [from, added_to_) the front.
  void restack(Store& store, int64_t from) {
    rows_.clear();  // Rows are made again: this is when dead keys go.
    dead_ = 0;
    const size_t first = store.lower_bound(from);
    for (size_t p = store.lower_bound(added_to_); p-- > first;) {
      const PaneTableType& table = store.at(p).table;
      auto front = std::make_unique<Front>();
      front->pane = store.at(p).start;
      front->items.reserve(table.size());
      for (uint32_t i = 0; i < table.size(); ++i) restack_entry(*front, table[i]);
      fronts_.push_front(std::move(front));
    }
  }
  void restack_entry(Front& front, const Entry& entry) {
    uint32_t at = rows_.find(entry.key, entry.tag);
    if (at == rows_.kNone) at = rows_.add(entry.key, entry.tag, Row{});
    Row& row = rows_.writable(at);
    front.items.push_back(Item{at, row.front, front.pane, entry.value});
    Item& item = front.items.back();
    if (row.front != nullptr) {
      item.suffix.update(
          [&](Acc& suffix) { merge_accumulators(agg_, suffix, row.front->suffix.get()); });
    }
    row.front = &item;
  }

  void pop_front(int64_t pane) {
    // A pane that is in the store only now, or has no front, adds nothing.
    if (fronts_.empty() || fronts_.front()->pane != pane) return;
    const auto uncover = [&](Item& item) {
      Row& row = rows_.writable(item.row);
      row.front = item.next;
      // The window that fires next reads it, and wide windows have more items than caches hold.
      __builtin_prefetch(item.next);
      if (!row.is_live()) ++dead_;
    };
    for (Item& item : fronts_.front()->items) uncover(item);
    for (Item& item : fronts_.front()->late_items) uncover(item);
    fronts_.pop_front();
  }

  template <class F>
  void add_late_to_front(Row& row, uint32_t at, int64_t pane, F&& change) {
    Item** link = &row.front;
    while (*link != nullptr && (*link)->pane < pane) {
      (*link)->suffix.update(change);
      link = &(*link)->next;
    }
    if (*link != nullptr && (*link)->pane == pane) {
      (*link)->suffix.update(change);
      return;
    }
    Acc suffix = agg_.create_accumulator();
    change(suffix);
    if (*link != nullptr) merge_accumulators(agg_, suffix, (*link)->suffix.get());
    Front& front = front_of(pane);
    front.late_items.push_back(Item{at, *link, pane, PaneValue<Acc>(std::move(suffix))});
    *link = &front.late_items.back();
  }
  Front& front_of(int64_t pane) {
    auto place = fronts_.begin();
    while (place != fronts_.end() && (*place)->pane < pane) ++place;
    if (place == fronts_.end() || (*place)->pane != pane) {
      place = fronts_.insert(place, std::make_unique<Front>());
      (*place)->pane = pane;
    }
    return **place;
  }

  Agg& agg_;
  PaneTable<K, Row> rows_;
  uint32_t dead_ = 0;
  int64_t added_to_ = INT64_MIN;
  std::deque<std::unique_ptr<Front>> fronts_;  // Oldest first.
};

}  // namespace sluice
