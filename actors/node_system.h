// The actor system of a process that talks to others: CAF's middleman with our rules.
//
// Listeners bind the loopback interface unless certificates make both ends prove who they are, or
// the user insists. CAF's remote spawning and configuration services are removed. Dialling never
// blocks an actor: a thread of its own first connects a plain socket with a deadline, so that a
// host that swallows packets costs only this dial, and then lets CAF connect.
#pragma once

#include <memory>
#include <string>

#include "actors/caf_compat.h"
#include "actors/cluster_messages.h"
#include "core/clock.h"

namespace sluice {

struct NodeSettings {
  std::string bind_host = "127.0.0.1";
  int port = 0;
  size_t scheduler_threads = 1;
  std::string cluster = "default";
  std::string certificate;
  std::string key;
  std::string ca;
  /// Listen beyond the loopback interface without certificates.
  bool insecure = false;

  bool has_tls() const { return !certificate.empty() || !key.empty() || !ca.empty(); }
};

/// Whether a process may listen like this; says what is missing.
Status check_node_settings(const NodeSettings& settings);
bool is_loopback(const std::string& host);

class NodeSystem {
 public:
  static constexpr Duration kDialTimeout{3000};

  explicit NodeSystem(const NodeSettings& settings);
  ~NodeSystem();
  NodeSystem(const NodeSystem&) = delete;
  NodeSystem& operator=(const NodeSystem&) = delete;

  caf::actor_system& actors();
  /// The thread that reads and writes the connections, for actors that shall run there.
  caf::execution_unit* network_thread();
  std::shared_ptr<const ActorDirectory> directory() const;
  /// Makes `gate` what others reach at this process's port; the port.
  Result<int> publish(const ActorHandle& gate);
  /// Connects in the background; `to` gets Dialled.
  void dial(Endpoint endpoint, ActorHandle to);
  /// Finds out in the background whether somebody listens there; `to` gets Probed.
  void probe(Endpoint endpoint, ActorHandle to);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// A TCP connection to the address could be made within the time; it is closed again. kNotFound:
/// the host says that nobody listens there.
Status probe_address(const std::string& host, int port, Duration timeout);

}  // namespace sluice
