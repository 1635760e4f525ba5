// How an operator or a handle given to user code reports a Status from inside process().
//
// Thrown and caught in operators/ only: operators/operator_chain.cc turns it back into the Status
// and fails the task with it. User code may let it pass through.
#pragma once

#include <stdexcept>
#include <utility>

#include "core/status.h"

namespace sluice {

class OperatorFailure final : public std::runtime_error {
 public:
  explicit OperatorFailure(Status status)
      : std::runtime_error(status.message()), status_(std::move(status)) {}
  const Status& status() const { return status_; }

 private:
  Status status_;
};

/// Throws when `status` is a failure.
inline void throw_if_error(const Status& status) {
  if (!status.is_ok()) throw OperatorFailure(status);
}
/// Calls f, which returns a Status, and turns an OperatorFailure it throws into its Status.
template <class F>
Status status_of(F&& f) {
  try {
    return f();
  } catch (const OperatorFailure& failure) {
    return failure.status();
  }
}
template <class T>
T value_or_throw(Result<T> result) {
  throw_if_error(result.status());
  return std::move(result).value();
}

}  // namespace sluice
