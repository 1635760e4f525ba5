// Numbers on the messages between JobManager and TaskManager, so that one which the network made
// vanish is missed.
//
// CAF's own header has no checksum: with one bit of an address turned over a message is dropped
// without a word. So each side numbers what it sends under one registration of the TaskManager
// (ControlOutbox), and the other one takes the numbers in order (ControlInbox). What follows a
// missing one may depend on it (splits, then the barrier behind them), so from then on nothing of
// that registration is taken any more; only another registration, which starts both sides anew,
// helps. Nothing follows the last message of all, so heartbeats tell how many there were.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

namespace sluice {

struct ControlStamp {
  /// Number of the registration; 0: not counted, because its sender comes again when nobody
  /// answers.
  int64_t registration = 0;
  /// From 1 on. Of a heartbeat: how many were sent before it.
  uint64_t number = 0;
};

/// The sending side. Any thread.
class ControlOutbox {
 public:
  explicit ControlOutbox(int64_t registration) : registration_(registration) {}

  /// Stamps the message and lets `send` hand it to the network while no other one can, so that
  /// numbers leave in order; `send` must not block.
  template <class Message, class Send>
  void post(Message message, Send&& send) {
    const std::lock_guard lock(mutex_);
    message.stamp = {registration_, ++sent_};
    seal(message);
    send(std::move(message));
  }
  /// What whoever got everything handed out before this call has got.
  ControlStamp sent() const {
    const std::lock_guard lock(mutex_);
    return {registration_, sent_};
  }

 private:
  const int64_t registration_;
  mutable std::mutex mutex_;
  uint64_t sent_ = 0;
};

/// The receiving side. One thread at a time.
class ControlInbox {
 public:
  enum class Verdict {
    kInOrder,   // To be obeyed.
    kRepeated,  // Known already.
    kForeign,   // Of another registration.
    kMissed,    // One before it is missing, as has just become known.
    kBroken,    // The same, known before.
  };

  /// Another registration counts from now on.
  void begin(int64_t registration) { *this = ControlInbox(registration); }
  /// None does.
  void end() { begin(0); }

  /// A message has come.
  Verdict arrived(const ControlStamp& stamp);
  /// The other side has told what it had sent. More may have come since.
  Verdict told(const ControlStamp& sent);
  /// "of 18 messages only the first 16 arrived in order"; after kMissed.
  std::string text() const;

  ControlInbox() = default;

 private:
  explicit ControlInbox(int64_t registration) : registration_(registration) {}
  Verdict miss(uint64_t sent);

  int64_t registration_ = 0;
  uint64_t arrived_ = 0;
  uint64_t missed_of_ = 0;  // How many had been sent when one was missed; 0: none was.
};

}  // namespace sluice
