// AsyncResult<U>: where an asynchronous function puts what it found.
//
//   orders.async_map([client](const Order& order, AsyncResult<Customer> result) {
//     client->lookup(order.customer.str(), [result](Customer c) { result.complete(c); });
//   }, {.capacity = 200, .timeout = 5s});
//
// A handle that may be copied and completed from any thread, once; later calls do nothing, and so
// do calls after the operator has given up or ended. When the last copy goes without a result the
// operation counts as failed, so nothing hangs. Texts of the values are copied by complete().
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/record.h"

namespace sluice {

/// What became of one attempt of one operation.
template <class U>
struct AsyncCompletion {
  void* entry = nullptr;
  uint64_t id = 0;
  int attempt = 0;
  std::vector<U> values;
  TextArenaRef texts;  // Of the values.
  std::optional<std::string> error;
};

/// Brings completions to the operator's thread. Shared by the operator and all handles.
template <class U>
class AsyncMailbox {
 public:
  explicit AsyncMailbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// Any thread.
  void post(AsyncCompletion<U> completion) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    items_.push_back(std::move(completion));
    filled_.store(true, std::memory_order_release);
    // Under the lock, so that it is never called after close().
    wake_();
  }
  bool is_empty() const { return !filled_.load(std::memory_order_acquire); }
  std::vector<AsyncCompletion<U>> take() {
    const std::lock_guard lock(mutex_);
    filled_.store(false, std::memory_order_relaxed);
    return std::exchange(items_, {});
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    items_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<AsyncCompletion<U>> items_;
  std::atomic<bool> filled_{false};
  std::function<void()> wake_;
  bool closed_ = false;
};

template <class U>
class AsyncResult {
 public:
  /// One result.
  void complete(const U& value) const { complete_all(std::vector<U>(1, value)); }
  /// Any number of results, also none.
  void complete_all(std::vector<U> values) const {
    AsyncCompletion<U> completion;
    completion.values = std::move(values);
    if constexpr (kContainsText<U>) {
      completion.texts = TextArenaRef(new TextArena());
      for (U& value : completion.values) move_texts_to(value, *completion.texts);
    }
    call_->finish(std::move(completion));
  }
  /// The attempt failed: it is tried again as the retry strategy says, or ends the job.
  void fail(std::string reason) const {
    AsyncCompletion<U> completion;
    completion.error = std::move(reason);
    call_->finish(std::move(completion));
  }
  /// The same for an exception that was caught: `result.fail(std::current_exception())`.
  void fail(const std::exception_ptr& error) const {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& thrown) {
      fail(std::string(thrown.what()));
    } catch (...) {
      fail(std::string("an exception that is no std::exception"));
    }
  }

  // -- for the operator --
  AsyncResult(std::shared_ptr<AsyncMailbox<U>> mailbox, void* entry, uint64_t id, int attempt)
      : call_(std::make_shared<Call>(std::move(mailbox), entry, id, attempt)) {}

 private:
  struct Call {
    Call(std::shared_ptr<AsyncMailbox<U>> to, void* of_entry, uint64_t of_id, int of_attempt)
        : mailbox(std::move(to)), entry(of_entry), id(of_id), attempt(of_attempt) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
      AsyncCompletion<U> dropped;
      dropped.error = "the asynchronous function dropped its AsyncResult without completing it";
      finish(std::move(dropped));
    }
    void finish(AsyncCompletion<U> completion) {
      if (finished.exchange(true)) return;
      completion.entry = entry;
      completion.id = id;
      completion.attempt = attempt;
      mailbox->post(std::move(completion));
    }
    std::shared_ptr<AsyncMailbox<U>> mailbox;
    void* entry;
    uint64_t id;
    int attempt;
    std::atomic<bool> finished{false};
  };
  std::shared_ptr<Call> call_;
};

}  // namespace sluice
