#include "core/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
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

/// x^bits mod the polynomial.
constexpr uint32_t power_of_x(size_t bits) {
  uint32_t result = kOne;
  uint32_t power = kOne >> 1;  // x, then its square, and so on.
  for (; bits != 0; bits >>= 1) {
    if ((bits & 1) != 0) result = multiply(result, power);
    power = multiply(power, power);
  }
  return result;
}

/// What a checksum is multiplied by when so many bytes follow.
constexpr uint32_t shift_by(size_t bytes) { return power_of_x(8 * bytes); }

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

// Folding: what 16 bytes contribute to the checksum is the product of each half with a constant,
// added to the 16 bytes that stand so many bytes further on. The constants are the powers of x for
// the distances of the halves, less what a product of reversed polynomials is shifted by.
#define SLUICE_FOLDING __attribute__((target("avx512f,avx512vl,vpclmulqdq,pclmul,sse4.2")))

constexpr size_t kFoldedBytes = 256;  // In four registers at once.

template <size_t kBytes>
SLUICE_FOLDING __m512i fold_constants() {
  constexpr int64_t kLow = power_of_x(8 * kBytes + 31);
  constexpr int64_t kHigh = power_of_x(8 * kBytes - 33);
  return _mm512_set_epi64(kHigh, kLow, kHigh, kLow, kHigh, kLow, kHigh, kLow);
}

SLUICE_FOLDING inline __m512i fold(__m512i sum, __m512i constants, __m512i data) {
  const __m512i low = _mm512_clmulepi64_epi128(sum, constants, 0x00);
  const __m512i high = _mm512_clmulepi64_epi128(sum, constants, 0x11);
  return _mm512_ternarylogic_epi64(low, high, data, 0x96);  // All three added.
}

SLUICE_FOLDING inline uint64_t add_part(uint64_t state, __m128i part) {
  state = _mm_crc32_u64(state, static_cast<uint64_t>(_mm_cvtsi128_si64(part)));
  return _mm_crc32_u64(state, static_cast<uint64_t>(_mm_extract_epi64(part, 1)));
}

/// `size`: at least kFoldedBytes. No array on the stack: GCC 12 with its address sanitizer looks
/// for it at the wrong place in such a function.
SLUICE_FOLDING uint32_t crc32c_folding(uint32_t crc, const char* data, size_t size) {
  const auto load = [&data](size_t at) SLUICE_FOLDING { return _mm512_loadu_si512(data + at); };
  __m512i a =
      _mm512_xor_si512(load(0), _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(~crc))));
  __m512i b = load(64);
  __m512i c = load(128);
  __m512i d = load(192);
  const __m512i far = fold_constants<kFoldedBytes>();
  for (;;) {
    data += kFoldedBytes;
    size -= kFoldedBytes;
    if (size < kFoldedBytes) break;
    a = fold(a, far, load(0));
    b = fold(b, far, load(64));
    c = fold(c, far, load(128));
    d = fold(d, far, load(192));
  }
  const __m512i next = fold_constants<64>();
  d = fold(fold(fold(a, next, b), next, c), next, d);
  // The instruction does to these 64 bytes what it would have done to all before them.
  uint64_t state = 0;
  state = add_part(state, _mm512_maskz_extracti32x4_epi32(0xF, d, 0));
  state = add_part(state, _mm512_maskz_extracti32x4_epi32(0xF, d, 1));
  state = add_part(state, _mm512_maskz_extracti32x4_epi32(0xF, d, 2));
  state = add_part(state, _mm512_maskz_extracti32x4_epi32(0xF, d, 3));
  return crc32c_instruction(~static_cast<uint32_t>(state), data, size);
}
#undef SLUICE_FOLDING

bool can_fold() {
  return __builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("vpclmulqdq") != 0 &&
         __builtin_cpu_supports("pclmul") != 0;
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

uint32_t crc32c_unfolded(uint32_t crc, const void* data, size_t size) {
#if defined(__x86_64__)
  static const bool kHasInstruction = __builtin_cpu_supports("sse4.2") != 0;
  if (kHasInstruction) return crc32c_instruction(crc, static_cast<const char*>(data), size);
#endif
  return crc32c_portable(crc, data, size);
}

uint32_t crc32c(uint32_t crc, const void* data, size_t size) {
#if defined(__x86_64__)
  static const bool kCanFold = can_fold();
  if (kCanFold && size >= kFoldedBytes) {
    return crc32c_folding(crc, static_cast<const char*>(data), size);
  }
#endif
  return crc32c_unfolded(crc, data, size);
}

}  // namespace sluice
