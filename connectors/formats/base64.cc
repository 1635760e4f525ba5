#include "connectors/formats/base64.h"

#include <array>
#include <cstdint>

namespace sluice {
namespace {

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> make_values() {
  std::array<int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (int i = 0; i < 64; ++i) values[static_cast<uint8_t>(kDigits[i])] = static_cast<int8_t>(i);
  return values;
}
constexpr std::array<int8_t, 256> kValues = make_values();

}  // namespace

void append_base64(std::string_view bytes, std::string& out) {
  const auto byte = [&](size_t i) -> uint32_t { return static_cast<uint8_t>(bytes[i]); };
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    const uint32_t group =
        byte(i) << 16 | (left > 1 ? byte(i + 1) << 8 : 0) | (left > 2 ? byte(i + 2) : 0);
    out += kDigits[group >> 18];
    out += kDigits[group >> 12 & 63];
    out += left > 1 ? kDigits[group >> 6 & 63] : '=';
    out += left > 2 ? kDigits[group & 63] : '=';
  }
}

bool parse_base64(std::string_view text, std::string& bytes) {
  bytes.clear();
  if (text.size() % 4 != 0) return false;
  for (size_t i = 0; i < text.size(); i += 4) {
    int padding = 0;
    if (i + 4 == text.size()) {
      if (text[i + 3] == '=') ++padding;
      if (padding == 1 && text[i + 2] == '=') ++padding;
    }
    uint32_t group = 0;
    for (size_t k = 0; k < 4; ++k) {
      const int value =
          k >= 4U - static_cast<unsigned>(padding) ? 0 : kValues[static_cast<uint8_t>(text[i + k])];
      if (value < 0) return false;
      group = group << 6 | static_cast<uint32_t>(value);
    }
    // Bits beyond the last byte must be zero, so that each value has one text.
    if (padding == 1 && (group & 0xFF) != 0) return false;
    if (padding == 2 && (group & 0xFFFF) != 0) return false;
    bytes += static_cast<char>(group >> 16);
    if (padding < 2) bytes += static_cast<char>(group >> 8 & 0xFF);
    if (padding < 1) bytes += static_cast<char>(group & 0xFF);
  }
  return true;
}

}  // namespace sluice
