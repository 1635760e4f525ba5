// Base64 (RFC 4648, with padding): how Bytes fields stand in CSV and JSON.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

void append_base64(std::string_view bytes, std::string& out);
/// False on anything that append_base64() does not write; `bytes` is then unspecified.
bool parse_base64(std::string_view text, std::string& bytes);

}  // namespace sluice
