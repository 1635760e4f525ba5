#include "api/environment.h"

#include <functional>

namespace sluice {

StreamEnvironment& StreamEnvironment::set_parallelism(int parallelism) {
  if (parallelism < 1 || parallelism > kMaxParallelismLimit) {
    fail(Status::invalid_argument("parallelism must lie between 1 and " +
                                  std::to_string(kMaxParallelismLimit) + ", not " +
                                  std::to_string(parallelism)));
  } else {
    options().put(options::kParallelism, static_cast<int64_t>(parallelism));
  }
  return *this;
}

StreamEnvironment& StreamEnvironment::set_max_parallelism(int max_parallelism) {
  if (max_parallelism < 1 || max_parallelism > kMaxParallelismLimit) {
    fail(Status::invalid_argument("max parallelism must lie between 1 and " +
                                  std::to_string(kMaxParallelismLimit) + ", not " +
                                  std::to_string(max_parallelism)));
  } else {
    options().put(options::kMaxParallelism, static_cast<int64_t>(max_parallelism));
  }
  return *this;
}

StreamEnvironment& StreamEnvironment::set_runtime_mode(RuntimeMode mode) {
  options().put(options::kRuntimeMode, mode == RuntimeMode::kBatch ? "batch" : "streaming");
  return *this;
}

StreamEnvironment& StreamEnvironment::set_buffer_timeout(Duration timeout) {
  return set_option(options::kBufferTimeout.name, to_text(timeout));
}

StreamEnvironment& StreamEnvironment::disable_operator_chaining() {
  options().put(options::kOperatorChaining, false);
  return *this;
}

StreamEnvironment& StreamEnvironment::set_option(std::string_view key, std::string_view value) {
  fail(options().set(key, value));
  return *this;
}

DataStream<int64_t> StreamEnvironment::from_sequence(int64_t first, int64_t last) {
  const auto identity = [](int64_t number) { return number; };
  return from_source(
      SequenceSource<int64_t, decltype(identity)>(first, last, identity, "sequence"));
}

}  // namespace sluice
