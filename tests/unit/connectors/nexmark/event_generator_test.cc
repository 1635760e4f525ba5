#include "connectors/nexmark/event_generator.h"

#include <map>
#include <string>

#include <doctest/doctest.h>

#include "connectors/nexmark/event_format.h"
#include "core/schema.h"
#include "core/stable_hash.h"

namespace sluice::nexmark {
namespace {

std::string lines(const EventGenerator& generator, int64_t from, int64_t to) {
  std::string out;
  for (int64_t position = from; position < to; ++position) {
    append_event_line(generator.event_at(position), out);
  }
  return out;
}

TEST_CASE("event_generator: the first events never change") {
  const EventGenerator generator{GeneratorConfig{}};
  const std::string text = lines(generator, 0, 20'000);
  CHECK(XXH3_64bits(text.data(), text.size()) == 2602237376640497014ULL);
}

TEST_CASE("event_generator: an event depends on its number alone") {
  const EventGenerator one{GeneratorConfig{}};
  const EventGenerator other{GeneratorConfig{}};
  const Event late = one.event_at(777'777);
  CHECK(lines(other, 777'000, 778'000).size() > 0);
  CHECK(other.event_at(777'777) == late);
  CHECK(EventGenerator{GeneratorConfig{.seed = 1}}.event_at(777'777) != late);
}

TEST_CASE("event_generator: of 50 events one is a person, three are auctions, 46 are bids") {
  const EventGenerator generator{GeneratorConfig{}};
  for (int64_t number = 0; number < 500; ++number) {
    const Event event = generator.event_at(number);
    const int64_t place = number % 50;
    CHECK(event.is_person() == (place == 0));
    CHECK(event.is_auction() == (place >= 1 && place <= 3));
    CHECK(event.is_bid() == (place >= 4));
  }
}

TEST_CASE("event_generator: ids count up and references lie near the newest ids") {
  const EventGenerator generator{GeneratorConfig{}};
  int64_t next_person = 1000;
  int64_t next_auction = 1000;
  for (int64_t number = 0; number < 100'000; ++number) {
    const Event event = generator.event_at(number);
    if (event.is_person()) {
      CHECK(event.person().id == next_person++);
    } else if (event.is_auction()) {
      const Auction auction = event.auction();
      REQUIRE(auction.id == next_auction++);
      REQUIRE(auction.seller >= 1000);
      REQUIRE(auction.seller < next_person + 10);
      REQUIRE(auction.category >= 10);
      REQUIRE(auction.category <= 14);
      REQUIRE(auction.expires > auction.dateTime);
      REQUIRE(auction.reserve > auction.initialBid);
    } else {
      const Bid bid = event.bid();
      REQUIRE(bid.auction >= std::max<int64_t>(1000, next_auction - 1 - 200));
      REQUIRE(bid.auction < next_auction + 10);
      REQUIRE(bid.bidder >= 1000);
      REQUIRE(bid.bidder < next_person + 11);
      REQUIRE(bid.price >= 100);
      REQUIRE(bid.price <= 100'000'000);
    }
  }
}

TEST_CASE("event_generator: hot keys and sizes are those of the benchmark") {
  const EventGenerator generator{GeneratorConfig{}};
  int64_t bids = 0;
  int64_t hot_auction = 0;
  int64_t hot_bidder = 0;
  int64_t hot_channel = 0;
  int64_t expensive = 0;
  int64_t bid_bytes = 0;
  int64_t auction_bytes = 0;
  int64_t auctions = 0;
  for (int64_t number = 1'000'000; number < 1'200'000; ++number) {
    const Event event = generator.event_at(number);
    if (event.is_bid()) {
      const Bid& bid = event.bid();
      ++bids;
      hot_auction += bid.auction % 100 == 0 ? 1 : 0;
      hot_bidder += bid.bidder % 100 == 1 ? 1 : 0;
      hot_channel += bid.channel.view().find('-') == std::string_view::npos ? 1 : 0;
      expensive += bid.price >= 1'000'000 ? 1 : 0;
      bid_bytes += static_cast<int64_t>(32 + bid.extra.size());
      REQUIRE(bid.extra.size() >= 54);
      REQUIRE(bid.extra.size() <= 81);
    } else if (event.is_auction()) {
      const Auction& auction = event.auction();
      ++auctions;
      auction_bytes += static_cast<int64_t>(48 + auction.itemName.size() +
                                            auction.description.size() + auction.extra.size());
    }
  }
  const auto share = [&](int64_t part) {
    return static_cast<double>(part) / static_cast<double>(bids);
  };
  CHECK(share(hot_auction) == doctest::Approx(0.505).epsilon(0.02));
  CHECK(share(hot_bidder) == doctest::Approx(0.7525).epsilon(0.02));
  CHECK(share(hot_channel) == doctest::Approx(0.5).epsilon(0.02));
  CHECK(share(expensive) == doctest::Approx(1.0 / 3).epsilon(0.03));
  CHECK(bid_bytes / bids == doctest::Approx(100).epsilon(0.02));
  CHECK(auction_bytes / auctions == doctest::Approx(500).epsilon(0.02));
}

TEST_CASE("event_generator: event time is the number over the rate, and groups are scrambled") {
  const EventGenerator plain{GeneratorConfig{.events_per_second = 1000}};
  CHECK(plain.event_at(0).date_time() == EventTime{1'436'918'400'000});
  CHECK(plain.event_at(2500).date_time() == EventTime{1'436'918'402'500});
  const EventGenerator scrambled{
      GeneratorConfig{.events_per_second = 1000, .out_of_order_group = 100}};
  std::map<int64_t, int> seen;
  bool any_back = false;
  for (int64_t position = 0; position < 1000; ++position) {
    const Event event = scrambled.event_at(position);
    const int64_t number = event.date_time().ms - 1'436'918'400'000;
    CHECK(number / 100 == position / 100);
    any_back = any_back || number < position;
    CHECK(++seen[number] == 1);
    CHECK(event == plain.event_at(number));
  }
  CHECK(any_back);
}

TEST_CASE("event: the codec gives back what was written and refuses other bytes") {
  const EventGenerator generator{GeneratorConfig{}};
  for (int64_t number = 0; number < 200; ++number) {
    const Event event = generator.event_at(number);
    const std::string bytes = encode_to_string(event);
    ByteReader reader(bytes);
    CHECK(decode<Event>(reader) == event);
    CHECK(reader.at_end());
    ByteReader truncated(std::string_view(bytes).substr(0, bytes.size() - 1));
    decode<Event>(truncated);
    CHECK(truncated.failed());
  }
  ByteReader unknown(
      std::string_view("\x07"
                       "12345678",
                       9));
  decode<Event>(unknown);
  CHECK(unknown.failed());
  CHECK(schema_text<Event>() == "opaque(nexmark_event)");
}

TEST_CASE("event: texts are counted and moved with the event") {
  const EventGenerator generator{GeneratorConfig{}};
  Event event = generator.event_at(60);
  REQUIRE(event.is_bid());
  CHECK(kContainsText<Event>);
  CHECK(text_bytes_of(event) >= event.bid().extra.size());
  const TextArenaRef arena(new TextArena());
  const char* before = event.bid().extra.data();
  move_texts_to(event, *arena);
  CHECK(event.bid().extra.data() != before);
  CHECK(event == generator.event_at(60));
}

}  // namespace
}  // namespace sluice::nexmark
