// Person, Auction and Bid: the records of the Nexmark benchmark, an online auction house.
//
// Fields are named and ordered as the columns of the benchmark's tables, because those names are
// what files and results show. Ids are those of the benchmark: an auction's and a person's id is
// unique.
#pragma once

#include <cstdint>

#include "core/record.h"
#include "core/text.h"
#include "core/time.h"

namespace sluice::nexmark {

// NOLINTBEGIN(readability-identifier-naming): the columns of the benchmark's tables.

struct Person {
  int64_t id = 0;
  Text name;
  Text emailAddress;
  Text creditCard;
  Text city;
  Text state;
  EventTime dateTime;
  Text extra;
  friend bool operator==(const Person&, const Person&) = default;
};
SLUICE_RECORD(Person, id, name, emailAddress, creditCard, city, state, dateTime, extra);

struct Auction {
  int64_t id = 0;
  Text itemName;
  Text description;
  int64_t initialBid = 0;
  int64_t reserve = 0;
  EventTime dateTime;
  EventTime expires;
  int64_t seller = 0;
  int64_t category = 0;
  Text extra;
  friend bool operator==(const Auction&, const Auction&) = default;
};
SLUICE_RECORD(Auction, id, itemName, description, initialBid, reserve, dateTime, expires, seller,
              category, extra);

struct Bid {
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = 0;
  Text channel;
  Text url;
  EventTime dateTime;
  Text extra;
  friend bool operator==(const Bid&, const Bid&) = default;
};
SLUICE_RECORD(Bid, auction, bidder, price, channel, url, dateTime, extra);

// NOLINTEND(readability-identifier-naming)

}  // namespace sluice::nexmark
