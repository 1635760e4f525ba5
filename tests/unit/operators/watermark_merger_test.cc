// Watermarks of inputs and channels (operators/watermark_merger.h, operators/split_watermarks.h).
#include "operators/watermark_merger.h"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "core/random.h"
#include "operators/split_watermarks.h"

namespace sluice {
namespace {

TEST_CASE("semantics rule 12: the watermark is the minimum of the channels and only rises") {
  WatermarkMerger merger(2);
  CHECK_FALSE(merger.on_watermark(0, EventTime{10}).has_value());
  CHECK(merger.on_watermark(1, EventTime{5}) == EventTime{5});
  CHECK_FALSE(merger.on_watermark(0, EventTime{7}).has_value());  // A regression is ignored.
  CHECK_FALSE(merger.on_watermark(1, EventTime{5}).has_value());  // No strict increase.
  CHECK(merger.on_watermark(1, EventTime{20}) == EventTime{10});
}

TEST_CASE("semantics rule 13: an idle channel leaves the minimum") {
  WatermarkMerger merger(2);
  merger.on_watermark(0, EventTime{10});
  const auto outcome = merger.on_idle(1);
  CHECK(outcome.watermark == EventTime{10});
  CHECK_FALSE(outcome.idle.has_value());
}

TEST_CASE("semantics rule 13: a channel that returns behind stays unaligned until it catches up") {
  WatermarkMerger merger(2);
  merger.on_watermark(0, EventTime{10});
  merger.on_watermark(1, EventTime{3});
  merger.on_idle(1);
  CHECK(merger.watermark() == EventTime{10});
  merger.on_active(1);
  CHECK_FALSE(merger.on_watermark(1, EventTime{6}).has_value());
  // Unaligned: it does not hold channel 0 back.
  CHECK(merger.on_watermark(0, EventTime{12}) == EventTime{12});
  // Caught up: from now on it counts again.
  CHECK_FALSE(merger.on_watermark(1, EventTime{12}).has_value());
  CHECK_FALSE(merger.on_watermark(0, EventTime{20}).has_value());
  CHECK(merger.on_watermark(1, EventTime{15}) == EventTime{15});
}

TEST_CASE("semantics rule 13: when the last channel goes idle the largest watermark is put out") {
  WatermarkMerger merger(2);
  merger.on_watermark(0, EventTime{10});
  merger.on_watermark(1, EventTime{4});
  merger.on_idle(0);
  CHECK(merger.watermark() == EventTime{4});
  const auto outcome = merger.on_idle(1);
  CHECK(outcome.watermark == EventTime{10});
  CHECK(outcome.idle == true);
  CHECK(merger.on_active(0).idle == false);
}

TEST_CASE("semantics rule 14: watermarks of an idle channel are dropped until it is active again") {
  WatermarkMerger merger(1);
  merger.on_watermark(0, EventTime{1});
  merger.on_idle(0);
  CHECK_FALSE(merger.on_watermark(0, EventTime{9}).has_value());
  CHECK(merger.on_active(0).idle == false);
  CHECK(merger.on_watermark(0, EventTime{9}) == EventTime{9});
}

TEST_CASE("semantics rule 17: one idle side does not freeze the other") {
  InputCombiner combiner(2);
  CHECK_FALSE(combiner.on_watermark(0, EventTime{10}).has_value());
  const auto outcome = combiner.on_status(1, true);
  CHECK(outcome.watermark == EventTime{10});
  CHECK_FALSE(outcome.idle.has_value());
  CHECK(combiner.on_watermark(0, EventTime{11}) == EventTime{11});
  CHECK(combiner.on_status(0, true).idle == true);
}

TEST_CASE("merged watermarks equal a naive minimum for random channels without idleness") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const int channels = static_cast<int>(random.between(1, 5));
    WatermarkMerger merger(channels);
    std::vector<EventTime> model(static_cast<size_t>(channels), kMinTime);
    EventTime emitted = kMinTime;
    for (int i = 0; i < 200; ++i) {
      const auto channel = static_cast<size_t>(random.below(static_cast<uint64_t>(channels)));
      const EventTime watermark{random.between(0, 100)};
      model[channel] = std::max(model[channel], watermark);
      const auto out = merger.on_watermark(static_cast<int>(channel), watermark);
      const EventTime minimum = *std::min_element(model.begin(), model.end());
      CHECK(out.has_value() == (minimum > emitted));
      if (out) {
        CHECK(*out == minimum);
        emitted = *out;
      }
    }
  }
}

TEST_CASE("semantics rule 15: splits combine by minimum and a later split never pulls it back") {
  SplitWatermarks splits;
  splits.add_split();
  CHECK(splits.on_watermark(0, EventTime{50}) == EventTime{50});
  splits.add_split();
  CHECK_FALSE(splits.on_watermark(0, EventTime{60}).has_value());
  CHECK_FALSE(splits.on_watermark(1, EventTime{10}).has_value());
  CHECK(splits.watermark() == EventTime{50});
  CHECK(splits.on_watermark(1, EventTime{55}) == EventTime{55});
  CHECK(splits.on_finished(1) == EventTime{60});
  CHECK(splits.on_watermark(0, EventTime{61}) == EventTime{61});
}

TEST_CASE("an idle split leaves the minimum and comes back") {
  SplitWatermarks splits;
  splits.add_split();
  splits.add_split();
  splits.on_watermark(0, EventTime{10});
  CHECK(splits.on_idle(1, true) == EventTime{10});
  splits.on_idle(1, false);
  CHECK_FALSE(splits.on_watermark(0, EventTime{20}).has_value());
  CHECK(splits.on_watermark(1, EventTime{15}) == EventTime{15});
}

}  // namespace
}  // namespace sluice
