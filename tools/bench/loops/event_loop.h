// The frame of the hand-written loops: all events of the generator one after the other, bids
// through a byte buffer as they would go between two operators.
#pragma once

#include <cstring>
#include <vector>

#include "connectors/nexmark/event_generator.h"

namespace sluice::nexmark {

/// Keeps the compiler from leaving work out.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

/// A buffer that bids are written to as bytes and read from again.
class RowBuffer {
 public:
  RowBuffer() : bytes_(2 * kDrainBytes) {}
  template <class F>
  void add(const Bid& bid, F&& consume) {
    put(&bid.auction, 8);
    put(&bid.bidder, 8);
    put(&bid.price, 8);
    put(&bid.dateTime, 8);
    for (const Text* text : {&bid.channel, &bid.url, &bid.extra}) {
      const auto size = static_cast<uint32_t>(text->size());
      put(&size, 4);
      put(text->data(), size);
    }
    if (end_ > kDrainBytes) drain(consume);
  }
  template <class F>
  void drain(F&& consume) {
    const char* next = bytes_.data();
    const auto take = [&](void* to, size_t size) {
      std::memcpy(to, next, size);
      next += size;
    };
    while (next < bytes_.data() + end_) {
      Bid bid;
      take(&bid.auction, 8);
      take(&bid.bidder, 8);
      take(&bid.price, 8);
      take(&bid.dateTime, 8);
      for (Text* text : {&bid.channel, &bid.url, &bid.extra}) {
        uint32_t size = 0;
        take(&size, 4);
        *text = Text::view({next, size});
        next += size;
      }
      consume(bid);
    }
    end_ = 0;
  }

 private:
  static constexpr size_t kDrainBytes = 64 * 1024;
  void put(const void* data, size_t size) {
    std::memcpy(bytes_.data() + end_, data, size);
    end_ += size;
  }
  std::vector<char> bytes_;
  size_t end_ = 0;
};

/// Calls on_event(event) for each.
template <class F>
void for_each_event(const EventGenerator& generator, int64_t count, F&& on_event) {
  const TextArenaRef texts(new TextArena());
  constexpr int64_t kClearEvery = 1024;
  for (int64_t position = 0; position < count; ++position) {
    if (position % kClearEvery == 0) texts->clear();
    const ArenaScope scope(texts.get());
    on_event(generator.event_at(position));
  }
}

/// Bids through the buffer, everything else only generated.
template <class F>
void for_each_buffered_bid(const EventGenerator& generator, int64_t count, F&& on_bid) {
  RowBuffer buffer;
  for_each_event(generator, count, [&](const Event& event) {
    if (event.is_bid()) {
      buffer.add(event.bid(), on_bid);
    } else {
      keep(event);
    }
  });
  buffer.drain(on_bid);
}

}  // namespace sluice::nexmark
