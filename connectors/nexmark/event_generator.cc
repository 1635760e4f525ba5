#include "connectors/nexmark/event_generator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace sluice::nexmark {

namespace {

// One in so many is not the hot one; the first of each hundred is hot.
constexpr int64_t kHotAuctionRatio = 2;
constexpr int64_t kHotSellerRatio = 4;
constexpr int64_t kHotBidderRatio = 4;
constexpr int64_t kHotSpan = 100;
constexpr int64_t kAuctionsInFlight = 100;
constexpr int64_t kActivePeople = 1000;
// Ids that do not exist yet are referred to, as if events had swapped places.
constexpr int64_t kIdLead = 10;
constexpr int64_t kCategories = 5;
// Mean sizes in bytes, by the benchmark's own way of counting.
constexpr int64_t kPersonBytes = 200;
constexpr int64_t kAuctionBytes = 500;
constexpr int64_t kBidBytes = 100;

constexpr std::array<const char*, 6> kStates = {"AZ", "CA", "ID", "OR", "WA", "WY"};
constexpr std::array<const char*, 10> kCities = {
    "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland",
    "Bend",    "Redmond",     "Seattle",       "Kent",  "Cheyenne"};
constexpr std::array<const char*, 11> kFirstNames = {
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"};
constexpr std::array<const char*, 9> kLastNames = {
    "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"};

template <size_t N>
std::string_view pick(const std::array<const char*, N>& words, uint32_t bits) {
  return words[static_cast<size_t>(Draws::below(bits, static_cast<int64_t>(N)))];
}

/// Ids without the first id of their kind.
int64_t last_person(int64_t number) { return number / EventGenerator::kGroupSize; }

int64_t last_auction(int64_t number) {
  const int64_t group = number / EventGenerator::kGroupSize;
  const int64_t place = number % EventGenerator::kGroupSize;
  if (place >= EventGenerator::kBidsFrom) [[likely]] {
    return group * EventGenerator::kAuctionsInGroup + EventGenerator::kAuctionsInGroup - 1;
  }
  if (place == 0) return group * EventGenerator::kAuctionsInGroup - 1;
  return group * EventGenerator::kAuctionsInGroup + place - 1;
}

int64_t active_person(int64_t number, uint32_t bits) {
  const int64_t people = last_person(number) + 1;
  const int64_t active = std::min(people, kActivePeople);
  return people - active + Draws::below(bits, active + kIdLead);
}

int64_t auction_in_flight(int64_t number, uint32_t bits) {
  const int64_t newest = last_auction(number);
  const int64_t oldest = std::max<int64_t>(newest - kAuctionsInFlight, 0);
  return oldest + Draws::below(bits, newest - oldest + 1 + kIdLead);
}

int64_t hot(int64_t newest) { return newest / kHotSpan * kHotSpan; }

/// Pads what is `used` so far to `mean` bytes give or take a fifth.
Text padding(const GeneratorTexts& texts, Draws::Pair bits, int64_t used, int64_t mean) {
  if (used > mean) return {};
  const int64_t missing = mean - used;
  const int64_t spread = (missing * 2 + 5) / 10;
  const int64_t size = missing - spread + (spread == 0 ? 0 : Draws::below(bits.low, 2 * spread));
  return texts.padding(bits.high, size);
}

int64_t size_of(const Text& text) { return static_cast<int64_t>(text.size()); }

}  // namespace

EventGenerator::EventGenerator(const GeneratorConfig& config)
    : config_(config),
      microseconds_(1'000'000.0 / static_cast<double>(config.events_per_second)),
      texts_(generator_texts()),
      prices_(prices()) {
  SLUICE_CHECK(config.events_per_second > 0 && config.out_of_order_group > 0);
}

Bid EventGenerator::make_bid(int64_t number) const {
  Draws draws(config_.seed, number);
  Bid bid;
  const auto auction_bits = draws.next_pair();
  bid.auction = kFirstAuctionId + (Draws::below(auction_bits.low, kHotAuctionRatio) > 0
                                       ? hot(last_auction(number))
                                       : auction_in_flight(number, auction_bits.high));
  const auto bidder_bits = draws.next_pair();
  bid.bidder = kFirstPersonId + (Draws::below(bidder_bits.low, kHotBidderRatio) > 0
                                     ? hot(last_person(number)) + 1
                                     : active_person(number, bidder_bits.high));
  bid.price = prices_.at(draws.next());
  const auto channel_bits = draws.next_pair();
  const auto& channel =
      Draws::below(channel_bits.low, 2) > 0
          ? texts_.hot_channel(Draws::below(channel_bits.high, GeneratorTexts::kHotChannels))
          : texts_.channel(Draws::below(channel_bits.high, GeneratorTexts::kChannels));
  bid.channel = channel.name;
  bid.url = channel.url;
  bid.dateTime = time_of(number);
  constexpr int64_t kUsed = 32;  // Four numbers; channel and url do not count.
  bid.extra = padding(texts_, draws.next_pair(), kUsed, kBidBytes);
  return bid;
}

Auction EventGenerator::make_auction(int64_t number) const {
  Draws draws(config_.seed, number);
  Auction auction;
  auction.id = kFirstAuctionId + last_auction(number);
  const auto seller_bits = draws.next_pair();
  auction.seller = kFirstPersonId + (Draws::below(seller_bits.low, kHotSellerRatio) > 0
                                         ? hot(last_person(number))
                                         : active_person(number, seller_bits.high));
  auction.initialBid = prices_.at(draws.next());
  auction.reserve = auction.initialBid + prices_.at(draws.next());
  auction.dateTime = time_of(number);
  // Lives on average until as many auctions have begun as are in flight.
  constexpr int64_t kEventsAhead = kAuctionsInFlight * kGroupSize / kAuctionsInGroup;
  const int64_t horizon_ms = (time_of(number + kEventsAhead) - auction.dateTime).count();
  const auto bits = draws.next_pair();
  auction.category = kFirstCategory + Draws::below(bits.low, kCategories);
  auction.expires = auction.dateTime +
                    Duration(1 + Draws::below(bits.high, std::max<int64_t>(horizon_ms * 2, 1)));
  auction.itemName = Text::view(texts_.words(draws.next(), 20));
  auction.description = Text::view(texts_.words(draws.next(), 100));
  const int64_t used = 48 + size_of(auction.itemName) + size_of(auction.description);
  auction.extra = padding(texts_, draws.next_pair(), used, kAuctionBytes);
  return auction;
}

Person EventGenerator::make_person(int64_t number) const {
  Draws draws(config_.seed, number);
  Person person;
  person.id = kFirstPersonId + last_person(number);
  std::array<char, 32> buffer;
  const auto compose = [&](auto... parts) {
    size_t size = 0;
    const auto append = [&](std::string_view part) {
      std::memcpy(buffer.data() + size, part.data(), part.size());
      size += part.size();
    };
    (append(parts), ...);
    return Text(std::string_view(buffer.data(), size));
  };
  const auto name_bits = draws.next_pair();
  person.name = compose(pick(kFirstNames, name_bits.low), std::string_view(" "),
                        pick(kLastNames, name_bits.high));
  const std::string_view mailbox = texts_.words(draws.next(), 7);
  const std::string_view domain = texts_.words(draws.next(), 5);
  person.emailAddress = compose(mailbox, std::string_view("@"), domain, std::string_view(".com"));
  std::array<char, 19> card;
  for (size_t group = 0; group < 4; ++group) {
    int64_t digits = Draws::below(draws.next_pair().low, 10'000);
    for (size_t place = 4; place-- > 0; digits /= 10) {
      card[group * 5 + place] = static_cast<char>('0' + digits % 10);
    }
    if (group < 3) card[group * 5 + 4] = ' ';
  }
  person.creditCard = Text(std::string_view(card.data(), card.size()));
  const auto place_bits = draws.next_pair();
  person.city = Text::view(pick(kCities, place_bits.low));
  person.state = Text::view(pick(kStates, place_bits.high));
  person.dateTime = time_of(number);
  const int64_t used = 8 + size_of(person.name) + size_of(person.emailAddress) +
                       size_of(person.creditCard) + size_of(person.city) + size_of(person.state);
  person.extra = padding(texts_, draws.next_pair(), used, kPersonBytes);
  return person;
}

Event EventGenerator::event_at(int64_t position) const {
  const int64_t number = number_at(position);
  const int64_t place = number % kGroupSize;
  if (place >= kBidsFrom) [[likely]]
    return make_bid(number);
  if (place > 0) return make_auction(number);
  return make_person(number);
}

void EventGenerator::append(int64_t position, int64_t count, TypedBatch<Event>& batch) const {
  for (int64_t i = 0; i < count; ++i) {
    batch.push_made([&] { return event_at(position + i); });
  }
}

}  // namespace sluice::nexmark
