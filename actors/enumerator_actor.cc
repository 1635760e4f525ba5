#include "actors/enumerator_actor.h"

#include <utility>

namespace sluice {
namespace {

/// An enumerator is a connector's code: its exceptions end here.
Status enumerator_call(const std::function<Status()>& call) {
  try {
    return call();
  } catch (...) {
    return Status::internal(exception_text(std::current_exception()));
  }
}

}  // namespace

EnumeratorActor::EnumeratorActor(ActorConfig& config, std::shared_ptr<Settings> settings)
    : ActorBase(config),
      settings_(std::move(settings)),
      enumerator_(std::move(settings_->enumerator)) {}

Behavior EnumeratorActor::make_behavior() {
  describe(settings_->job, settings_->name);
  guard_handlers(this, [this](const std::string& text) { fail(Status::internal(text)); });
  on_actor_down(this, [this](const caf::actor_addr&) { quit(); });
  monitor(settings_->master);
  refuse_unknown_messages(this, [this](const std::string& text) { fail(Status::internal(text)); });
  return {
      [this](OpenEnumerator) {
        settings_->io->run([enumerator = enumerator_, parallelism = settings_->parallelism,
                            restore = settings_->restore,
                            self = caf::actor_cast<ActorHandle>(this)] {
          const Status status = enumerator_call([&]() -> Status {
            if (restore) SLUICE_RETURN_IF_ERROR(enumerator->restore(*restore));
            return enumerator->open(parallelism);
          });
          send_from_outside(self, EnumeratorOpened{NodeId{}, status});
        });
      },
      [this](const EnumeratorOpened& opened) {
        opened_ = opened.status.is_ok();
        send(settings_->master, EnumeratorOpened{settings_->node, opened.status});
        if (!opened_) return;
        busy_ = false;
        if (const auto interval = enumerator_->discovery_interval()) {
          send_later(this, *interval, DiscoverSplits{});
        }
        serve_waiting();
      },
      [this](RequestSplit& request) {
        // A subtask asks again after an empty answer; one place in the queue is enough.
        for (const auto& earlier : waiting_) {
          if (earlier.subtask == request.subtask && earlier.task == request.task) return;
        }
        waiting_.push_back(std::move(request));
        serve_waiting();
      },
      [this](const SnapshotEnumerator& snapshot) {
        coordinator_ = caf::actor_cast<ActorHandle>(current_sender());
        wanted_snapshot_ = snapshot;
        take_snapshot();
      },
      [this](const ReleaseEnumerator& release) {
        held_for_.erase(held_for_.begin(), held_for_.upper_bound(release.id));
        if (wanted_snapshot_ && wanted_snapshot_->id <= release.id) wanted_snapshot_.reset();
        serve_waiting();
      },
      [this](DiscoverSplits) { discover(); },
      [this](const SplitsDiscovered& discovered) {
        busy_ = false;
        if (!discovered.status.is_ok()) {
          fail(discovered.status);
          return;
        }
        if (const auto interval = enumerator_->discovery_interval()) {
          send_later(this, *interval, DiscoverSplits{});
        }
        take_snapshot();
        serve_waiting();
      },
      [this](CloseEnumerator) { quit(); },
  };
}

void EnumeratorActor::on_exit() {
  waiting_.clear();
  coordinator_ = nullptr;
  enumerator_.reset();
  settings_->master = nullptr;
}

void EnumeratorActor::discover() {
  if (busy_) return;
  busy_ = true;
  settings_->io->run([enumerator = enumerator_, self = caf::actor_cast<ActorHandle>(this)] {
    send_from_outside(self,
                      SplitsDiscovered{enumerator_call([&] { return enumerator->discover(); })});
  });
}

void EnumeratorActor::take_snapshot() {
  if (busy_ || !opened_ || !wanted_snapshot_) return;
  EnumeratorSnapshotted snapshotted;
  snapshotted.id = wanted_snapshot_->id;
  snapshotted.node = settings_->node;
  snapshotted.status = enumerator_call([&] {
    snapshotted.state = enumerator_->snapshot();
    return Status::ok();
  });
  held_for_.insert(wanted_snapshot_->id);
  wanted_snapshot_.reset();
  send(coordinator_, std::move(snapshotted));
}

void EnumeratorActor::serve_waiting() {
  if (busy_ || !opened_ || !held_for_.empty()) return;
  std::deque<RequestSplit> unserved;
  while (!waiting_.empty()) {
    RequestSplit request = std::move(waiting_.front());
    waiting_.pop_front();
    SplitEnumerator::Assignment assignment = enumerator_->next(request.subtask);
    const bool nothing = assignment.splits.empty() && !assignment.no_more;
    if (!nothing || !request.told_none) {
      send(request.task, AddSplits{std::move(assignment.splits), assignment.no_more});
    }
    // It has been told that there is nothing at present, once, and is served when there is.
    if (nothing) {
      request.told_none = true;
      unserved.push_back(std::move(request));
    }
  }
  waiting_ = std::move(unserved);
}

void EnumeratorActor::fail(const Status& status) {
  send(settings_->master,
       EnumeratorFailed{settings_->node, status.with_prefix("source " + settings_->name + ": ")});
  quit();
}

}  // namespace sluice
