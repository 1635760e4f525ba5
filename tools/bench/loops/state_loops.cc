// The loops of queries that remember people, auctions or bids for ever. What a changing table would
// show is made as a row for each change, as the queries do; bids that come before their auction
// wait for it.
#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/bench/loops/event_loop.h"
#include "tools/bench/loops/id_table.h"
#include "tools/bench/loops/loops.h"

namespace sluice::nexmark {

namespace {

constexpr int64_t kCategory = 10;

int rank_of(int64_t price) { return price < 10'000 ? 0 : price < 1'000'000 ? 1 : 2; }

/// Texts one after the other in one string of their own.
template <class... T>
std::string own(const T&... texts) {
  std::string bytes;
  bytes.reserve((texts.size() + ... + 0));
  (bytes.append(texts.data(), texts.size()), ...);
  return bytes;
}

struct StoredBid {
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = -1;
  int64_t time = 0;
  std::string texts;

  void take(const Bid& bid) {
    auction = bid.auction;
    bidder = bid.bidder;
    price = bid.price;
    time = bid.dateTime.ms;
    texts = own(bid.channel, bid.url, bid.extra);
  }
};

struct StoredAuction {
  int64_t start = 0;
  int64_t end = 0;
  int64_t category = -1;  // -1: not there yet.
  std::string texts;

  void take(const Auction& auction) {
    start = auction.dateTime.ms;
    end = auction.expires.ms;
    category = auction.category;
    texts = own(auction.itemName, auction.description, auction.extra);
  }
};

/// Bids against auctions: on_auction(auction) and on_bid(bid), bids through the buffer, so that an
/// auction is seen before bids that came earlier; none is missed.
template <class OnAuction, class OnBid>
void for_each_auction_and_bid(const EventGenerator& generator, int64_t count, OnAuction on_auction,
                              OnBid on_bid) {
  RowBuffer buffer;
  for_each_event(generator, count, [&](const Event& event) {
    if (event.is_bid()) {
      buffer.add(event.bid(), on_bid);
    } else if (event.is_auction()) {
      on_auction(event.auction());
    } else {
      keep(event);
    }
  });
  buffer.drain(on_bid);
}

}  // namespace

void loop_q3(const EventGenerator& generator, int64_t count) {
  IdTable<std::string> people;
  IdTable<std::vector<int64_t>> offers;
  for_each_event(generator, count, [&](const Event& event) {
    if (event.is_person()) {
      const Person& person = event.person();
      if (person.state != "OR" && person.state != "ID" && person.state != "CA") return;
      std::string& texts = people.at(person.id) = own(person.name, person.city, person.state);
      if (const auto* waiting = offers.find(person.id)) {
        for (const int64_t id : *waiting) keep(id);
      }
      keep(texts);
    } else if (event.is_auction()) {
      const Auction& auction = event.auction();
      if (auction.category != kCategory) return;
      offers.at(auction.seller).push_back(auction.id);
      if (const std::string* texts = people.find(auction.seller)) keep(*texts);
    } else {
      keep(event);
    }
  });
}

void loop_q4(const EventGenerator& generator, int64_t count) {
  struct Lot {
    int64_t start = 0;
    int64_t end = 0;
    int64_t category = -1;
    int64_t highest = -1;
    std::vector<std::pair<int64_t, int64_t>> early;  // Time, price.
  };
  struct Average {
    int64_t sum = 0;
    int64_t lots = 0;
  };
  IdTable<Lot> lots;
  std::array<Average, 16> averages;
  const auto offer = [&](Lot& lot, int64_t time, int64_t price) {
    if (time < lot.start || time > lot.end || price <= lot.highest) return;
    Average& average = averages[static_cast<size_t>(lot.category)];
    average.sum += price - std::max<int64_t>(lot.highest, 0);
    average.lots += lot.highest < 0 ? 1 : 0;
    lot.highest = price;
    keep(average.sum / average.lots);
  };
  for_each_auction_and_bid(
      generator, count,
      [&](const Auction& auction) {
        Lot& lot = lots.at(auction.id);
        lot.start = auction.dateTime.ms;
        lot.end = auction.expires.ms;
        lot.category = auction.category;
        for (const auto& [time, price] : lot.early) offer(lot, time, price);
        lot.early = {};
      },
      [&](const Bid& bid) {
        Lot& lot = lots.at(bid.auction);
        if (lot.category < 0) {
          lot.early.emplace_back(bid.dateTime.ms, bid.price);
        } else {
          offer(lot, bid.dateTime.ms, bid.price);
        }
      });
}

void loop_q9(const EventGenerator& generator, int64_t count) {
  struct Lot {
    StoredAuction auction;
    StoredBid best;
    std::vector<StoredBid> early;
  };
  IdTable<Lot> lots;
  const auto is_best = [](const Lot& lot, int64_t time, int64_t price) {
    return time >= lot.auction.start && time <= lot.auction.end && price > lot.best.price;
  };
  for_each_auction_and_bid(
      generator, count,
      [&](const Auction& auction) {
        Lot& lot = lots.at(auction.id);
        lot.auction.take(auction);
        for (StoredBid& bid : lot.early) {
          if (is_best(lot, bid.time, bid.price)) lot.best = std::move(bid);
        }
        lot.early = {};
        keep(lot);
      },
      [&](const Bid& bid) {
        Lot& lot = lots.at(bid.auction);
        if (lot.auction.category < 0) {
          lot.early.emplace_back().take(bid);
        } else if (is_best(lot, bid.dateTime.ms, bid.price)) {
          lot.best.take(bid);
          keep(lot);
        }
      });
}

void loop_q15(const EventGenerator& generator, int64_t count) {
  IdTable<uint8_t> bidders;
  IdTable<uint8_t> auctions;
  std::array<std::array<int64_t, 4>, 3> counts{};
  const auto see = [](uint8_t& ranks, int rank, std::array<int64_t, 4>& of) {
    const auto bit = static_cast<uint8_t>(1 << rank);
    if ((ranks & bit) != 0) return;
    of[0] += ranks == 0 ? 1 : 0;
    ++of[static_cast<size_t>(rank) + 1];
    ranks = static_cast<uint8_t>(ranks | bit);
  };
  for_each_buffered_bid(generator, count, [&](const Bid& bid) {
    const int rank = rank_of(bid.price);
    ++counts[0][0];
    ++counts[0][static_cast<size_t>(rank) + 1];
    see(bidders.at(bid.bidder), rank, counts[1]);
    see(auctions.at(bid.auction), rank, counts[2]);
    keep(counts);
  });
}

void loop_q17(const EventGenerator& generator, int64_t count) {
  struct Statistics {
    std::array<int64_t, 4> bids{};
    int64_t lowest = INT64_MAX;
    int64_t highest = 0;
    int64_t sum = 0;
  };
  IdTable<Statistics> auctions;
  for_each_buffered_bid(generator, count, [&](const Bid& bid) {
    Statistics& statistics = auctions.at(bid.auction);
    ++statistics.bids[0];
    ++statistics.bids[static_cast<size_t>(rank_of(bid.price)) + 1];
    statistics.lowest = std::min(statistics.lowest, bid.price);
    statistics.highest = std::max(statistics.highest, bid.price);
    statistics.sum += bid.price;
    keep(statistics.sum / statistics.bids[0]);
  });
}

void loop_q18(const EventGenerator& generator, int64_t count) {
  IdTable<StoredBid> last;
  for_each_buffered_bid(generator, count, [&](const Bid& bid) {
    StoredBid& stored = last.at((bid.bidder << 32) | bid.auction);
    if (bid.dateTime.ms >= stored.time) stored.take(bid);
    keep(stored);
  });
}

void loop_q19(const EventGenerator& generator, int64_t count) {
  IdTable<std::vector<StoredBid>> tops;
  constexpr size_t kRanks = 10;
  for_each_buffered_bid(generator, count, [&](const Bid& bid) {
    std::vector<StoredBid>& top = tops.at(bid.auction);
    if (top.size() == kRanks && top.back().price >= bid.price) return;
    if (top.size() == kRanks) top.pop_back();
    const auto place = std::find_if(
        top.begin(), top.end(), [&](const StoredBid& other) { return other.price < bid.price; });
    const auto added = top.emplace(place);
    added->take(bid);
    for (auto changed = added; changed != top.end(); ++changed) keep(*changed);
  });
}

void loop_q20(const EventGenerator& generator, int64_t count) {
  struct Lot {
    StoredAuction auction;
    std::vector<StoredBid> early;
  };
  IdTable<Lot> lots;
  for_each_auction_and_bid(
      generator, count,
      [&](const Auction& auction) {
        Lot& lot = lots.at(auction.id);
        if (auction.category == kCategory) {
          lot.auction.take(auction);
          for (const StoredBid& bid : lot.early) keep(bid);
        }
        lot.auction.category = auction.category;
        lot.early = {};
      },
      [&](const Bid& bid) {
        Lot& lot = lots.at(bid.auction);
        if (lot.auction.category < 0) {
          lot.early.emplace_back().take(bid);
        } else if (lot.auction.category == kCategory) {
          keep(bid);
          keep(lot.auction);
        }
      });
}

}  // namespace sluice::nexmark
