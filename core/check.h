// Assertions that stay on in release builds.
//
// SLUICE_CHECK is for our own mistakes: a broken invariant prints the condition with its place and
// aborts. Bad input and expected failures are a Status, never a check.
#pragma once

namespace sluice {

[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               const char* message);

}  // namespace sluice

#define SLUICE_CHECK(condition)                                   \
  do {                                                            \
    if (__builtin_expect(!(condition), 0)) {                      \
      ::sluice::check_failed(#condition, __FILE__, __LINE__, ""); \
    }                                                             \
  } while (false)

#define SLUICE_CHECK_MSG(condition, message)                           \
  do {                                                                 \
    if (__builtin_expect(!(condition), 0)) {                           \
      ::sluice::check_failed(#condition, __FILE__, __LINE__, message); \
    }                                                                  \
  } while (false)
