#include "actors/peer_hub_actor.h"

#include <algorithm>
#include <set>
#include <utility>

#include "actors/control_codec.h"
#include "core/version.h"

namespace sluice {
namespace {

Endpoint endpoint_of(const proto::Endpoint& from) {
  return {from.host(), from.port(), from.incarnation()};
}

}  // namespace

PeerHubActor::PeerHubActor(ActorConfig& config, Settings settings)
    : ActorBase(config), settings_(std::move(settings)) {}

Behavior PeerHubActor::make_behavior() {
  guard_handlers(this, [](const std::string&) {});
  on_actor_down(this, [this](const caf::actor_addr& address) { peer_down(address); });
  // What strangers send is not ours to fail for.
  refuse_unknown_messages(this, [](const std::string&) {});
  send_later(this, kTellSentInterval, TellSent{});
  return {
      [this](DataFrame& frame) { frame_arrived(frame); },
      [this](const CreditFrame& credit) { credit_arrived(credit); },
      [this](const FramesTaken& taken) {
        if (Peer* peer = arrival()) peer->link->taken(taken.bytes);
      },
      [this](const SentSoFar& sent) { compare(sent); },
      [this](TellSent) { tell_sent(); },
      [this](const Wire<proto::Hello>& wire) { hello_arrived(wire); },
      [this](const Wire<proto::OpenChannels>& wire) { open_channels(wire); },
      [this](OwnEndpoint& own) { own_ = std::move(own.endpoint); },
      [this](TasksPlaced& placed) {
        auto& tasks = tasks_[placed.key];
        for (auto& [id, task] : placed.tasks) tasks[id] = std::move(task);
      },
      [this](OutputOpened& opened) { output_opened(opened); },
      [this](const ConnectPeers& wanted) { connect(wanted); },
      [this](const Dialled& result) { dialled(result); },
      [this](const ConnectTimedOut& timeout) {
        const auto dialling = dialling_.find(timeout.incarnation);
        if (dialling == dialling_.end() || dialling->second.number != timeout.dial) return;
        fail_waiting(timeout.incarnation,
                     Status::unavailable("no connection within " + to_text(kConnectTimeout)));
      },
      [this](const AttemptGone& gone) { attempt_gone(gone.key); },
  };
}

void PeerHubActor::on_exit() {
  for (auto& [incarnation, peer] : peers_) peer.link->close();
  peers_.clear();
  channels_.clear();
  tasks_.clear();
  waiting_.clear();
}

// ---- on the network's thread --------------------------------------------------------------------

caf::resumable::subtype_t PeerHubActor::subtype() const {
  return settings_.network != nullptr ? io_actor : ActorBase::subtype();
}

void PeerHubActor::enqueue(caf::mailbox_element_ptr mail, caf::execution_unit* unit) {
  ActorBase::enqueue(std::move(mail), settings_.network != nullptr ? settings_.network : unit);
}

void PeerHubActor::launch(caf::execution_unit* unit, bool lazy, bool hide) {
  ActorBase::launch(settings_.network != nullptr ? settings_.network : unit, lazy, hide);
}

// ---- connections --------------------------------------------------------------------------------

void PeerHubActor::connect(const ConnectPeers& wanted) {
  waiting_.push_back({wanted, caf::actor_cast<ActorHandle>(current_sender())});
  for (const Endpoint& peer : wanted.peers) {
    if (peers_.count(peer.incarnation) > 0 || dialling_.count(peer.incarnation) > 0) continue;
    await(peer);
    if (settings_.incarnation < peer.incarnation) dial(peer);
  }
  answer_waiting();
}

void PeerHubActor::await(const Endpoint& peer) {
  dialling_[peer.incarnation] = {peer, ++dials_};
  send_later(this, kConnectTimeout, ConnectTimedOut{peer.incarnation, dials_});
}

void PeerHubActor::dial(const Endpoint& peer) {
  settings_.dial(peer, caf::actor_cast<ActorHandle>(this));
}

void PeerHubActor::dialled(const Dialled& result) {
  const std::string& incarnation = result.endpoint.incarnation;
  if (peers_.count(incarnation) > 0) return;
  if (!result.status.is_ok()) {
    fail_waiting(incarnation, result.status);
    return;
  }
  Peer& peer = add_peer(result.endpoint, result.gate);
  peer.own_connection = ++connections_;
  say_hello(peer);
  answer_waiting();
}

void PeerHubActor::say_hello(const Peer& peer) {
  proto::Hello hello;
  hello.mutable_from()->set_host(own_.host);
  hello.mutable_from()->set_port(own_.port);
  hello.mutable_from()->set_incarnation(settings_.incarnation);
  hello.set_sluice_version(kSluiceVersion);
  hello.set_connection(peer.own_connection);
  auto wire = wrap(fence(), hello);
  if (wire.is_ok()) send(peer.hub, std::move(*wire));
}

void PeerHubActor::hello_arrived(const Wire<proto::Hello>& wire) {
  const auto hello = unwrap(wire);
  const ActorHandle sender = caf::actor_cast<ActorHandle>(current_sender());
  if (!hello.is_ok() || !sender || wire.fence.cluster != settings_.cluster) return;
  const auto known = peers_.find(hello->from().incarnation());
  if (known != peers_.end() && known->second.told_connection == hello->connection()) return;
  add_peer(endpoint_of(hello->from()), sender).told_connection = hello->connection();
  answer_waiting();
}

PeerHubActor::Peer& PeerHubActor::add_peer(const Endpoint& endpoint, const ActorHandle& hub) {
  dialling_.erase(endpoint.incarnation);
  Peer& peer = peers_[endpoint.incarnation];
  // It comes again: the other side has seen the connection end, this one has not.
  if (peer.link) lose(peer);
  peer = {};
  peer.endpoint = endpoint;
  peer.hub = hub;
  monitor(hub);
  const ActorHandle self = caf::actor_cast<ActorHandle>(this);
  PeerLink::Transport transport;
  transport.frame = [self, hub](DataFrame frame) { caf::send_as(self, hub, std::move(frame)); };
  transport.credit = [self, hub](CreditFrame credit) { caf::send_as(self, hub, credit); };
  transport.open = [self, hub](Wire<proto::OpenChannels> channels) {
    caf::send_as(self, hub, std::move(channels));
  };
  transport.taken = [self, hub](FramesTaken taken) { caf::send_as(self, hub, taken); };
  transport.sent = [self, hub](SentSoFar sent) { caf::send_as(self, hub, sent); };
  peer.link = std::make_shared<PeerLink>(endpoint.node(), std::move(transport));
  return peer;
}

void PeerHubActor::answer_waiting() {
  std::erase_if(waiting_, [this](const Waiting& waiting) {
    const auto& wanted = waiting.wanted.peers;
    const bool all = std::all_of(wanted.begin(), wanted.end(), [this](const Endpoint& peer) {
      return peers_.count(peer.incarnation) > 0;
    });
    if (!all) return false;
    PeersConnected connected;
    connected.task = waiting.wanted.task;
    for (const Endpoint& wanted_peer : wanted) {
      Peer& peer = peers_[wanted_peer.incarnation];
      peer.attempts.insert(waiting.reply_to);
      connected.links.push_back(peer.link);
    }
    send(waiting.reply_to, std::move(connected));
    return true;
  });
}

void PeerHubActor::fail_waiting(const std::string& incarnation, const Status& status) {
  const auto dialling = dialling_.find(incarnation);
  if (dialling == dialling_.end()) return;
  const Status named = status.with_prefix("TaskManager " + dialling->second.to.node() + ": ");
  dialling_.erase(dialling);
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    const auto& wanted = waiting.wanted.peers;
    const bool concerned = std::any_of(wanted.begin(), wanted.end(), [&](const Endpoint& peer) {
      return peer.incarnation == incarnation;
    });
    if (concerned) send(waiting.reply_to, PeersConnected{waiting.wanted.task, named, {}});
    return concerned;
  });
}

void PeerHubActor::peer_down(const caf::actor_addr& address) {
  const auto lost = std::find_if(peers_.begin(), peers_.end(), [&](const auto& entry) {
    return entry.second.hub.address() == address;
  });
  if (lost == peers_.end()) return;
  Peer peer = std::move(lost->second);
  peers_.erase(lost);
  lose(peer);
  const std::string& incarnation = peer.endpoint.incarnation;
  if (settings_.incarnation < incarnation || dialling_.count(incarnation) > 0) return;
  await(peer.endpoint);
  dial(peer.endpoint);
}

void PeerHubActor::lose(Peer& peer) {
  peer.link->close();
  const Status status =
      Status::unavailable("the connection to TaskManager " + peer.link->node() + " was lost");
  fail_tasks(peer, status);
}

void PeerHubActor::fail_tasks(const Peer& peer, const Status& status) {
  fail_channels(peer.link, status);
  for (const ActorHandle& attempt : peer.attempts) {
    send(attempt, PeerLost{peer.endpoint.incarnation, status});
  }
}

/// The tasks with channels over this connection fail; the channels are gone.
void PeerHubActor::fail_channels(const std::shared_ptr<PeerLink>& link, const Status& status) {
  std::set<caf::actor_addr> told;
  std::erase_if(channels_, [&](const auto& entry) {
    const Channel& channel = entry.second;
    if (channel.link != link) return false;
    if (!channel.ended && told.insert(channel.task.address()).second) {
      send(channel.task, ChannelLost{status});
    }
    return true;
  });
}

void PeerHubActor::output_opened(OutputOpened& opened) {
  const bool is_lost = std::none_of(peers_.begin(), peers_.end(), [&](const auto& entry) {
    return entry.second.link == opened.link;
  });
  // It ended between being given to the attempt and being used.
  if (is_lost) {
    send(opened.task, ChannelLost{Status::unavailable("the connection to TaskManager " +
                                                      opened.link->node() + " was lost")});
    return;
  }
  channels_[opened.token] = {opened.key, std::move(opened.task), opened.channel,
                             std::move(opened.link), nullptr};
}

void PeerHubActor::attempt_gone(const AttemptKey& key) {
  const ActorHandle attempt = caf::actor_cast<ActorHandle>(current_sender());
  tasks_.erase(key);
  std::erase_if(channels_, [&](const auto& entry) { return entry.second.key == key; });
  for (auto& [incarnation, peer] : peers_) peer.attempts.erase(attempt);
}

PeerHubActor::Peer* PeerHubActor::sender_peer() {
  const auto sender = current_sender();
  for (auto& [incarnation, peer] : peers_) {
    if (peer.hub.address() != sender) continue;
    peer.is_heard = true;
    return &peer;
  }
  return nullptr;
}

PeerHubActor::Peer* PeerHubActor::arrival() {
  Peer* peer = sender_peer();
  if (peer != nullptr) ++peer->arrived;
  return peer;
}

void PeerHubActor::tell_sent() {
  for (auto& [incarnation, peer] : peers_) {
    // Whoever has not heard of the connection would wait for it.
    if (peer.own_connection > 0 && !peer.is_heard) say_hello(peer);
    peer.link->tell_sent();
  }
  send_later(this, kTellSentInterval, TellSent{});
}

/// Messages between two hubs arrive in the order in which they were sent, so whatever was sent
/// before this count has arrived or never will.
void PeerHubActor::compare(const SentSoFar& sent) {
  Peer* peer = sender_peer();
  if (peer == nullptr) return;
  if (sent.crc32c != sent_checksum(sent)) return drop(true);
  if (sent.messages == peer->arrived) return;
  const std::string counts = std::to_string(peer->arrived) + " of " + std::to_string(sent.messages);
  peer->arrived = sent.messages;
  fail_tasks(*peer, Status::corruption("messages from TaskManager " + peer->link->node() +
                                       " were lost: " + counts + " arrived"));
}

// ---- channels -----------------------------------------------------------------------------------

void PeerHubActor::open_channels(const Wire<proto::OpenChannels>& wire) {
  Peer* peer = arrival();
  const auto opening = unwrap(wire);
  const auto tasks = tasks_.find({wire.fence.job, wire.fence.attempt});
  if (!opening.is_ok()) return drop(true);
  // An attempt that is over here, or never was: its frames find no token and are dropped.
  if (peer == nullptr || tasks == tasks_.end()) {
    ++dropped_frames_;
    return;
  }
  for (const auto& channel : opening->channels()) {
    const auto task = tasks->second.find(from_proto(channel.receiver()));
    if (task == tasks->second.end()) continue;
    channels_[channel.token()] = {tasks->first, task->second, channel.input_channel(), peer->link,
                                  std::make_shared<RemoteInput>(channel.token(), peer->link)};
  }
}

/// Of a channel that has ended here, or of none: a damaged token must not pass for the former, or
/// the channel it was meant for would wait for ever.
void PeerHubActor::drop(bool is_damaged) {
  ++dropped_frames_;
  Peer* peer = is_damaged ? sender_peer() : nullptr;
  if (peer == nullptr) return;
  fail_channels(peer->link,
                Status::corruption("what TaskManager " + peer->link->node() + " sends is damaged"));
}

void PeerHubActor::credit_arrived(const CreditFrame& credit) {
  arrival();
  const bool is_damaged = credit.crc32c != credit_checksum(credit);
  const auto found = channels_.find(credit.token);
  if (found == channels_.end() || is_damaged) return drop(is_damaged);
  send(found->second.task, Credit{found->second.channel, credit.credits, BatchPtr()});
}

void PeerHubActor::frame_arrived(DataFrame& frame) {
  if (Peer* peer = arrival()) {
    peer->taken_bytes += frame.bytes.size();
    if (peer->taken_bytes >= kTakenStep) {
      peer->link->report_taken(std::exchange(peer->taken_bytes, 0));
    }
  }
  const auto found = channels_.find(frame.token);
  Frame bare{frame.sequence, frame.crc32c, frame.ends_element, std::move(frame.bytes)};
  if (found == channels_.end() || !found->second.input) {
    return drop(bare.crc32c != frame_checksum(frame.token, bare));
  }
  send(found->second.task,
       FrameArrived{found->second.channel, found->second.input, std::move(bare)});
}

}  // namespace sluice
