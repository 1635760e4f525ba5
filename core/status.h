// Expected failures as values.
//
// A Status is a null pointer when all is well, otherwise a code, a text that names what and where,
// and a hint whether trying again can help. Result<T> is a value or a Status. Both are
// [[nodiscard]]. Exceptions never cross a folder border; user code is caught in
// operators/operator_chain.cc.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "core/check.h"

namespace sluice {

enum class StatusCode : int {
  kOk = 0,
  kInvalidArgument = 1,     // The caller's arguments are wrong; exit status 2 for a job.
  kNotFound = 2,            // A file, state or job that should be there is not.
  kAlreadyExists = 3,       // Something is there that must not be (a non-empty output directory).
  kIoError = 4,             // The operating system refused a read or write.
  kResourceExhausted = 5,   // Disk, memory budget, slots or descriptors are used up.
  kCorruption = 6,          // Stored bytes are not what was written.
  kFailedPrecondition = 7,  // Not possible in the present state (incompatible schema).
  kUnavailable = 8,         // A peer or service does not answer at the moment.
  kCancelled = 9,           // Somebody asked for the work to end.
  kUserFunction = 10,       // A user function threw; the text has operator, subtask and what().
  kInternal = 11,           // Our own mistake that could be contained.
  kDeadlineExceeded = 12,   // Took longer than its limit.
};

/// Name of a code as printed to users, e.g. "io error".
const char* status_code_name(StatusCode code);

/// Whether the same action may succeed later.
enum class Retry : int { kNever = 0, kWithBackoff = 1 };

class [[nodiscard]] Status {
 public:
  Status() = default;

  static Status ok() { return {}; }
  static Status make(StatusCode code, std::string message, Retry retry = Retry::kNever);
  static Status invalid_argument(std::string message);
  static Status not_found(std::string message);
  static Status already_exists(std::string message);
  static Status io_error(std::string message);
  static Status resource_exhausted(std::string message, Retry retry = Retry::kWithBackoff);
  static Status corruption(std::string message);
  static Status failed_precondition(std::string message);
  static Status unavailable(std::string message, Retry retry = Retry::kWithBackoff);
  static Status cancelled(std::string message);
  static Status user_function(std::string message);
  static Status internal(std::string message);
  static Status deadline_exceeded(std::string message);
  /// An I/O failure with the text of `error_number` (errno), e.g. "write /x/y: No space left on
  /// device". ENOSPC and EDQUOT become kResourceExhausted, ENOENT kNotFound.
  static Status from_errno(int error_number, const std::string& what);

  bool is_ok() const { return state_ == nullptr; }
  StatusCode code() const { return state_ ? state_->code : StatusCode::kOk; }
  const std::string& message() const;
  Retry retry() const { return state_ ? state_->retry : Retry::kNever; }

  /// The same failure with `prefix` in front of its text ("window-op (2/4): ").
  Status with_prefix(const std::string& prefix) const;

  /// "ok" or "code name: text".
  std::string to_string() const;

 private:
  struct State {
    StatusCode code;
    Retry retry;
    std::string message;
  };
  std::shared_ptr<const State> state_;
};

/// A value or the reason why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}        // NOLINT(google-explicit-constructor)
  Result(Status status) : content_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    SLUICE_CHECK(!std::get<Status>(content_).is_ok());
  }

  bool is_ok() const { return std::holds_alternative<T>(content_); }
  Status status() const { return is_ok() ? Status::ok() : std::get<Status>(content_); }
  /// Must be ok.
  T& value() & {
    SLUICE_CHECK_MSG(is_ok(), status().to_string().c_str());
    return std::get<T>(content_);
  }
  const T& value() const& {
    SLUICE_CHECK_MSG(is_ok(), status().to_string().c_str());
    return std::get<T>(content_);
  }
  T&& value() && {
    SLUICE_CHECK_MSG(is_ok(), status().to_string().c_str());
    return std::get<T>(std::move(content_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> content_;
};

}  // namespace sluice

/// Leaves the function with the Status when it is not ok.
#define SLUICE_RETURN_IF_ERROR(expression)              \
  do {                                                  \
    ::sluice::Status sluice_status_ = (expression);     \
    if (!sluice_status_.is_ok()) return sluice_status_; \
  } while (false)

#define SLUICE_CONCAT_INNER(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_INNER(a, b)

/// `SLUICE_ASSIGN_OR_RETURN(auto file, open(path));`
#define SLUICE_ASSIGN_OR_RETURN(declaration, expression) \
  SLUICE_ASSIGN_OR_RETURN_INNER(SLUICE_CONCAT(sluice_result_, __LINE__), declaration, expression)
#define SLUICE_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                          \
  if (!result.is_ok()) return result.status();                         \
  declaration = std::move(result).value()
