// A directory on the machine's disk that goes away with the test that made it.
#pragma once

#include <cstdio>
#include <stdlib.h>
#include <string>
#include <string_view>

#include "core/check.h"
#include "core/file_system.h"

namespace sluice {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    const char* base = std::getenv("TEST_TMPDIR");
    path_ = join_path(base != nullptr ? base : P_tmpdir, "sluice_test.XXXXXX");
    SLUICE_CHECK(::mkdtemp(path_.data()) != nullptr);
  }
  ~ScratchDirectory() { (void)local_file_system().remove_recursively(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return join_path(path_, name); }

 private:
  std::string path_;
};

}  // namespace sluice
