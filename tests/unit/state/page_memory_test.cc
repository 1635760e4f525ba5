#include "state/api/page_memory.h"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

namespace sluice {
namespace {

constexpr size_t kBlock = 64 * 1024;
constexpr size_t kBlocks = 4096;  // 256 MiB.

// Signed, for differences: other memory of the process may grow meanwhile.
int64_t resident_bytes() {
  int64_t all = 0;
  int64_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

std::vector<char*> allocate_and_write(size_t count) {
  std::vector<char*> blocks;
  for (size_t i = 0; i < count; ++i) {
    blocks.push_back(static_cast<char*>(PageMemory::allocate(kBlock)));
    std::memset(blocks.back(), static_cast<int>(i % 251), kBlock);
  }
  return blocks;
}

void release(std::vector<char*>& blocks, size_t left) {
  while (blocks.size() > left) {
    PageMemory::release(blocks.back(), kBlock);
    blocks.pop_back();
  }
}

TEST_CASE("page memory: blocks are aligned and do not overlap") {
  std::vector<char*> blocks = allocate_and_write(100);
  bool is_intact = true;
  for (size_t i = 0; i < blocks.size(); ++i) {
    is_intact &= reinterpret_cast<uintptr_t>(blocks[i]) % PageMemory::kAlignment == 0;
    is_intact &= blocks[i][0] == static_cast<char>(i % 251);
    is_intact &= blocks[i][kBlock - 1] == static_cast<char>(i % 251);
  }
  CHECK(is_intact);
  release(blocks, 0);
}

TEST_CASE("page memory: what is free stays up to a quarter of what is in use, the rest goes back") {
  constexpr int64_t kAll = kBlocks * kBlock;
  const int64_t before = resident_bytes();
  std::vector<char*> blocks = allocate_and_write(kBlocks);
  const int64_t full = resident_bytes();
  REQUIRE(full - before > kAll / 10 * 9);
  // An eighth: kept for the next ones.
  release(blocks, kBlocks / 8 * 7);
  CHECK(full - resident_bytes() < kAll / 16);
  // With half in use an eighth of all may be free.
  release(blocks, kBlocks / 2);
  CHECK(full - resident_bytes() > kAll / 4);
  release(blocks, 0);
  CHECK(resident_bytes() - before < kAll / 32);
}

}  // namespace
}  // namespace sluice
