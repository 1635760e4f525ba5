// Where records that could not be read are kept: JSON lines with place, reason and the bytes as
// they came.
//
//   flights.dead_letters().sink_to(dead_letter_file("out/dead-letter"));
#pragma once

#include <string>
#include <utility>

#include "connectors/files/file_sink.h"
#include "core/source.h"

namespace sluice {

/// Part files of dead letters in `directory`, one {"place","reason","raw"} a line.
inline FileSink<JsonLinesFormat<DeadLetter>> dead_letter_file(std::string directory) {
  return json_lines_files<DeadLetter>(std::move(directory));
}

}  // namespace sluice
