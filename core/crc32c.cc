#include "core/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace sluice {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78U;  // Reversed.

// Tables for eight bytes at a time: kTables[k][b] is the effect of byte b standing k bytes before
// the end of the block.
constexpr auto kTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}();

// Checksums as polynomials over GF(2): the coefficient of x^0 is the highest bit, as everywhere in
// a reversed CRC.
constexpr uint32_t kOne = 0x80000000U;

/// a × b mod the polynomial.
constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = kOne; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1) != 0 ? (b >> 1) ^ kPolynomial : b >> 1;
  }
  return product;
}

/// x^(8 × bytes) mod the polynomial: what a checksum is multiplied by when so many bytes follow.
constexpr uint32_t shift_by(size_t bytes) {
  uint32_t result = kOne;
  uint32_t power = kOne >> 8;  // x^8, then its square, and so on.
  for (; bytes != 0; bytes >>= 1) {
    if ((bytes & 1) != 0) result = multiply(result, power);
    power = multiply(power, power);
  }
  return result;
}

#if defined(__x86_64__)
// The instruction takes three cycles but one can begin in each: three lanes keep it busy.
constexpr size_t kLaneBytes = 4096;
constexpr uint32_t kOneLane = shift_by(kLaneBytes);

__attribute__((target("sse4.2"))) uint32_t three_lanes(uint32_t crc, const char* data) {
  uint64_t a = crc;
  uint64_t b = 0;
  uint64_t c = 0;
  for (size_t i = 0; i < kLaneBytes; i += 8) {
    uint64_t words[3];
    std::memcpy(&words[0], data + i, 8);
    std::memcpy(&words[1], data + kLaneBytes + i, 8);
    std::memcpy(&words[2], data + 2 * kLaneBytes + i, 8);
    a = _mm_crc32_u64(a, words[0]);
    b = _mm_crc32_u64(b, words[1]);
    c = _mm_crc32_u64(c, words[2]);
  }
  const uint32_t first = multiply(kOneLane, static_cast<uint32_t>(a)) ^ static_cast<uint32_t>(b);
  return multiply(kOneLane, first) ^ static_cast<uint32_t>(c);
}

__attribute__((target("sse4.2"))) uint32_t crc32c_instruction(uint32_t crc, const char* data,
                                                              size_t size) {
  uint64_t state = ~crc;
  while (size >= 3 * kLaneBytes) {
    state = three_lanes(static_cast<uint32_t>(state), data);
    data += 3 * kLaneBytes;
    size -= 3 * kLaneBytes;
  }
  while (size >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, data, 8);
    state = _mm_crc32_u64(state, word);
    data += 8;
    size -= 8;
  }
  auto narrow = static_cast<uint32_t>(state);
  for (; size > 0; --size) narrow = _mm_crc32_u8(narrow, static_cast<uint8_t>(*data++));
  return ~narrow;
}
#endif

}  // namespace

uint32_t crc32c_portable(uint32_t crc, const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  uint32_t state = ~crc;
  while (size >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, 8);
    word ^= state;
    state = 0;
    for (size_t k = 0; k < 8; ++k) state ^= kTables[7 - k][(word >> (8 * k)) & 0xFF];
    bytes += 8;
    size -= 8;
  }
  for (; size > 0; --size) state = (state >> 8) ^ kTables[0][(state ^ *bytes++) & 0xFF];
  return ~state;
}

// The inversions before and after cancel out: checksums of equal length add up.
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, size_t size_b) {
  return multiply(shift_by(size_b), crc_a) ^ crc_b;
}

uint32_t crc32c(uint32_t crc, const void* data, size_t size) {
#if defined(__x86_64__)
  static const bool kHasInstruction = __builtin_cpu_supports("sse4.2") != 0;
  if (kHasInstruction) return crc32c_instruction(crc, static_cast<const char*>(data), size);
#endif
  return crc32c_portable(crc, data, size);
}

}  // namespace sluice
