#include "actors/actor_directory.h"

#include <algorithm>
#include <utility>

namespace sluice {

std::shared_ptr<ActorGauge> ActorDirectory::add(int64_t id) {
  auto gauge = std::make_shared<ActorGauge>();
  gauge->id = id;
  const std::lock_guard lock(mutex_);
  // Swept when the list would grow, so that restarts leave nothing behind.
  if (gauges_.size() == gauges_.capacity()) {
    std::erase_if(gauges_, [](const auto& weak) { return weak.expired(); });
  }
  gauges_.push_back(gauge);
  return gauge;
}

void ActorDirectory::describe(ActorGauge& gauge, std::string kind, std::string job,
                              std::string label) {
  const std::lock_guard lock(mutex_);
  gauge.kind = std::move(kind);
  gauge.job = std::move(job);
  gauge.label = std::move(label);
}

std::vector<ActorInspection> ActorDirectory::actors() const {
  const int64_t wall_ms = clock_.wall_ms();
  const int64_t steady_ns = clock_.steady_ns();
  std::vector<ActorInspection> looks;
  const std::lock_guard lock(mutex_);
  for (const auto& weak : gauges_) {
    const auto gauge = weak.lock();
    if (!gauge) continue;
    ActorInspection& look = looks.emplace_back();
    look.id = gauge->id;
    look.kind = gauge->kind;
    look.job = gauge->job;
    look.label = gauge->label;
    look.mailbox = gauge->mailbox.load(std::memory_order_relaxed);
    look.turns = gauge->turns.load(std::memory_order_relaxed);
    look.running = gauge->running.load(std::memory_order_relaxed);
    const int64_t active_ns = gauge->active_ns.load(std::memory_order_relaxed);
    if (active_ns > 0) look.active = wall_ms - (steady_ns - active_ns) / 1'000'000;
  }
  std::sort(looks.begin(), looks.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return looks;
}

}  // namespace sluice
