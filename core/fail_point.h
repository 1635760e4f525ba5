// Places where a test can make the process die, as if it had been killed at that instruction.
//
// The environment variable SLUICE_FAIL_POINT=name:n ends the process by SIGKILL the n-th time it
// passes `fail_point(name)`; name:n:stop freezes it by SIGSTOP instead, and SIGCONT lets it go on.
// Without the variable a pass costs a load and a branch. Names are listed in docs/testing.md. Any
// thread.
#pragma once

namespace sluice {

namespace detail {
/// Whether the variable is set; read once.
extern const bool kFailPointsOn;
void pass_fail_point(const char* name);
}  // namespace detail

inline void fail_point(const char* name) {
  if (__builtin_expect(detail::kFailPointsOn, false)) detail::pass_fail_point(name);
}

}  // namespace sluice
