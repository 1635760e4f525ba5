// CRC-32C (Castagnoli), the checksum of everything Sluice stores or sends.
//
// crc32c("123456789") = 0xE3069283. Uses the processor's instruction where there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

/// Checksum of what `crc` covers followed by `bytes`; start with 0.
uint32_t crc32c(uint32_t crc, const void* data, size_t size);

/// Checksum of two pieces in a row from theirs; `size_b` is the size of the second.
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, size_t size_b);

inline uint32_t crc32c(std::string_view bytes) { return crc32c(0, bytes.data(), bytes.size()); }

// The same result without carry-less products of wide registers, and without the instruction for it
// either: for older processors and for tests.
uint32_t crc32c_unfolded(uint32_t crc, const void* data, size_t size);
uint32_t crc32c_portable(uint32_t crc, const void* data, size_t size);

}  // namespace sluice
