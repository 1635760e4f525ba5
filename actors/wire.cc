#include "actors/wire.h"

#include <array>

#include "core/crc32c.h"

namespace sluice {

uint32_t wire_checksum(const Fence& fence, uint16_t version, const ControlStamp& stamp,
                       const std::string& body) {
  const std::array<uint64_t, 8> numbers = {
      static_cast<uint64_t>(fence.leader_epoch),
      fence.job,
      static_cast<uint64_t>(fence.attempt),
      version,
      static_cast<uint64_t>(stamp.registration),
      stamp.number,
      // So that no byte can wander from one text to the next.
      fence.cluster.size(),
      fence.incarnation.size(),
  };
  uint32_t checksum = crc32c(0, numbers.data(), sizeof numbers);
  for (const std::string* text : {&fence.cluster, &fence.incarnation, &body}) {
    checksum = crc32c(checksum, text->data(), text->size());
  }
  return checksum;
}

uint32_t credit_checksum(const CreditFrame& credit) {
  const std::array<uint64_t, 2> numbers = {credit.token, credit.credits};
  return crc32c(0, numbers.data(), sizeof numbers);
}

CreditFrame make_credit(uint64_t token, uint32_t credits) {
  CreditFrame credit{token, credits, 0};
  credit.crc32c = credit_checksum(credit);
  return credit;
}

uint32_t sent_checksum(const SentSoFar& sent) {
  return crc32c(0, &sent.messages, sizeof sent.messages);
}

SentSoFar make_sent_so_far(uint64_t messages) {
  SentSoFar sent{messages, 0};
  sent.crc32c = sent_checksum(sent);
  return sent;
}

void register_wire_types(caf::actor_system_config& config) {
  for_each_wire_type(
      [&]<class T>(const char* name) { config.add_message_type<T>(std::string(name)); });
}

}  // namespace sluice
