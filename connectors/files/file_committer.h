// Makes finished parts visible by renaming them. Idempotent: any number of repeats, also after a
// crash in between, ends with the file under its visible name once.
#pragma once

#include <string>
#include <string_view>

#include "connectors/files/output_directory.h"
#include "core/sink.h"

namespace sluice {

/// What a committable of the file sink says; paths are relative to the sink's directory, so that a
/// directory may be mounted elsewhere after a restore. A job may also be restored with another
/// output directory: then the part is still where it was written.
struct PartCommit {
  std::string hidden;
  std::string visible;
  /// Where it was written.
  std::string directory;

  std::string encode() const;
  static Result<PartCommit> decode(std::string_view data);
};

class FileCommitter final : public Committer {
 public:
  explicit FileCommitter(OutputDirectory directory) : directory_(std::move(directory)) {}

  CommitOutcome commit(const Committable& committable, std::string& error) override;
  /// Removes parts that were finished without checkpoints and are not in `known`: the job failed
  /// before it could commit them. Parts in progress belong to checkpoints; their writer removes
  /// what the checkpoint it starts from does not know (part_files.h).
  Status abort_unknown(const std::vector<Committable>& known) override;

 private:
  CommitOutcome commit_in(const std::string& directory, const PartCommit& part, std::string& error);

  OutputDirectory directory_;
};

}  // namespace sluice
