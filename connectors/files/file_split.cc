#include "connectors/files/file_split.h"

#include "core/codec.h"

namespace sluice {
namespace {

constexpr uint8_t kVersion = 1;  // In checkpoints; grows with each change of the layout.

}  // namespace

SourceSplit FileSplit::encode() const {
  SourceSplit split;
  split.id =
      path + ":" + std::to_string(begin) + "-" + (end == kToTheEnd ? "" : std::to_string(end));
  ByteWriter writer(split.data);
  writer.fixed(kVersion);
  writer.text(path);
  writer.fixed(begin);
  writer.fixed(end);
  writer.fixed(position);
  return split;
}

Result<FileSplit> FileSplit::decode(const SourceSplit& split) {
  ByteReader reader(split.data);
  const auto version = reader.fixed<uint8_t>();
  FileSplit result;
  result.path = reader.text();
  result.begin = reader.fixed<uint64_t>();
  result.end = reader.fixed<uint64_t>();
  result.position = reader.fixed<uint64_t>();
  if (version != kVersion || reader.failed() || !reader.at_end()) {
    return Status::corruption("file split " + split.id + ": unknown layout");
  }
  return result;
}

}  // namespace sluice
