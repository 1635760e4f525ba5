// Seeded pseudo random numbers (xoshiro256**, Blackman and Vigna 2018, seeded by splitmix64).
//
// Pure functions of the seed on every platform: tests, simulations and generators replay. Not for
// secrets. Not thread-safe: one per owner.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace sluice {

/// One step of splitmix64: a good 64-bit mixer of any counter.
constexpr uint64_t splitmix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

class Random {
 public:
  explicit constexpr Random(uint64_t seed) {
    for (auto& word : state_) {
      word = splitmix64(seed);
      seed += 0x9E3779B97F4A7C15ULL;
    }
  }

  constexpr uint64_t next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  /// Uniform in [0, bound); bound > 0.
  constexpr uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  /// Uniform in [low, high].
  constexpr int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1));
  }
  /// Uniform in [0, 1).
  constexpr double real() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// True once in `n` on average.
  constexpr bool one_in(uint64_t n) { return below(n) == 0; }

 private:
  std::array<uint64_t, 4> state_{};
};

}  // namespace sluice
