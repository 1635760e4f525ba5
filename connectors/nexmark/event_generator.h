// The benchmark's events as a pure function of the event number.
//
// Of 50 consecutive events the first is a person, the next three are auctions, the rest bids. Ids,
// references between them (hot sellers, hot auctions, hot bidders, the last 100 auctions, 1000
// active people), sizes, prices and channels follow the benchmark's own generator
// (nexmark/nexmark); each event draws its random numbers from a start of its own, so any part of
// the stream can be made by anyone, in any order, and is the same. One difference is meant: bidders
// are ids of people, whereas the original adds the first id twice and so names other people.
//
// Event time is base_time + number / events_per_second. With out_of_order_group > 1 the numbers of
// each group of that size are dealt in a fixed scrambled order.
#pragma once

#include <cstdint>

#include "connectors/nexmark/event.h"
#include "connectors/nexmark/generator_texts.h"
#include "core/batch.h"

namespace sluice::nexmark {

struct GeneratorConfig {
  /// Events per second of event time.
  int64_t events_per_second = 100'000;
  /// Time of event 0.
  EventTime base_time{1'436'918'400'000};  // 2015-07-15T00:00:00Z
  /// 1 = in order.
  int64_t out_of_order_group = 1;
  uint64_t seed = 0;
};

class EventGenerator {
 public:
  static constexpr int64_t kFirstAuctionId = 1000;
  static constexpr int64_t kFirstPersonId = 1000;
  static constexpr int64_t kFirstCategory = 10;
  static constexpr int64_t kGroupSize = 50;  // 1 person, 3 auctions, 46 bids.
  static constexpr int64_t kAuctionsInGroup = 3;
  static constexpr int64_t kBidsFrom = 4;  // Place of the first bid in a group.

  explicit EventGenerator(const GeneratorConfig& config);

  /// The event at place `position` of the stream. Composed texts go to the current arena.
  Event event_at(int64_t position) const;
  /// Appends the events at [position, position + count); the batch's own arena is the current one.
  void append(int64_t position, int64_t count, TypedBatch<Event>& batch) const;

  /// Event time of event `number`.
  EventTime time_of(int64_t number) const {
    const auto elapsed_us = static_cast<int64_t>(static_cast<double>(number) * microseconds_);
    return {config_.base_time.ms + elapsed_us / 1000};
  }
  /// Which event stands at `position`: the same number unless events are out of order.
  int64_t number_at(int64_t position) const {
    const int64_t group = config_.out_of_order_group;
    if (group == 1) [[likely]]
      return position;
    return position / group * group + position * kScramble % group;
  }

 private:
  static constexpr int64_t kScramble = 953;

  Bid make_bid(int64_t number) const;
  Auction make_auction(int64_t number) const;
  Person make_person(int64_t number) const;

  GeneratorConfig config_;
  double microseconds_;  // Between two events.
  const GeneratorTexts& texts_;
  const Prices& prices_;
};

}  // namespace sluice::nexmark
