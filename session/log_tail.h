// The end of a log that somebody else writes, and a bound for its size.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

/// The last `lines_max` lines, of the last 256 KiB at most; none when there is no such file.
std::vector<std::string> tail_of_log(const std::string& path, int lines_max);
/// Those lines as one, for a reason: "a | b | c".
std::string last_words_of(const std::string& path, int lines_max);
/// A file that is opened to append and larger than `bytes_max` loses all but its end.
void trim_log(const std::string& path, int64_t bytes_max);

/// The ends of all logs of a directory, each line behind the name of its log; of all together the
/// last `bytes_max` bytes.
std::vector<std::string> tail_of_logs(const std::string& directory, int lines_max,
                                      size_t bytes_max);

}  // namespace sluice
