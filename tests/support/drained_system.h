// An actor system on CAF's test scheduler for tests of single actors: messages are handled when
// drain() is called, all of them, one after another on the caller's thread.
#pragma once

#include <functional>
#include <utility>

#include <caf/scheduler/test_coordinator.hpp>

#include "actors/caf_compat.h"

namespace sluice {

class DrainedSystem {
 public:
  DrainedSystem() : system_(config_) {}
  DrainedSystem(const DrainedSystem&) = delete;
  DrainedSystem& operator=(const DrainedSystem&) = delete;

  caf::actor_system& operator*() { return system_; }
  caf::actor_system* operator->() { return &system_; }
  void drain() {
    auto& scheduler = dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
    while (scheduler.try_run_once()) {
    }
  }
  /// Each actor must have been ended before the system goes.
  void end(const ActorHandle& actor) {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    drain();
  }

 private:
  struct Config : caf::actor_system_config {
    Config() { set("scheduler.policy", caf::atom("testing")); }
  };
  Config config_;
  caf::actor_system system_;
};

/// Handles what a test wants to see. Other messages stay in its mailbox: when one is dropped, CAF
/// answers with an error that ends its sender.
class Probe final : public ActorBase {
 public:
  Probe(ActorConfig& config, std::function<Behavior()> make)
      : ActorBase(config), make_(std::move(make)) {
    set_default_handler(caf::skip);
  }
  Behavior make_behavior() override { return make_(); }
  const char* name() const override { return "probe"; }

 private:
  const std::function<Behavior()> make_;
};

}  // namespace sluice
