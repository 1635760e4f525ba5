#include "operators/sink_operator.h"

namespace sluice::detail {

std::string encode_committable(const Committable& committable) {
  std::string out;
  ByteWriter writer(out);
  writer.fixed(committable.checkpoint.value);
  writer.fixed(static_cast<int32_t>(committable.subtask));
  writer.text(committable.data);
  return out;
}

bool decode_committable(std::string_view bytes, Committable& committable) {
  ByteReader reader(bytes);
  committable.checkpoint.value = reader.fixed<int64_t>();
  committable.subtask = reader.fixed<int32_t>();
  committable.data = std::string(reader.text());
  return !reader.failed() && reader.at_end();
}

Status commit_status(CommitOutcome outcome, const std::string& error) {
  switch (outcome) {
    case CommitOutcome::kCommitted:
    case CommitOutcome::kAlreadyCommitted:
      return Status::ok();
    case CommitOutcome::kRetry:
      return Status::unavailable("commit must be tried again: " + error);
    case CommitOutcome::kFailedKnown:
      return Status::io_error("commit failed: " + error);
    case CommitOutcome::kFailedUnknown:
      return Status::unavailable("the outcome of a commit is unknown: " + error);
  }
  return Status::internal("unknown commit outcome");
}

}  // namespace sluice::detail
