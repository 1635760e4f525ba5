// How the file sink names its files. The scheme tells, without any other record, who wrote a file
// and whether a snapshot may know it.
//
//   part-<subtask>-<counter>.csv                                     visible: complete and
//   committed .part-<subtask>-<counter>.csv.inprogress.<epoch>.<attempt>       hidden: belongs to a
//   checkpoint .part-<subtask>-<counter>.csv.finished                           hidden: complete,
//   no checkpoints
//
// The epoch is the checkpoint before which the file was not begun: a file of epoch e can only be
// known to checkpoints later than e. <counter> never repeats within a subtask. Names are found
// again after a restart, so the scheme must not change.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

struct PartName {
  enum class State { kVisible, kInProgress, kFinished };

  State state = State::kVisible;
  int subtask = 0;
  int64_t counter = 0;
  std::string suffix;  // ".csv"
  int64_t epoch = 0;   // kInProgress only.
  int attempt = 0;     // kInProgress only.

  std::string to_text() const;
  /// Nothing on a name that the file sink does not write.
  static std::optional<PartName> parse(std::string_view name);
  PartName with_state(State other) const;
};

}  // namespace sluice
