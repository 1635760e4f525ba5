#include "operators/commit_thread.h"

#include <exception>
#include <string>
#include <utility>

#include "core/fail_point.h"

namespace sluice {

Status commit_status(CommitOutcome outcome, const std::string& error) {
  switch (outcome) {
    case CommitOutcome::kCommitted:
    case CommitOutcome::kAlreadyCommitted:
      return Status::ok();
    case CommitOutcome::kRetry:
      return Status::unavailable("commit must be tried again: " + error);
    case CommitOutcome::kFailedKnown:
      return Status::io_error("commit failed: " + error);
    case CommitOutcome::kFailedUnknown:
      return Status::unavailable("the outcome of a commit is unknown: " + error);
  }
  return Status::internal("unknown commit outcome");
}

Status commit_one(Committer& committer, const Committable& committable) {
  try {
    std::string error;
    const CommitOutcome outcome = committer.commit(committable, error);
    return commit_status(outcome, error);
  } catch (const std::exception& thrown) {
    return Status::user_function(std::string("commit failed: ") + thrown.what());
  } catch (...) {
    return Status::user_function("commit failed: an exception that is no std::exception");
  }
}

CommitThread::CommitThread(Committer& committer, std::function<void()> wake)
    : committer_(committer), wake_(std::move(wake)), thread_([this] { run(); }) {}

CommitThread::~CommitThread() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CommitThread::add(std::shared_ptr<const Committable> committable) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(committable));
  }
  changed_.notify_all();
}

size_t CommitThread::take_committed() {
  const std::lock_guard lock(mutex_);
  return std::exchange(committed_, 0);
}

Status CommitThread::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void CommitThread::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return waiting_.empty() || !status_.is_ok(); });
}

void CommitThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closing_ || (!waiting_.empty() && status_.is_ok()); });
    if (closing_) return;
    std::shared_ptr<const Committable> next = waiting_.front();
    lock.unlock();
    const Status status = commit_one(committer_, *next);
    if (status.is_ok()) fail_point("commit_half_done");
    // Whoever hears that it is committed may use its memory again.
    next.reset();
    lock.lock();
    if (status.is_ok()) {
      waiting_.pop_front();
      ++committed_;
    } else {
      status_ = status;
    }
    changed_.notify_all();
    lock.unlock();
    wake_();
    lock.lock();
  }
}

}  // namespace sluice
