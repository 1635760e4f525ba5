#include "state/snapshot_format.h"

#include "core/codec.h"
#include "core/crc32c.h"

namespace sluice {

void append_snapshot_header(std::string& out) {
  ByteWriter writer(out);
  writer.fixed(kSnapshotHeaderMagic);
  writer.fixed(kSnapshotFormatVersion);
  writer.fixed(uint32_t{0});
}

Status check_snapshot_header(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.fixed<uint64_t>() != kSnapshotHeaderMagic) {
    return Status::corruption("this is not a snapshot file");
  }
  const auto version = reader.fixed<uint32_t>();
  if (version != kSnapshotFormatVersion) {
    return Status::failed_precondition("snapshot format " + std::to_string(version) +
                                       " is not known to this version, which reads format " +
                                       std::to_string(kSnapshotFormatVersion));
  }
  return Status::ok();
}

void append_snapshot_trailer(const SnapshotTrailer& trailer, std::string& out) {
  ByteWriter writer(out);
  writer.fixed(trailer.index_offset);
  writer.fixed(trailer.index_size);
  writer.fixed(trailer.index_crc32c);
  writer.fixed(kSnapshotFormatVersion);
  writer.fixed(kSnapshotTrailerMagic);
}

Result<SnapshotTrailer> parse_snapshot_trailer(std::string_view bytes, uint64_t file_size) {
  ByteReader reader(bytes);
  SnapshotTrailer trailer;
  trailer.index_offset = reader.fixed<uint64_t>();
  trailer.index_size = reader.fixed<uint64_t>();
  trailer.index_crc32c = reader.fixed<uint32_t>();
  const auto version = reader.fixed<uint32_t>();
  if (reader.fixed<uint64_t>() != kSnapshotTrailerMagic || version != kSnapshotFormatVersion) {
    return Status::corruption("the end of the file is missing or damaged");
  }
  const uint64_t content = file_size - kSnapshotTrailerBytes;
  if (trailer.index_offset < kSnapshotHeaderBytes || trailer.index_offset > content ||
      trailer.index_size != content - trailer.index_offset) {
    return Status::corruption("the end of the file is damaged");
  }
  return trailer;
}

void append_snapshot_index(const SnapshotIndex& index, std::string& out) {
  ByteWriter writer(out);
  const SnapshotIdentity& identity = index.identity;
  writer.fixed(identity.checkpoint.value);
  writer.text(identity.operator_uid);
  writer.fixed(identity.subtask);
  writer.fixed(identity.parallelism);
  writer.fixed(identity.max_parallelism);
  writer.fixed(static_cast<uint8_t>(identity.is_delta));
  writer.fixed(static_cast<uint32_t>(index.states.size()));
  for (const SnapshotStateName& state : index.states) {
    writer.text(state.name);
    writer.text(state.schema);
  }
  writer.fixed(static_cast<uint32_t>(index.sections.size()));
  for (const SnapshotSection& section : index.sections) {
    writer.fixed(section.kind);
    writer.fixed(section.state);
    writer.fixed(section.run);
    writer.fixed(section.first_group);
    writer.fixed(section.last_group);
    writer.fixed(section.offset);
    writer.fixed(section.size);
    writer.fixed(section.count);
    writer.fixed(section.crc32c);
  }
}

namespace {

bool is_section_sound(const SnapshotSection& section, const SnapshotIndex& index, uint64_t end) {
  if (section.offset > end || section.size > end - section.offset) return false;
  if (section.kind == SectionKind::kItems) return true;
  return section.kind == SectionKind::kKeyed && section.state < index.states.size() &&
         section.first_group >= 0 && section.first_group <= section.last_group;
}

}  // namespace

Result<SnapshotIndex> parse_snapshot_index(std::string_view bytes, const SnapshotTrailer& trailer) {
  if (crc32c(bytes) != trailer.index_crc32c) {
    return Status::corruption("the checksum of the index does not match");
  }
  ByteReader reader(bytes);
  SnapshotIndex index;
  index.identity.checkpoint.value = reader.fixed<int64_t>();
  index.identity.operator_uid = std::string(reader.text());
  index.identity.subtask = reader.fixed<int>();
  index.identity.parallelism = reader.fixed<int>();
  index.identity.max_parallelism = reader.fixed<int>();
  index.identity.is_delta = reader.fixed<uint8_t>() != 0;
  for (uint32_t left = reader.count(); left > 0 && !reader.failed(); --left) {
    SnapshotStateName state;
    state.name = std::string(reader.text());
    state.schema = std::string(reader.text());
    index.states.push_back(std::move(state));
  }
  for (uint32_t left = reader.count(); left > 0 && !reader.failed(); --left) {
    SnapshotSection section;
    section.kind = reader.fixed<SectionKind>();
    section.state = reader.fixed<uint32_t>();
    section.run = reader.fixed<uint32_t>();
    section.first_group = reader.fixed<int>();
    section.last_group = reader.fixed<int>();
    section.offset = reader.fixed<uint64_t>();
    section.size = reader.fixed<uint64_t>();
    section.count = reader.fixed<uint32_t>();
    section.crc32c = reader.fixed<uint32_t>();
    if (!is_section_sound(section, index, trailer.index_offset)) reader.fail();
    index.sections.push_back(section);
  }
  if (reader.failed() || !reader.at_end()) return Status::corruption("the index cannot be read");
  return index;
}

}  // namespace sluice
