#include "core/fail_point.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>
#include <unistd.h>

namespace sluice::detail {
namespace {

struct FailPoint {
  std::string name;
  std::atomic<int> passes_left{1};
  int signal = SIGKILL;

  FailPoint() {
    const char* text = std::getenv("SLUICE_FAIL_POINT");
    if (text == nullptr) return;
    name = text;
    const size_t colon = name.find(':');
    if (colon == std::string::npos) return;
    passes_left = std::atoi(name.c_str() + colon + 1);
    if (name.ends_with(":stop")) signal = SIGSTOP;
    name.resize(colon);
  }
};

FailPoint& the_fail_point() {
  static FailPoint point;
  return point;
}

}  // namespace

const bool kFailPointsOn = std::getenv("SLUICE_FAIL_POINT") != nullptr;

void pass_fail_point(const char* name) {
  FailPoint& point = the_fail_point();
  if (point.name != name || point.passes_left.fetch_sub(1) != 1) return;
  (void)::kill(::getpid(), point.signal);
  if (point.signal == SIGKILL) ::pause();
}

}  // namespace sluice::detail
