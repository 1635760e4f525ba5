#include "control/http_access.h"

#include <array>
#include <sys/random.h>

#include "core/check.h"

namespace sluice {

bool equals_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0U : 1U;
  for (size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(other);
  }
  return difference == 0;
}

AccessRole role_of(const AccessTokens& tokens, std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) return AccessRole::kNone;
  const std::string_view token = authorization.substr(kScheme.size());
  // Both are compared, so that the time does not tell which one was close. An empty one is unset.
  const bool operate = equals_in_constant_time(token, tokens.operate) && !tokens.operate.empty();
  const bool read = equals_in_constant_time(token, tokens.read) && !tokens.read.empty();
  if (operate) return AccessRole::kOperate;
  return read ? AccessRole::kRead : AccessRole::kNone;
}

bool is_own_host(std::string_view host, int port) {
  const std::string suffix = ":" + std::to_string(port);
  if (host.ends_with(suffix)) host.remove_suffix(suffix.size());
  return host == "127.0.0.1" || host == "localhost" || host == "[::1]";
}

std::string make_token() {
  std::array<unsigned char, 32> bytes{};
  const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
  SLUICE_CHECK_MSG(got == static_cast<ssize_t>(bytes.size()), "no random numbers for a token");
  constexpr char kDigits[] = "0123456789abcdef";
  std::string token;
  for (const unsigned char byte : bytes) {
    token += kDigits[byte >> 4];
    token += kDigits[byte & 15];
  }
  return token;
}

}  // namespace sluice
