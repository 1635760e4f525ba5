// The bytes of a file from front to back, unpacked when the file is gzip or zstd.
//
// Which it is, the first bytes tell; a name that promises compression ("x.gz") over other content
// is an error. Several members or frames in one file are read as one. Damaged or truncated input is
// kCorruption with path and place. Not thread-safe.
#pragma once

#include <memory>
#include <string>

#include "core/file_system.h"
#include "core/status.h"

namespace sluice {

enum class Compression { kNone, kGzip, kZstd };

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Up to `size` bytes, at least one; 0 at the end.
  virtual Result<size_t> read(char* to, size_t size) = 0;
};

/// Looks at the first bytes of the file.
Result<Compression> detect_compression(const ReadableFile& file);

/// The bytes from `offset` on, which must be 0 for a compressed file. `file` must outlive the
/// stream.
Result<std::unique_ptr<ByteStream>> open_byte_stream(const ReadableFile& file,
                                                     Compression compression, uint64_t offset);

}  // namespace sluice
