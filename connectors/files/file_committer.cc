#include "connectors/files/file_committer.h"

#include <set>

#include "core/codec.h"

namespace sluice {
namespace {

constexpr uint8_t kVersion = 2;  // In checkpoints; grows with each change of the layout.

}  // namespace

std::string PartCommit::encode() const {
  std::string data;
  ByteWriter writer(data);
  writer.fixed(kVersion);
  writer.text(hidden);
  writer.text(visible);
  writer.text(directory);
  return data;
}

Result<PartCommit> PartCommit::decode(std::string_view data) {
  ByteReader reader(data);
  const auto version = reader.fixed<uint8_t>();
  PartCommit part;
  part.hidden = reader.text();
  part.visible = reader.text();
  if (version >= 2) part.directory = reader.text();
  if (version < 1 || version > kVersion || reader.failed() || !reader.at_end()) {
    return Status::corruption("committable of a file sink: unknown layout");
  }
  return part;
}

CommitOutcome FileCommitter::commit(const Committable& committable, std::string& error) {
  const auto part = PartCommit::decode(committable.data);
  if (!part.is_ok()) {
    error = part.status().message();
    return CommitOutcome::kFailedKnown;
  }
  CommitOutcome outcome = commit_in(directory_.path, *part, error);
  const bool is_elsewhere = !part->directory.empty() && part->directory != directory_.path;
  if (outcome == CommitOutcome::kFailedKnown && is_elsewhere) {
    // A job that was restored with another output directory: what it had written belongs to the
    // old one.
    std::string error_there;
    outcome = commit_in(part->directory, *part, error_there);
    if (outcome != CommitOutcome::kFailedKnown) error = error_there;
  }
  return outcome;
}

CommitOutcome FileCommitter::commit_in(const std::string& directory, const PartCommit& part,
                                       std::string& error) {
  FileSystem& files = *directory_.files;
  const std::string hidden = join_path(directory, part.hidden);
  const std::string visible = join_path(directory, part.visible);
  CommitOutcome outcome = CommitOutcome::kCommitted;
  Status status = files.rename_new(hidden, visible);
  if (status.code() == StatusCode::kNotFound) {
    const auto is_there = files.exists(visible);
    if (is_there.is_ok() && !*is_there) {
      error = "neither " + hidden + " nor " + visible + " is there";
      return CommitOutcome::kFailedKnown;
    }
    status = is_there.status();
    outcome = CommitOutcome::kAlreadyCommitted;
  } else if (status.code() == StatusCode::kAlreadyExists) {
    error = visible + " is there already and " + hidden + " would replace it";
    return CommitOutcome::kFailedKnown;
  }
  if (status.is_ok()) status = files.sync_directory(parent_path(visible));
  if (status.is_ok()) return outcome;
  error = status.message();
  return CommitOutcome::kRetry;
}

Status FileCommitter::abort_unknown(const std::vector<Committable>& known) {
  std::set<std::string> known_paths;
  for (const auto& committable : known) {
    SLUICE_ASSIGN_OR_RETURN(const PartCommit part, PartCommit::decode(committable.data));
    known_paths.insert(join_path(directory_.path, part.hidden));
  }
  return directory_.visit_parts([&](const std::string& path, const PartName& name) {
    if (name.state != PartName::State::kFinished || known_paths.contains(path)) {
      return Status::ok();
    }
    return directory_.files->remove(path);
  });
}

}  // namespace sluice
