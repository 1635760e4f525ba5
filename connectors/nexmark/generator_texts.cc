#include "connectors/nexmark/generator_texts.h"

#include <cstdlib>

namespace sluice::nexmark {

namespace {

constexpr uint64_t kTextSeed = 0x6E65786D61726BULL;  // "nexmark"
constexpr size_t kLettersBytes = 1 << 20;
constexpr size_t kWordsBytes = 1 << 16;
constexpr int64_t kWordLengthMin = 3;
constexpr int64_t kBlankOneIn = 13;
constexpr int64_t kLetters = 26;

char random_letter(uint32_t bits) { return static_cast<char>('a' + Draws::below(bits, kLetters)); }

/// Letters of a path's part in a url, with underscores where words have blanks.
std::string path_part(Draws& draws) {
  constexpr int64_t kLengthMax = 5;
  const int64_t length =
      kWordLengthMin + Draws::below(draws.next_pair().low, kLengthMax - kWordLengthMin);
  std::string part;
  for (int64_t i = 0; i < length; ++i) {
    const auto bits = draws.next_pair();
    part += Draws::below(bits.low, kBlankOneIn) == 0 ? '_' : random_letter(bits.high);
  }
  return part;
}

std::string base_url(Draws& draws) {
  std::string url = "https://www.nexmark.com/";
  for (int i = 0; i < 3; ++i) url += path_part(draws) + "/";
  return url + "item.htm?query=1";
}

/// The benchmark's channel ids: the bits of the number in reverse order, without sign.
int64_t channel_id(uint32_t number) {
  uint32_t reversed = 0;
  for (int bit = 0; bit < 32; ++bit) reversed |= ((number >> bit) & 1U) << (31 - bit);
  return std::llabs(static_cast<int64_t>(static_cast<int32_t>(reversed)));
}

}  // namespace

GeneratorTexts::GeneratorTexts() {
  Draws draws(kTextSeed, 0);
  letters_.resize(kLettersBytes);
  for (char& letter : letters_) letter = random_letter(draws.next_pair().low);
  words_.resize(kWordsBytes);
  for (char& letter : words_) {
    const auto bits = draws.next_pair();
    letter = Draws::below(bits.low, kBlankOneIn) == 0 ? ' ' : random_letter(bits.high);
  }
  urls_.reserve(kHotChannels + kChannels);
  const std::array<const char*, kHotChannels> hot_names = {"Google", "Facebook", "Baidu", "Apple"};
  for (size_t i = 0; i < kHotChannels; ++i) {
    urls_.push_back(base_url(draws));
    hot_channels_[i] = {Text::view(hot_names[i]), Text::view(urls_.back())};
  }
  channels_.reserve(kChannels);
  for (int i = 0; i < kChannels; ++i) {
    std::string url = base_url(draws);
    if (Draws::below(draws.next_pair().low, 10) > 0) {
      url += "&channel_id=" + std::to_string(channel_id(static_cast<uint32_t>(i)));
    }
    urls_.push_back(std::move(url));
    // "channel-9999" has 12 characters, which a Text holds itself.
    const std::string name = "channel-" + std::to_string(i);
    channels_.push_back({Text::view(name), Text::view(urls_.back())});
  }
}

std::string_view GeneratorTexts::words(uint64_t bits, int64_t length_max) const {
  const int64_t length =
      kWordLengthMin + Draws::below(static_cast<uint32_t>(bits), length_max - kWordLengthMin);
  const int64_t offset = Draws::below(static_cast<uint32_t>(bits >> 32),
                                      static_cast<int64_t>(words_.size()) - length_max);
  std::string_view text(words_.data() + offset, static_cast<size_t>(length));
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

const GeneratorTexts& generator_texts() {
  static const GeneratorTexts kTexts;
  return kTexts;
}

Prices::Prices() {
  // Products of doubles alone round the same everywhere; pow() does not.
  constexpr double kStepFactor = 1.0135831333340657;  // 10^(6/1024)
  double price = 100.0;
  for (int64_t& entry : table_) {
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): this exact rounding is part of the prices.
    entry = static_cast<int64_t>(price * (1 << kScaleBits) + 0.5);
    price *= kStepFactor;
  }
}

const Prices& prices() {
  static const Prices kPrices;
  return kPrices;
}

}  // namespace sluice::nexmark
