// Prints docs/options.md: `bazel run //tools:print_options > docs/options.md`.
#include <cstdio>

#include "core/options_document.h"

int main() {
  std::fputs(sluice::options_document().c_str(), stdout);
  return 0;
}
