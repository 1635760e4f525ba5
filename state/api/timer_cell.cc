#include "state/api/timer_cell.h"

#include <new>

#include "core/codec.h"

namespace sluice {
namespace {

using StoredTimers = std::vector<std::tuple<TimerDomain, int64_t, int64_t>>;

}  // namespace

TimerSets& TimerCell::writable_sets() {
  box_ = Box::make_unique(box_);
  return box_->mutable_value();
}

bool TimerCell::add(TimerDomain domain, const Timer& timer) {
  if (mode_ == Mode::kNone) {
    one_ = timer;
    one_domain_ = domain;
    mode_ = Mode::kOne;
    return true;
  }
  if (contains(domain, timer)) return false;
  if (mode_ == Mode::kOne) {
    const Timer only = one_;
    box_ = new Box();
    mode_ = Mode::kSets;
    auto& set = box_->mutable_value().sets[static_cast<size_t>(one_domain_)];
    set.insert({}, only, {}, false, 0);
  }
  TimerSet& set = writable_sets().sets[static_cast<size_t>(domain)];
  TimerSet::Place place;
  set.find(timer, place);
  set.insert(place, timer, {}, false, 0);
  return true;
}

bool TimerCell::remove(TimerDomain domain, const Timer& timer) {
  if (!contains(domain, timer)) return false;
  if (mode_ == Mode::kOne) {
    mode_ = Mode::kNone;
    return true;
  }
  TimerSets& sets = writable_sets();
  TimerSet& set = sets.sets[static_cast<size_t>(domain)];
  TimerSet::Place place;
  set.find(timer, place);
  set.erase(place);
  if (sets.sets[0].empty() && sets.sets[1].empty()) clear();
  return true;
}

bool TimerCell::contains(TimerDomain domain, const Timer& timer) const {
  if (mode_ == Mode::kNone) return false;
  if (mode_ == Mode::kOne) return one_domain_ == domain && one_ == timer;
  TimerSet::Place place;
  return set_of(domain).find(timer, place);
}

bool TimerCell::first(TimerDomain domain, Timer& timer) const {
  if (mode_ == Mode::kNone) return false;
  if (mode_ == Mode::kOne) {
    timer = one_;
    return one_domain_ == domain;
  }
  const TimerSet& set = set_of(domain);
  if (set.empty()) return false;
  timer = set.front().key;
  return true;
}

size_t TimerCell::size() const {
  if (mode_ != Mode::kSets) return static_cast<size_t>(mode_);
  return set_of(TimerDomain::kEvent).size() + set_of(TimerDomain::kProcessing).size();
}

void TimerCell::clear() {
  if (mode_ == Mode::kSets) box_->release();
  mode_ = Mode::kNone;
}

// ---- as a cell ----------------------------------------------------------------------------------

const CellType* TimerCell::type() {
  static const CellType kType = [] {
    CellType type;
    type.bytes = sizeof(TimerCell);
    type.alignment = alignof(TimerCell);
    type.share = [](char* cell) {
      auto* timers = reinterpret_cast<TimerCell*>(cell);
      if (timers->mode_ == Mode::kSets) timers->box_->add_reference();
    };
    type.destroy = [](char* cell) { reinterpret_cast<TimerCell*>(cell)->clear(); };
    type.write = &TimerCell::write;
    type.fetch = [](const char* cell, uint32_t step) {
      const auto* timers = reinterpret_cast<const TimerCell*>(cell);
      if (timers->mode_ != Mode::kSets) return;
      if (step == 0) {
        fetch_bytes(timers->box_, sizeof(Box));
      } else {
        for (const TimerSet& set : timers->box_->value().sets) set.fetch(step - 1);
      }
    };
    type.fetch_steps = 1 + TimerSet::kFetchSteps;
    type.read = &TimerCell::read;
    return type;
  }();
  return &kType;
}

CellSchema TimerCell::schema() { return {schema_text<StoredTimers>(), {}}; }

void TimerCell::write(const char* cell, const CellContext& /*context*/, CellWriter& out) {
  const auto& timers = *reinterpret_cast<const TimerCell*>(cell);
  // The bytes of StoredTimers.
  EncodeBuffer& bytes = out.new_value();
  bytes.fixed(static_cast<uint32_t>(timers.size()));
  const auto append = [&](TimerDomain domain, const Timer& timer) {
    bytes.fixed(domain);
    bytes.fixed(timer.time);
    bytes.fixed(timer.name_space);
  };
  if (timers.mode_ == Mode::kOne) {
    append(timers.one_domain_, timers.one_);
  } else {
    for (const TimerDomain domain : {TimerDomain::kEvent, TimerDomain::kProcessing}) {
      timers.set_of(domain).for_each_while([&](const TimerSet::Entry& entry, int64_t) {
        append(domain, entry.key);
        return true;
      });
    }
  }
  out.put({}, bytes.view());
}

Status TimerCell::read(char* cell, bool& is_present, const CellContext& context,
                       std::string_view suffix, std::string_view value) {
  ByteReader reader(value);
  const auto stored = decode_stored<StoredTimers>(reader, context.stored_value);
  if (!suffix.empty() || reader.failed() || !reader.at_end()) {
    return Status::corruption("timers cannot be decoded");
  }
  auto& timers = *reinterpret_cast<TimerCell*>(cell);
  for (const auto& [domain, time, name_space] : stored) {
    if (domain != TimerDomain::kEvent && domain != TimerDomain::kProcessing) {
      return Status::corruption("a timer of an unknown kind");
    }
    timers.add(domain, {time, name_space});
  }
  is_present = !timers.is_empty();
  return Status::ok();
}

}  // namespace sluice
