// A real Kafka broker for one test program, started by tools/kafka on ports and data of its own.
//
// Started at the first use and stopped when the program ends. Where Kafka cannot be had, shared()
// is null and the test must say so: `SLUICE_NEEDS_KAFKA(broker);`. A broker that is there and does
// not start fails the test, and so does a missing one when SLUICE_REQUIRE_KAFKA is set.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "connectors/kafka/kafka_cluster.h"
#include "tests/support/scratch_directory.h"

namespace sluice {

class KafkaBroker {
 public:
  static KafkaBroker* shared();
  ~KafkaBroker();

  const std::string& bootstrap() const { return bootstrap_; }
  /// Listeners that want a login (SASL PLAIN, alice / alice-secret) and TLS; certificate() signs
  /// the latter.
  std::string sasl_bootstrap() const { return "127.0.0.1:" + std::to_string(port_ + 2); }
  std::string tls_bootstrap() const { return "127.0.0.1:" + std::to_string(port_ + 3); }
  std::string certificate() const { return directory_ / "certificate.pem"; }
  /// Stops the broker (gracefully, or with SIGKILL) and starts it on the same data and port.
  void restart(bool kill = false);
  void start();
  void stop(bool kill = false);
  /// SIGSTOP and SIGCONT.
  void freeze();
  void thaw();

  /// A topic no other test uses; it exists when this returns.
  std::string new_topic(const std::string& stem, int32_t partitions);
  KafkaCluster& cluster();
  /// One of Kafka's own tools; its stdout. `status` (may be null) gets the exit status.
  std::string tool(const std::string& arguments, int* status = nullptr);

  /// Why shared() is null.
  static const std::string& why_not();
  /// Whether that is no failure.
  static bool may_skip();

 private:
  KafkaBroker() = default;
  bool try_start(std::string& why);
  /// Options of tools/kafka for the listeners.
  std::string listeners() const;
  int pid() const;

  static bool had;
  ScratchDirectory directory_;
  int port_ = 0;
  std::string bootstrap_;
  std::unique_ptr<KafkaCluster> cluster_;
  int topics_ = 0;
};

/// Runs a shell command; its stdout, and its exit status when `status` is not null.
std::string run_command(const std::string& command, int* status = nullptr);

}  // namespace sluice

#define SLUICE_NEEDS_KAFKA(broker)                                                    \
  ::sluice::KafkaBroker* broker = ::sluice::KafkaBroker::shared();                    \
  if ((broker) == nullptr) {                                                          \
    std::printf("skipped: no Kafka: %s\n", ::sluice::KafkaBroker::why_not().c_str()); \
    CHECK(::sluice::KafkaBroker::may_skip());                                         \
    return;                                                                           \
  }
