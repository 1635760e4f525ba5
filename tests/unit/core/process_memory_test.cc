#include "core/process_memory.h"

#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("process memory: what was used once stays counted after it is given back") {
  constexpr size_t kBytes = 64 << 20;
  const int64_t before = peak_memory_bytes();
  CHECK(before > 0);
  {
    const std::vector<char> touched(kBytes, 'x');
    CHECK(touched.back() == 'x');
  }
  CHECK(peak_memory_bytes() >= static_cast<int64_t>(kBytes));
  CHECK(peak_memory_bytes() >= before);
}

TEST_CASE("process memory: what is touched is resident") {
  constexpr size_t kBytes = 64 << 20;
  const std::vector<char> touched(kBytes, 'x');
  CHECK(touched.back() == 'x');
  CHECK(resident_memory_bytes() >= static_cast<int64_t>(kBytes));
}

}  // namespace
}  // namespace sluice
