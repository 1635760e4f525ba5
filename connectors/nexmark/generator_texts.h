// What the generator's texts are cut from: built once, the same in every process, never changed.
//
// The benchmark draws its words letter by letter, its urls from a cache of 10,000 channels and its
// padding from one long random text. Here all of them are views into texts that live as long as the
// process, so making an event copies none of them; whoever keeps one copies it as with any Text.
//
// The contents are a function of fixed seeds and integer arithmetic alone, so that another
// implementation of the generator (tools/peers/flink) gives the same events.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"
#include "core/text.h"

namespace sluice::nexmark {

/// Random numbers of one event: splitmix64 from a start that is the event's own. Each draw gives
/// two independent halves of 32 bits.
class Draws {
 public:
  Draws(uint64_t seed, int64_t number) : state_(splitmix64(seed + static_cast<uint64_t>(number))) {}

  struct Pair {
    uint32_t low;
    uint32_t high;
  };
  uint64_t next() {
    const uint64_t result = splitmix64(state_);
    state_ += 0x9E3779B97F4A7C15ULL;
    return result;
  }
  Pair next_pair() {
    const uint64_t bits = next();
    return {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)};
  }
  /// Maps 32 random bits to [0, bound).
  static int64_t below(uint32_t bits, int64_t bound) {
    return static_cast<int64_t>((static_cast<uint64_t>(bits) * static_cast<uint64_t>(bound)) >> 32);
  }

 private:
  uint64_t state_;
};

class GeneratorTexts {
 public:
  static constexpr int kHotChannels = 4;
  static constexpr int kChannels = 10'000;

  GeneratorTexts();
  GeneratorTexts(const GeneratorTexts&) = delete;
  GeneratorTexts& operator=(const GeneratorTexts&) = delete;

  struct Channel {
    Text name;
    Text url;
  };
  /// Half of the bids come through one of these.
  const Channel& hot_channel(int64_t index) const {
    return hot_channels_[static_cast<size_t>(index)];
  }
  const Channel& channel(int64_t index) const { return channels_[static_cast<size_t>(index)]; }

  /// `size` random letters; `bits` choose which. size is at most kPaddingMax.
  Text padding(uint32_t bits, int64_t size) const {
    const int64_t offset = Draws::below(bits, static_cast<int64_t>(letters_.size()) - size);
    return Text::view({letters_.data() + offset, static_cast<size_t>(size)});
  }
  static constexpr int64_t kPaddingMax = 4096;

  /// Letters with a blank for every thirteenth on average, 3 .. length_max - 1 of them before
  /// blanks at the ends are cut.
  std::string_view words(uint64_t bits, int64_t length_max) const;

 private:
  std::string letters_;
  std::string words_;
  // Deques of characters would move; these strings never change once the views are taken.
  std::vector<std::string> urls_;
  std::array<Channel, kHotChannels> hot_channels_;
  std::vector<Channel> channels_;
};

/// The one instance of the process.
const GeneratorTexts& generator_texts();

/// round(100 * 10^(6u)) for a u uniform in [0, 1), by a table and straight lines between its
/// entries.
class Prices {
 public:
  Prices();
  int64_t at(uint64_t bits) const {
    const auto step = static_cast<size_t>(bits >> (64 - kStepBits));
    const auto fraction = static_cast<int64_t>((bits >> (40 - kStepBits)) & 0xFFFFFF);
    const int64_t from = table_[step];
    const int64_t scaled = from + (((table_[step + 1] - from) * fraction) >> 24);
    return (scaled + (int64_t{1} << (kScaleBits - 1))) >> kScaleBits;
  }

 private:
  static constexpr int kStepBits = 10;
  static constexpr int kScaleBits = 16;
  std::array<int64_t, (1 << kStepBits) + 1> table_;
};

const Prices& prices();

}  // namespace sluice::nexmark
