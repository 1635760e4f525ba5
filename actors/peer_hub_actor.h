// What other TaskManagers reach of this one: connections to them, and the channels on these.
//
// Of two processes the one with the smaller incarnation dials, the other waits for its Hello, so
// two connections never race. Frames are passed on to their task by token; a token that is not
// known belongs to an attempt that is over: dropped and counted. When a connection is lost, or a
// message on it, the tasks whose channels used it are told, nobody else.
#pragma once

#include <map>
#include <memory>
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
    NodeSystem* node = nullptr;
    std::string cluster;
    std::string incarnation;
  };
  PeerHubActor(ActorConfig& config, Settings settings);

  Behavior make_behavior() override;
  void on_exit() override;
  const char* name() const override { return "peer_hub"; }

 private:
  struct Peer {
    ActorHandle hub;
    std::shared_ptr<PeerLink> link;
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
  void dialled(const Dialled& result);
  void add_peer(const Endpoint& endpoint, const ActorHandle& hub);
  void answer_waiting();
  void fail_waiting(const std::string& incarnation, const Status& status);
  void open_channels(const Wire<proto::OpenChannels>& wire);
  void credit_arrived(const CreditFrame& credit);
  void drop(bool is_damaged);
  void tell_sent();
  void compare(const SentSoFar& sent);
  void fail_channels(const std::shared_ptr<PeerLink>& link, const Status& status);
  void frame_arrived(DataFrame& frame);
  void peer_down(const caf::actor_addr& address);
  Peer* sender_peer();
  /// The same, for a message that the other side has counted.
  Peer* arrival();
  Fence fence() const { return {settings_.cluster, settings_.incarnation, 0, 0, 0}; }

  Settings settings_;
  Endpoint own_;
  std::map<std::string, Peer> peers_;     // By incarnation.
  std::map<std::string, Dial> dialling_;  // Or waiting for its Hello.
  int64_t dials_ = 0;
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
