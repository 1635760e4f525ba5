#include <charconv>

#include "actors/cluster_client.h"

namespace sluice {

Result<ClusterAddress> parse_cluster_address(const std::string& text) {
  ClusterAddress address;
  const auto wrong = [&](const char* why) {
    return Status::invalid_argument("'" + text + "' is no HOST:PORT: " + why);
  };
  std::string port = text;
  if (const size_t colon = text.rfind(':'); colon != std::string::npos) {
    address.host = text.substr(0, colon);
    port = text.substr(colon + 1);
    const bool bracketed = address.host.starts_with('[') && address.host.ends_with(']');
    if (bracketed) address.host = address.host.substr(1, address.host.size() - 2);
    if (!bracketed && address.host.find(':') != std::string::npos) {
      return wrong("an IPv6 address stands in brackets");
    }
    if (address.host.empty()) return wrong("the host is missing");
  }
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), address.port);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == port.data() + port.size();
  if (!is_number || address.port < 0 || address.port > 65535) {
    return wrong("the port is a number up to 65535");
  }
  return address;
}

}  // namespace sluice
