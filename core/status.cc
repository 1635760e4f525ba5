#include "core/status.h"

#include <cerrno>
#include <cstring>

namespace sluice {

const char* status_code_name(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "ok";
    case StatusCode::kInvalidArgument:
      return "invalid argument";
    case StatusCode::kNotFound:
      return "not found";
    case StatusCode::kAlreadyExists:
      return "already exists";
    case StatusCode::kIoError:
      return "io error";
    case StatusCode::kResourceExhausted:
      return "resource exhausted";
    case StatusCode::kCorruption:
      return "corruption";
    case StatusCode::kFailedPrecondition:
      return "failed precondition";
    case StatusCode::kUnavailable:
      return "unavailable";
    case StatusCode::kCancelled:
      return "cancelled";
    case StatusCode::kUserFunction:
      return "user function failed";
    case StatusCode::kInternal:
      return "internal error";
    case StatusCode::kDeadlineExceeded:
      return "deadline exceeded";
  }
  return "unknown";
}

Status Status::make(StatusCode code, std::string message, Retry retry) {
  Status status;
  if (code != StatusCode::kOk) {
    status.state_ = std::make_shared<const State>(State{code, retry, std::move(message)});
  }
  return status;
}

Status Status::invalid_argument(std::string message) {
  return make(StatusCode::kInvalidArgument, std::move(message));
}
Status Status::not_found(std::string message) {
  return make(StatusCode::kNotFound, std::move(message));
}
Status Status::already_exists(std::string message) {
  return make(StatusCode::kAlreadyExists, std::move(message));
}
Status Status::io_error(std::string message) {
  return make(StatusCode::kIoError, std::move(message));
}
Status Status::resource_exhausted(std::string message, Retry retry) {
  return make(StatusCode::kResourceExhausted, std::move(message), retry);
}
Status Status::corruption(std::string message) {
  return make(StatusCode::kCorruption, std::move(message));
}
Status Status::failed_precondition(std::string message) {
  return make(StatusCode::kFailedPrecondition, std::move(message));
}
Status Status::unavailable(std::string message, Retry retry) {
  return make(StatusCode::kUnavailable, std::move(message), retry);
}
Status Status::cancelled(std::string message) {
  return make(StatusCode::kCancelled, std::move(message));
}
Status Status::user_function(std::string message) {
  return make(StatusCode::kUserFunction, std::move(message));
}
Status Status::internal(std::string message) {
  return make(StatusCode::kInternal, std::move(message));
}
Status Status::deadline_exceeded(std::string message) {
  return make(StatusCode::kDeadlineExceeded, std::move(message));
}

Status Status::from_errno(int error_number, const std::string& what) {
  std::string message = what + ": " + std::strerror(error_number);
  switch (error_number) {
    case ENOENT:
      return not_found(std::move(message));
    case EEXIST:
      return already_exists(std::move(message));
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return resource_exhausted(std::move(message));
    default:
      return io_error(std::move(message));
  }
}

const std::string& Status::message() const {
  static const std::string kEmpty;
  return state_ ? state_->message : kEmpty;
}

Status Status::with_prefix(const std::string& prefix) const {
  return state_ ? make(state_->code, prefix + state_->message, state_->retry) : Status();
}

std::string Status::to_string() const {
  return state_ ? std::string(status_code_name(state_->code)) + ": " + state_->message : "ok";
}

}  // namespace sluice
