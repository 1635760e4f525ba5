// A part of a file and how far it was read: what a SourceSplit of the file source holds.
#pragma once

#include <cstdint>
#include <string>

#include "core/source.h"
#include "core/status.h"

namespace sluice {

/// The lines that begin in [begin, end) of the unpacked file.
struct FileSplit {
  static constexpr uint64_t kToTheEnd = UINT64_MAX;
  static constexpr uint64_t kNotStarted = UINT64_MAX;

  std::string path;
  uint64_t begin = 0;
  uint64_t end = kToTheEnd;
  /// Where the next line starts, exactly behind the last row given out.
  uint64_t position = kNotStarted;

  /// Only this split reads the file, so records may span lines.
  bool is_whole_file() const { return begin == 0 && end == kToTheEnd; }

  SourceSplit encode() const;
  static Result<FileSplit> decode(const SourceSplit& split);
};

}  // namespace sluice
