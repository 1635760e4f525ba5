// What other TaskManagers reach of this one: connections to them, and the channels on these.
//
// Of two processes the one with the smaller incarnation dials, the other waits for its Hello, so
// two connections never race. Only when the latter has seen the connection end it dials itself, and
// at once: the former may take it for alive, and would not dial before CAF gave it up. Frames are
// passed on to their task by token; a token that is not known belongs to an attempt that is over:
// dropped and counted. When a connection is lost, or a message on it, the tasks whose channels used
// it are told, nobody else.
//
// It runs on the network's thread: what arrives goes to its task without waking a thread in
// between. So no handler may wait or compute.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "actors/cluster_messages.h"
#include "actors/node_system.h"

namespace sluice {

class PeerHubActor final : public ActorBase {
 public:
  static constexpr Duration kConnectTimeout{10'000};
  /// Bytes taken from a connection are reported in steps of this size.
  static constexpr uint64_t kTakenStep = 1024 * 1024;
  /// So often each side tells how many messages it has sent.
  static constexpr Duration kTellSentInterval{1000};

  struct Settings {
    /// Connects in the background; the second one gets Dialled.
    std::function<void(const Endpoint&, const ActorHandle&)> dial;
    std::string cluster;
    std::string incarnation;
    /// Where it runs; null: on the threads of the others.
    caf::execution_unit* network = nullptr;
  };
  PeerHubActor(ActorConfig& config, Settings settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "peer_hub"; }

  // How an actor says on which thread it runs.
  subtype_t subtype() const override;
  using ActorBase::enqueue;
  void enqueue(caf::mailbox_element_ptr mail, caf::execution_unit* unit) override;
  void launch(caf::execution_unit* unit, bool lazy, bool hide) override;

 private:
  struct Peer {
    Endpoint endpoint;
    ActorHandle hub;
    std::shared_ptr<PeerLink> link;
    std::set<ActorHandle> attempts;  // That were given the link.
    int64_t told_connection = 0;     // Of the Hello that it came with; 0: this side dialled.
    int64_t own_connection = 0;      // Of the Hello that this side sent; 0: the other one dialled.
    bool is_heard = false;           // Something has come from there.
    uint64_t taken_bytes = 0;
    uint64_t arrived = 0;  // Messages of its link.
  };
  struct Waiting {
    ConnectPeers wanted;
    ActorHandle reply_to;
  };
  struct Dial {
    Endpoint to;
    int64_t number = 0;
  };
  /// A channel with one end here.
  struct Channel {
    AttemptKey key;
    ActorHandle task;
    int channel = 0;
    std::shared_ptr<PeerLink> link;
    std::shared_ptr<RemoteInput> input;  // Null: this is the sending end.
    bool ended = false;
  };

  void connect(const ConnectPeers& wanted);
  void dial(const Endpoint& peer);
  void await(const Endpoint& peer);
  void dialled(const Dialled& result);
  void hello_arrived(const Wire<proto::Hello>& wire);
  void say_hello(const Peer& peer);
  Peer& add_peer(const Endpoint& endpoint, const ActorHandle& hub);
  void answer_waiting();
  void fail_waiting(const std::string& incarnation, const Status& status);
  void open_channels(const Wire<proto::OpenChannels>& wire);
  void credit_arrived(const CreditFrame& credit);
  void drop(bool is_damaged);
  void tell_sent();
  void compare(const SentSoFar& sent);
  void fail_channels(const std::shared_ptr<PeerLink>& link, const Status& status);
  void frame_arrived(DataFrame& frame);
  void output_opened(OutputOpened& opened);
  void attempt_gone(const AttemptKey& key);
  void peer_down(const caf::actor_addr& address);
  /// The connection is no more.
  void lose(Peer& peer);
  /// The tasks with channels over the connection, and those that wait for one which the other side
  /// was to open.
  void fail_tasks(const Peer& peer, const Status& status);
  Peer* sender_peer();
  /// The same, for a message that the other side has counted.
  Peer* arrival();
  Fence fence() const { return {settings_.cluster, settings_.incarnation, 0, 0, 0}; }

  const Settings settings_;
  Endpoint own_;
  std::map<std::string, Peer> peers_;     // By incarnation.
  std::map<std::string, Dial> dialling_;  // Or waiting for its Hello.
  int64_t dials_ = 0;
  int64_t connections_ = 0;  // That this side dialled.
  std::vector<Waiting> waiting_;
  std::map<uint64_t, Channel> channels_;  // By token.
  std::map<AttemptKey, std::map<TaskId, ActorHandle>> tasks_;
  int64_t dropped_frames_ = 0;
};

/// To the hub: where this process listens.
struct OwnEndpoint {
  Endpoint endpoint;
};
struct TellSent {};

}  // namespace sluice

SLUICE_LOCAL_MESSAGE(sluice::OwnEndpoint)
SLUICE_LOCAL_MESSAGE(sluice::TellSent)
