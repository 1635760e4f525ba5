#include "api/record_text.h"

namespace sluice::detail {

void append_real_text(double value, std::string& out) {
  char digits[32];
  out.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
}

void append_bytes_text(std::string_view bytes, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  out += "0x";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

}  // namespace sluice::detail
