// How much memory this process needs, and has needed so far.
#pragma once

#include <cstdint>

namespace sluice {

/// Most resident bytes since the program was started (the kernel's VmHWM; rusage would count what
/// the parent had before exec, too). 0 when the system does not say. Any thread.
int64_t peak_memory_bytes();
/// Resident bytes now. 0 when the system does not say. Any thread.
int64_t resident_memory_bytes();

}  // namespace sluice
