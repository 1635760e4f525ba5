#include "actors/node_system.h"

#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <caf/io/middleman.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/openssl/publish.hpp>
#include <caf/openssl/remote_actor.hpp>

namespace sluice {
namespace {

/// Closed when it goes.
class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

Status probe_failure(const std::string& what, int error) {
  const std::string text = what + ": " + std::strerror(error);
  return error == ECONNREFUSED ? Status::not_found(text) : Status::unavailable(text);
}

Status probe_one(const addrinfo& address, const std::string& what, int timeout_ms) {
  const Socket socket(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return Status::from_errno(errno, "socket");
  if (connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return Status::ok();
  if (errno != EINPROGRESS) return probe_failure(what, errno);
  pollfd waiting{socket.get(), POLLOUT, 0};
  const int ready = poll(&waiting, 1, timeout_ms);
  if (ready == 0) return Status::unavailable(what + ": no answer");
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return probe_failure(what, error);
  return Status::ok();
}

}  // namespace

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Status check_node_settings(const NodeSettings& settings) {
  const bool whole = !settings.certificate.empty() && !settings.key.empty() && !settings.ca.empty();
  if (settings.has_tls() && !whole) {
    return Status::invalid_argument(
        "TLS needs all three of --tls-cert, --tls-key and --tls-ca: without a CA nobody is "
        "checked");
  }
  for (const std::string& file : {settings.certificate, settings.key, settings.ca}) {
    if (!file.empty() && access(file.c_str(), R_OK) != 0) {
      return Status::from_errno(errno, file);
    }
  }
  if (!is_loopback(settings.bind_host) && !whole && !settings.insecure) {
    return Status::invalid_argument(
        "--bind " + settings.bind_host +
        " can be reached by others: give --tls-cert, --tls-key and --tls-ca, or --insecure to "
        "let everybody in");
  }
  return Status::ok();
}

Status probe_address(const std::string& host, int port, Duration timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string what = host + ":" + std::to_string(port);
  const int failed = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) return Status::unavailable(what + ": " + gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  Status status = Status::unavailable(what + ": no address");
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    status = probe_one(*address, what, static_cast<int>(timeout.count()));
    if (status.is_ok()) return status;
  }
  return status;
}

class NodeSystem::Impl {
 public:
  explicit Impl(const NodeSettings& settings)
      : settings_(settings), config_(settings), actors_(config_) {
    // Nobody may start actors here or read the configuration from outside.
    actors_.registry().erase(caf::atom("SpawnServ"));
    actors_.registry().erase(caf::atom("ConfigServ"));
  }

  caf::actor_system& actors() { return actors_; }

  std::shared_ptr<const ActorDirectory> directory() const { return config_.directory; }

  Result<int> publish(const ActorHandle& gate) {
    const auto port = static_cast<uint16_t>(settings_.port);
    const char* host = settings_.bind_host.c_str();
    const auto bound = settings_.has_tls() ? caf::openssl::publish(gate, port, host, true)
                                           : actors_.middleman().publish(gate, port, host, true);
    if (!bound) {
      return Status::unavailable("cannot listen on " + settings_.bind_host + ":" +
                                 std::to_string(port) + ": " + actors_.render(bound.error()));
    }
    return static_cast<int>(*bound);
  }

  Dialled dial(const Endpoint& endpoint) {
    Dialled dialled;
    dialled.endpoint = endpoint;
    dialled.status = probe_address(endpoint.host, endpoint.port, kDialTimeout);
    if (!dialled.status.is_ok()) return dialled;
    const auto port = static_cast<uint16_t>(endpoint.port);
    const auto gate = settings_.has_tls() ? caf::openssl::remote_actor(actors_, endpoint.host, port)
                                          : actors_.middleman().remote_actor(endpoint.host, port);
    if (gate) {
      dialled.gate = *gate;
    } else {
      dialled.status = Status::unavailable(endpoint.node() + ": " + actors_.render(gate.error()));
    }
    return dialled;
  }

 private:
  struct Config : ActorSystemConfig {
    explicit Config(const NodeSettings& settings) {
      directory = std::make_shared<ActorDirectory>(system_clock());
      configure_task_scheduler(*this, settings.scheduler_threads);
      load<caf::io::middleman>();
      if (settings.has_tls()) load<caf::openssl::manager>();
      register_wire_types(*this);
      // A backstop only: our own heartbeats decide. The interval also ends a handshake that hangs.
      set("middleman.heartbeat-interval", caf::timespan(std::chrono::seconds(2)));
      set("middleman.connection-timeout", caf::timespan(std::chrono::seconds(20)));
      // The network's thread decodes by itself: of a frame that is a copy of its bytes. Handing it
      // to a worker would cost one more copy and a place behind the tasks.
      set("middleman.workers", size_t{0});
      set("middleman.enable-automatic-connections", false);
      set("middleman.app-identifiers", std::vector<std::string>{"sluice/" + settings.cluster});
      openssl_certificate = settings.certificate;
      openssl_key = settings.key;
      openssl_cafile = settings.ca;
    }
  };
  const NodeSettings settings_;
  Config config_;
  caf::actor_system actors_;
};

NodeSystem::NodeSystem(const NodeSettings& settings) : impl_(std::make_unique<Impl>(settings)) {}
NodeSystem::~NodeSystem() = default;

std::shared_ptr<const ActorDirectory> NodeSystem::directory() const { return impl_->directory(); }
caf::actor_system& NodeSystem::actors() { return impl_->actors(); }
caf::execution_unit* NodeSystem::network_thread() { return &impl_->actors().middleman().backend(); }
Result<int> NodeSystem::publish(const ActorHandle& gate) { return impl_->publish(gate); }

void NodeSystem::probe(Endpoint endpoint, ActorHandle to) {
  std::thread([endpoint = std::move(endpoint), to = std::move(to)] {
    send_from_outside(to, Probed{probe_address(endpoint.host, endpoint.port, kDialTimeout)});
  }).detach();
}

void NodeSystem::dial(Endpoint endpoint, ActorHandle to) {
  // CAF connects one at a time and waits as long as the system does, hence the probe before.
  std::thread([this, endpoint = std::move(endpoint), to = std::move(to)] {
    send_from_outside(to, impl_->dial(endpoint));
  }).detach();
}

}  // namespace sluice
