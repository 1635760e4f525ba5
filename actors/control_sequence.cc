#include "actors/control_sequence.h"

namespace sluice {

ControlInbox::Verdict ControlInbox::arrived(const ControlStamp& stamp) {
  if (stamp.registration == 0) return Verdict::kInOrder;
  if (stamp.registration != registration_) return Verdict::kForeign;
  if (missed_of_ > 0) return Verdict::kBroken;
  if (stamp.number <= arrived_) return Verdict::kRepeated;
  if (stamp.number > arrived_ + 1) return miss(stamp.number);
  ++arrived_;
  return Verdict::kInOrder;
}

ControlInbox::Verdict ControlInbox::told(const ControlStamp& sent) {
  if (sent.registration != registration_ || registration_ == 0) return Verdict::kForeign;
  if (missed_of_ > 0) return Verdict::kBroken;
  return sent.number > arrived_ ? miss(sent.number) : Verdict::kInOrder;
}

ControlInbox::Verdict ControlInbox::miss(uint64_t sent) {
  missed_of_ = sent;
  return Verdict::kMissed;
}

std::string ControlInbox::text() const {
  return "of " + std::to_string(missed_of_) + " messages only the first " +
         std::to_string(arrived_) + " arrived in order";
}

}  // namespace sluice
