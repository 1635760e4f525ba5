// Who may do what over the control endpoint: pure decisions on the headers of a request.
//
// Loopback is open to every user and every browser tab of the machine, hence: a bearer token for
// everything, one for looking and one for steering, compared in constant time; the Host header must
// name this endpoint (a page that rebinds its name cannot talk to us); a request with an Origin
// comes from a page and is refused.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

enum class AccessRole { kNone, kRead, kOperate };

struct AccessTokens {
  std::string read;
  std::string operate;
};

/// What a request's headers entitle to. `authorization`: "Bearer TOKEN".
AccessRole role_of(const AccessTokens& tokens, std::string_view authorization);

/// Whether `host` ("127.0.0.1:4711", "localhost") names a loopback endpoint on `port`.
bool is_own_host(std::string_view host, int port);

/// Equal, in a time that depends on the lengths alone.
bool equals_in_constant_time(std::string_view a, std::string_view b);

/// 32 bytes of the system's random numbers in hexadecimal.
std::string make_token();

}  // namespace sluice
