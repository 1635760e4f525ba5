// The only header through which this project sees CAF; here are the parts that later versions
// renamed.
//
// CAF 0.18 and 1.0 changed atoms, inspect(), scheduled messages and handler setters. Actors of this
// folder use the names below, so a newer CAF is a change of this file. Include it in .cc files and
// in headers that no other folder includes: it costs seconds per translation unit.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include "actors/actor_directory.h"
#include "core/time.h"

/// A message that never leaves its process: moved by pointer, never encoded. At global scope.
#define SLUICE_LOCAL_MESSAGE(Type) CAF_ALLOW_UNSAFE_MESSAGE_TYPE(Type)

namespace sluice {

using ActorHandle = caf::actor;
using ActorConfig = caf::actor_config;
using Behavior = caf::behavior;
using DownMessage = caf::down_msg;

/// Configuration of an actor system whose actors can be inspected.
struct ActorSystemConfig : caf::actor_system_config {
  std::shared_ptr<ActorDirectory> directory;  // Null: nobody looks.
};

/// Base of every actor: publishes its numbers in the system's directory whenever it gets a thread.
class ActorBase : public caf::event_based_actor {
 public:
  explicit ActorBase(ActorConfig& config) : caf::event_based_actor(config) {
    const auto* settings = dynamic_cast<const ActorSystemConfig*>(&home_system().config());
    if (settings == nullptr || !settings->directory) return;
    directory_ = settings->directory;
    gauge_ = directory_->add(static_cast<int64_t>(id()));
  }

  resume_result resume(caf::execution_unit* unit, size_t messages_max) override {
    if (!gauge_) return caf::event_based_actor::resume(unit, messages_max);
    // Who ends in this turn leaves gauge_ behind.
    const std::shared_ptr<ActorGauge> gauge = gauge_;
    const int64_t waiting = static_cast<int64_t>(mailbox().size());
    gauge->mailbox.store(waiting, std::memory_order_relaxed);
    gauge->turns.fetch_add(1, std::memory_order_relaxed);
    gauge->active_ns.store(directory_->steady_ns(), std::memory_order_relaxed);
    gauge->running.store(true, std::memory_order_relaxed);
    const resume_result result = caf::event_based_actor::resume(unit, messages_max);
    gauge->running.store(false, std::memory_order_relaxed);
    if (result == awaiting_message) {
      // Unless its next turn on another thread has come already.
      int64_t published = waiting;
      gauge->mailbox.compare_exchange_strong(published, 0, std::memory_order_relaxed);
    }
    return result;
  }

 protected:
  /// What inspection shows: the job it belongs to (empty: the process) and its name.
  void describe(std::string job, std::string label) {
    if (gauge_) directory_->describe(*gauge_, name(), std::move(job), std::move(label));
  }
  /// Null when nobody looks.
  std::shared_ptr<const ActorGauge> gauge() const { return gauge_; }

 private:
  std::shared_ptr<ActorDirectory> directory_;
  std::shared_ptr<ActorGauge> gauge_;
};

/// Text of the exception in flight.
inline std::string exception_text(const std::exception_ptr& pointer) {
  try {
    std::rethrow_exception(pointer);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

/// Whatever a handler throws ends in `report`; the actor then ends, since its state is unknown.
inline void guard_handlers(ActorBase* self, std::function<void(const std::string&)> report) {
  self->set_exception_handler([report = std::move(report)](std::exception_ptr& pointer) {
    report(exception_text(pointer));
    return caf::make_error(caf::exit_reason::unhandled_exception);
  });
}

/// Calls `handler` with the address of a monitored actor that has ended.
inline void on_actor_down(ActorBase* self, std::function<void(const caf::actor_addr&)> handler) {
  self->set_down_handler(
      [handler = std::move(handler)](DownMessage& down) { handler(down.source); });
}

/// Unknown messages are our mistake; CAF would print and forget them.
inline void refuse_unknown_messages(ActorBase* self,
                                    std::function<void(const std::string&)> report) {
  self->set_default_handler(
      [report = std::move(report)](caf::scheduled_actor*,
                                   const caf::message_view& content) -> caf::result<caf::message> {
        report("unknown message " + caf::to_string(content.content()));
        return caf::sec::unexpected_message;
      });
}

/// Posts `message` to the actor itself after `delay` on the system's clock (virtual in tests).
template <class Message>
void send_later(ActorBase* self, Duration delay, Message&& message) {
  self->delayed_send(self, delay, std::forward<Message>(message));
}

/// Messages from threads that are no actors.
template <class Message>
void send_from_outside(const ActorHandle& to, Message&& message) {
  caf::anon_send(to, std::forward<Message>(message));
}

/// Settings of an actor system that runs tasks: measured in docs/decisions.
inline void configure_task_scheduler(caf::actor_system_config& config, size_t threads) {
  config.set("scheduler.max-threads", threads);
  // Counts messages: one Run step of 50 us each, so control mail waits half a millisecond.
  config.set("scheduler.max-throughput", size_t{10});
  config.set("work-stealing.moderate-poll-attempts", size_t{0});
  // Idle workers look for work to steal this often; it bounds the wait of a task behind a busy one.
  config.set("work-stealing.relaxed-sleep-duration", caf::timespan(std::chrono::milliseconds(1)));
  config.set("logger.verbosity", caf::atom("quiet"));
}

}  // namespace sluice
