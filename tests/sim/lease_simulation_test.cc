// Who may run a task, on a bad network: the lease protocol of JobManager and TaskManagers with
// seeds.
//
// One task must never run in two places at once. Each direction between two processes delivers in
// order, but as late as it likes, also after the other side was given up; processes freeze and
// wake. Bugs that were planted on purpose must be found, or the simulation proves nothing.
#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "actors/lease.h"
#include "core/random.h"

namespace sluice {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr Duration kTimeout{400};
constexpr int64_t kBeatMs = 50;
constexpr int64_t kEndMs = 20'000;

enum class Bug {
  kNone,
  kKeepsLeaseWhenFrozen,   // Goes on as if it had not stood still, and is not looked at for long.
  kLeaseCountsFromAnswer,  // Renews the lease when the answer comes.
  kLeaseIsTooLong,
  kObeysUnregistered,     // Takes tasks although its registration is over.
  kTakesOldRegistration,  // Believes the answer to an earlier registration.
  kRegistersWhileRunning,
  kLeaseCountsFromWelcome,  // Begins the lease when the answer to the registration comes.
};

class LeaseWorld {
 public:
  LeaseWorld(uint64_t seed, Bug bug) : random_(seed), bug_(bug), watch_(kTimeout) {
    for (Worker& worker : workers_) worker.lease = Lease(lease_length());
  }

  /// False when the task ran in two places at once.
  bool run() {
    for (now_ms_ = 0; now_ms_ < kEndMs; ++now_ms_) {
      deliver();
      for (size_t id = 0; id < workers_.size(); ++id) step(id);
      if (!manager_is_frozen()) manage();
      int running = 0;
      // One that is frozen runs nothing, but it counts once it is awake and has looked.
      for (const Worker& worker : workers_)
        running += worker.is_running && is_awake(worker) ? 1 : 0;
      if (running > 1) return false;
    }
    return true;
  }
  int attempts() const { return attempts_; }
  uint64_t trace() const { return trace_; }

 private:
  struct Worker {
    Lease lease{Duration(0)};
    int incarnation = 0;
    bool is_registered = false;
    bool wants_registration = true;
    int64_t registration = 0;
    bool is_running = false;
    int64_t frozen_until_ms = 0;
    int64_t beat_due_ms = 0;
    int64_t stop_ms = 0;  // When the task has ended after it was told to.
  };
  struct Mail {
    int64_t at_ms;
    std::function<void()> deliver;
  };
  /// How the JobManager sees a TaskManager.
  struct Entry {
    bool is_registered = false;
    int incarnation = 0;
  };

  Duration lease_length() const {
    return bug_ == Bug::kLeaseIsTooLong ? kTimeout * 3 : lease_of(kTimeout);
  }
  bool is_awake(const Worker& worker) const { return worker.frozen_until_ms <= now_ms_; }
  bool manager_is_frozen() const { return manager_frozen_until_ms_ > now_ms_; }
  static std::string name(size_t id, int incarnation) {
    return std::to_string(id) + "/" + std::to_string(incarnation);
  }

  // -- network: one queue to and one from each worker --

  void post(size_t queue, std::function<void()> deliver) {
    int64_t at_ms = now_ms_ + random_.between(0, 5);
    if (random_.one_in(50)) at_ms += random_.between(100, 2500);
    if (!queues_[queue].empty()) at_ms = std::max(at_ms, queues_[queue].back().at_ms);
    queues_[queue].push_back({at_ms, std::move(deliver)});
  }
  void to_worker(size_t id, std::function<void(Worker&)> act) {
    post(id, [this, id, incarnation = entries_[id].incarnation, act = std::move(act)] {
      if (workers_[id].incarnation == incarnation) act(workers_[id]);
    });
  }
  void to_manager(size_t id, std::function<void()> act) {
    post(workers_.size() + id, std::move(act));
  }
  void deliver() {
    for (size_t queue = 0; queue < queues_.size(); ++queue) {
      const bool is_frozen =
          queue < workers_.size() ? !is_awake(workers_[queue]) : manager_is_frozen();
      while (!is_frozen && !queues_[queue].empty() && queues_[queue].front().at_ms <= now_ms_) {
        const auto act = std::move(queues_[queue].front().deliver);
        queues_[queue].pop_front();
        trace_ = splitmix64(trace_ ^ (queue + static_cast<uint64_t>(now_ms_)));
        act();
      }
    }
  }

  // -- TaskManager --

  void step(size_t id) {
    Worker& worker = workers_[id];
    if (!is_awake(worker)) return;
    if (random_.one_in(3000)) {
      worker.frozen_until_ms = now_ms_ + random_.between(50, 1500);
      return;
    }
    look_at_lease(worker);
    if (worker.is_registered && random_.one_in(2000)) {
      // The connection breaks. Tasks do not end at once.
      worker.is_registered = false;
      worker.wants_registration = true;
      worker.stop_ms = now_ms_ + random_.between(1, 60);
    }
    if (worker.wants_registration && now_ms_ >= worker.stop_ms) stop(worker);
    if (worker.wants_registration && (!worker.is_running || bug_ == Bug::kRegistersWhileRunning)) {
      send_registration(id);
    } else if (!worker.is_registered && random_.one_in(400)) {
      // No answer for long: the connection is made anew.
      stop(worker);
      worker.wants_registration = true;
    }
    if (worker.is_registered && now_ms_ >= worker.beat_due_ms) beat(id);
  }
  void look_at_lease(Worker& worker) {
    if (bug_ == Bug::kKeepsLeaseWhenFrozen && worker.is_running) return;
    switch (worker.lease.look(now_ms_ * kNsPerMs)) {
      case Lease::Verdict::kFrozen: {
        // The process ends and is started again.
        const int next = worker.incarnation + 1;
        worker = Worker{};
        worker.incarnation = next;
        worker.lease = Lease(lease_length());
        return;
      }
      case Lease::Verdict::kExpired:
        stop(worker);
        worker.is_registered = false;
        worker.wants_registration = true;
        return;
      default:
        return;
    }
  }
  void stop(Worker& worker) { worker.is_running = false; }

  void send_registration(size_t id) {
    Worker& worker = workers_[id];
    worker.wants_registration = false;
    worker.is_registered = false;
    const int64_t registration = ++worker.registration;
    const int64_t sent_ns = now_ms_ * kNsPerMs;
    to_manager(id, [this, id, incarnation = worker.incarnation, registration, sent_ns] {
      // What it ran before is over.
      if (owner_ == static_cast<int>(id)) owner_ = -1;
      if (entries_[id].is_registered) watch_.remove(name(id, entries_[id].incarnation));
      entries_[id] = {true, incarnation};
      watch_.add(name(id, incarnation), now_ms_ * kNsPerMs);
      to_worker(id, [this, registration, sent_ns](Worker& to) {
        if (to.registration != registration && bug_ != Bug::kTakesOldRegistration) return;
        to.is_registered = true;
        to.lease.begin(bug_ == Bug::kLeaseCountsFromWelcome ? now_ms_ * kNsPerMs : sent_ns);
      });
    });
  }
  void beat(size_t id) {
    Worker& worker = workers_[id];
    worker.beat_due_ms = now_ms_ + kBeatMs;
    const int64_t sequence = worker.lease.sent(now_ms_ * kNsPerMs);
    to_manager(id, [this, id, incarnation = worker.incarnation, sequence] {
      const bool is_known = entries_[id].is_registered && entries_[id].incarnation == incarnation &&
                            watch_.beat(name(id, incarnation), now_ms_ * kNsPerMs);
      if (!is_known) return;
      to_worker(id, [this, sequence](Worker& to) {
        if (bug_ == Bug::kLeaseCountsFromAnswer) {
          to.lease.answered(to.lease.sent(now_ms_ * kNsPerMs));
        } else {
          to.lease.answered(sequence);
        }
      });
    });
  }

  // -- JobManager --

  void manage() {
    if (random_.one_in(8000)) {
      manager_frozen_until_ms_ = now_ms_ + random_.between(100, 1500);
      return;
    }
    for (const std::string& lost : watch_.overdue(now_ms_ * kNsPerMs)) {
      for (size_t id = 0; id < entries_.size(); ++id) {
        if (!entries_[id].is_registered || name(id, entries_[id].incarnation) != lost) continue;
        entries_[id].is_registered = false;
        if (owner_ == static_cast<int>(id)) owner_ = -1;
      }
    }
    if (owner_ < 0 && random_.one_in(5)) deploy(random_.below(workers_.size()));
  }
  void deploy(size_t id) {
    if (!entries_[id].is_registered) return;
    owner_ = static_cast<int>(id);
    ++attempts_;
    to_worker(id, [this](Worker& to) {
      if (!to.is_registered && bug_ != Bug::kObeysUnregistered) return;
      to.is_running = true;
    });
  }

  Random random_;
  const Bug bug_;
  HeartbeatWatch watch_;
  int64_t now_ms_ = 0;
  std::array<Worker, 3> workers_;
  std::array<Entry, 3> entries_;
  std::array<std::deque<Mail>, 6> queues_;
  int64_t manager_frozen_until_ms_ = 0;
  int owner_ = -1;
  int attempts_ = 0;
  uint64_t trace_ = 1;
};

constexpr uint64_t kSeeds = 200;

TEST_CASE("lease simulation: a task never runs in two places, and gets on after faults") {
  int attempts = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    LeaseWorld world(seed, Bug::kNone);
    REQUIRE(world.run());
    attempts += world.attempts();
  }
  // Faults landed, and the task was started again after them.
  CHECK(attempts > static_cast<int>(kSeeds) * 3);
}

TEST_CASE("lease simulation: the same seed makes the same run") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    LeaseWorld one(seed, Bug::kNone);
    LeaseWorld other(seed, Bug::kNone);
    CHECK(one.run() == other.run());
    CHECK(one.trace() == other.trace());
  }
}

TEST_CASE("lease simulation: planted bugs are found") {
  for (const Bug bug : {Bug::kKeepsLeaseWhenFrozen, Bug::kLeaseCountsFromAnswer,
                        Bug::kLeaseIsTooLong, Bug::kObeysUnregistered, Bug::kTakesOldRegistration,
                        Bug::kRegistersWhileRunning, Bug::kLeaseCountsFromWelcome}) {
    CAPTURE(static_cast<int>(bug));
    uint64_t found_at = 0;
    for (uint64_t seed = 1; seed <= kSeeds && found_at == 0; ++seed) {
      if (!LeaseWorld(seed, bug).run()) found_at = seed;
    }
    MESSAGE("bug ", static_cast<int>(bug), " found with seed ", found_at);
    CHECK(found_at > 0);
  }
}

}  // namespace
}  // namespace sluice
