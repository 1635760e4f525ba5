// Event: one element of the benchmark's stream, a person, an auction or a bid.
//
// A tagged union, so that the stream of which 92 % are bids does not carry the fields of the
// others. Plain value, trivially copyable; Texts follow the rules of core/text.h. The type's number
// is that of the benchmark's table (event_type) and is stored: do not renumber.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "connectors/nexmark/model.h"
#include "core/check.h"
#include "core/codec.h"

namespace sluice::nexmark {

enum class EventType : uint8_t { kPerson = 0, kAuction = 1, kBid = 2 };

class Event {
 public:
  // The texts inside are visited by type (core/record.h, HoldsTextItself).
  static constexpr bool kHoldsText = true;

  Event() : Event(Bid{}) {}
  Event(const Person& person) : type_(EventType::kPerson), person_(person) {}       // NOLINT
  Event(const Auction& auction) : type_(EventType::kAuction), auction_(auction) {}  // NOLINT
  Event(const Bid& bid) : type_(EventType::kBid), bid_(bid) {}                      // NOLINT

  EventType type() const { return type_; }
  bool is_person() const { return type_ == EventType::kPerson; }
  bool is_auction() const { return type_ == EventType::kAuction; }
  bool is_bid() const { return type_ == EventType::kBid; }

  /// The content; the event must be of that type.
  const Person& person() const {
    SLUICE_CHECK(is_person());
    return person_;
  }
  const Auction& auction() const {
    SLUICE_CHECK(is_auction());
    return auction_;
  }
  const Bid& bid() const {
    SLUICE_CHECK(is_bid());
    return bid_;
  }

  /// When it happened.
  EventTime date_time() const {
    if (is_bid()) [[likely]]
      return bid_.dateTime;
    return is_auction() ? auction_.dateTime : person_.dateTime;
  }

  friend bool operator==(const Event& a, const Event& b) {
    if (a.type_ != b.type_) return false;
    if (a.is_bid()) return a.bid_ == b.bid_;
    return a.is_auction() ? a.auction_ == b.auction_ : a.person_ == b.person_;
  }

  /// f(the record inside), const as `self` is.
  template <class Self, class F>
  static void visit_texts(Self& self, F&& f) {
    if (self.is_bid()) [[likely]] {
      f(self.bid_);
    } else if (self.is_auction()) {
      f(self.auction_);
    } else {
      f(self.person_);
    }
  }

 private:
  EventType type_;
  union {
    Person person_;
    Auction auction_;
    Bid bid_;
  };
};
static_assert(std::is_trivially_copyable_v<Event>);

}  // namespace sluice::nexmark

namespace sluice {

/// One byte of type, then the record.
template <>
struct Codec<nexmark::Event> {
  static std::string schema_name() { return "nexmark_event"; }
  static void encode(const nexmark::Event& value, ByteWriter& writer) {
    writer.fixed(value.type());
    nexmark::Event::visit_texts(value, [&](const auto& record) { sluice::encode(record, writer); });
  }
  static void decode(ByteReader& reader, nexmark::Event& value) {
    switch (reader.fixed<nexmark::EventType>()) {
      case nexmark::EventType::kPerson:
        value = sluice::decode<nexmark::Person>(reader);
        return;
      case nexmark::EventType::kAuction:
        value = sluice::decode<nexmark::Auction>(reader);
        return;
      case nexmark::EventType::kBid:
        value = sluice::decode<nexmark::Bid>(reader);
        return;
    }
    reader.fail();
  }
};

}  // namespace sluice
