// The messages that cross processes, as CAF sees them.
//
// Wire<M> is a fence, a version and the bytes of the Protobuf message M, encoded by the sender's
// thread, and a checksum of it all, since CAF has none: its one network thread only copies bytes.
// DataFrame and CreditFrame belong to a channel whose fence was exchanged when it opened; they
// carry its token. Each type is registered by name in register_wire_types(); no floating point
// number is ever given to CAF's serializer, which neither keeps NaN nor returns from an infinity.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include <caf/deserializer.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/serializer.hpp>

#include "actors/caf_compat.h"
#include "actors/control_sequence.h"
#include "actors/fence.h"
#include "core/byte_block.h"
#include "core/status.h"
#include "proto/control.pb.h"

namespace sluice {

inline constexpr uint16_t kWireVersion = 2;
/// Nothing larger is given to CAF.
inline constexpr size_t kWireBytesMax = 1 << 20;

template <class M>
struct Wire {
  Fence fence;
  uint16_t version = kWireVersion;
  std::string body;
  ControlStamp stamp;
  uint32_t crc32c = 0;
};
/// Of everything in the envelope but the checksum itself.
uint32_t wire_checksum(const Fence& fence, uint16_t version, const ControlStamp& stamp,
                       const std::string& body);

template <class M>
bool is_intact(const Wire<M>& wire) {
  return wire.crc32c == wire_checksum(wire.fence, wire.version, wire.stamp, wire.body);
}
/// After the last change of the envelope.
template <class M>
void seal(Wire<M>& wire) {
  wire.crc32c = wire_checksum(wire.fence, wire.version, wire.stamp, wire.body);
}

/// Part of one stream element of a channel, see actors/element_frames.h.
struct DataFrame {
  uint64_t token = 0;
  uint64_t sequence = 0;
  uint32_t crc32c = 0;
  bool ends_element = true;
  ByteBlock bytes;
};
/// The receiver has consumed `credits` batches of a channel.
struct CreditFrame {
  uint64_t token = 0;
  uint32_t credits = 0;
  uint32_t crc32c = 0;  // credit_checksum() of the two.
};
uint32_t credit_checksum(const CreditFrame& credit);
CreditFrame make_credit(uint64_t token, uint32_t credits);
/// The receiving process has taken `bytes` bytes of frames from the connection.
struct FramesTaken {
  uint64_t bytes = 0;
};
/// How many messages were sent over the connection before this one, see PeerLink.
struct SentSoFar {
  uint64_t messages = 0;
  uint32_t crc32c = 0;  // Of the number.
};
uint32_t sent_checksum(const SentSoFar& sent);
SentSoFar make_sent_so_far(uint64_t messages);

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Fence& x) {
  return f(x.cluster, x.incarnation, x.leader_epoch, x.job, x.attempt);
}
template <class Inspector, class M>
typename Inspector::result_type inspect(Inspector& f, Wire<M>& x) {
  return f(x.fence, x.version, x.stamp.registration, x.stamp.number, x.crc32c, x.body);
}
/// Bytes with their number before them; read into new memory that is not filled with zeros first.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ByteBlock& x) {
  if constexpr (std::is_same_v<Inspector, caf::serializer>) {
    size_t size = x.size();
    if (auto error = f.begin_sequence(size)) return error;
    return size == 0 ? caf::error() : f.apply_raw(size, x.data());
  } else if constexpr (std::is_same_v<Inspector, caf::deserializer>) {
    size_t size = 0;
    if (auto error = f.begin_sequence(size)) return error;
    if (size > kWireBytesMax) return caf::make_error(caf::sec::invalid_argument);
    x = ByteBlock(size);
    return size == 0 ? caf::error() : f.apply_raw(size, x.data());
  } else {
    return f(x.size());
  }
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, DataFrame& x) {
  return f(x.token, x.sequence, x.crc32c, x.ends_element, x.bytes);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CreditFrame& x) {
  return f(x.token, x.credits, x.crc32c);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, FramesTaken& x) {
  return f(x.bytes);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, SentSoFar& x) {
  return f(x.messages, x.crc32c);
}

/// The message in its envelope; kResourceExhausted when it is larger than may be sent.
template <class M>
Result<Wire<M>> wrap(const Fence& fence, const M& message) {
  Wire<M> wire{fence, kWireVersion, message.SerializeAsString(), {}, 0};
  if (wire.body.size() > kWireBytesMax) {
    return Status::resource_exhausted(std::string(M::descriptor()->name()) + " of " +
                                      std::to_string(wire.body.size()) +
                                      " bytes is larger than a message may be");
  }
  seal(wire);
  return wire;
}

/// kCorruption when the bytes were damaged or are no such message, kFailedPrecondition for another
/// version.
template <class M>
Result<M> unwrap(const Wire<M>& wire) {
  const std::string name(M::descriptor()->name());
  if (wire.version != kWireVersion) {
    return Status::failed_precondition(name + ": wire version " + std::to_string(wire.version) +
                                       ", this is " + std::to_string(kWireVersion));
  }
  M message;
  if (wire.body.size() > kWireBytesMax || !is_intact(wire) || !message.ParseFromString(wire.body)) {
    return Status::corruption(name + " cannot be read");
  }
  return message;
}

/// Calls add.operator()<T>(name) for every type that crosses processes.
template <class Add>
void for_each_wire_type(Add&& add) {
  add.template operator()<Wire<proto::RegisterTaskManager>>("sluice.RegisterTaskManager");
  add.template operator()<Wire<proto::TaskManagerRegistered>>("sluice.TaskManagerRegistered");
  add.template operator()<Wire<proto::RegistrationRefused>>("sluice.RegistrationRefused");
  add.template operator()<Wire<proto::Heartbeat>>("sluice.Heartbeat");
  add.template operator()<Wire<proto::HeartbeatAnswered>>("sluice.HeartbeatAnswered");
  add.template operator()<Wire<proto::EndProcess>>("sluice.EndProcess");
  add.template operator()<Wire<proto::DeployTasks>>("sluice.DeployTasks");
  add.template operator()<Wire<proto::TasksDeployed>>("sluice.TasksDeployed");
  add.template operator()<Wire<proto::ReleaseAttempt>>("sluice.ReleaseAttempt");
  add.template operator()<Wire<proto::TaskCommand>>("sluice.TaskCommand");
  add.template operator()<Wire<proto::TaskReport>>("sluice.TaskReport");
  add.template operator()<Wire<proto::NumbersReported>>("sluice.NumbersReported");
  add.template operator()<Wire<proto::Hello>>("sluice.Hello");
  add.template operator()<Wire<proto::OpenChannels>>("sluice.OpenChannels");
  add.template operator()<DataFrame>("sluice.DataFrame");
  add.template operator()<CreditFrame>("sluice.CreditFrame");
  add.template operator()<FramesTaken>("sluice.FramesTaken");
  add.template operator()<SentSoFar>("sluice.SentSoFar");
}

void register_wire_types(caf::actor_system_config& config);

}  // namespace sluice
