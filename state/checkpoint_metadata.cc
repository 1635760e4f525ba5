#include "state/checkpoint_metadata.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/codec.h"
#include "core/crc32c.h"
#include "core/file_system.h"
#include "proto/checkpoint_metadata.pb.h"

namespace sluice {
namespace {

constexpr uint64_t kMetadataMagic = 0x3154454D43554C53ULL;  // "SLUCMET1"
constexpr size_t kEnvelopeBytes = 8 + 4 + 8;

// Paths as text only; neither call looks at a disk.
std::string relative_to(const std::string& path, const std::string& directory) {
  return std::filesystem::path(path).lexically_relative(directory).string();
}
std::string normal_path(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

void encode_file(const SnapshotFile& file, const std::string& directory, proto::StateFile& to) {
  if (file.is_inline()) {
    to.set_inline_bytes(file.inline_bytes);
  } else {
    to.set_path(relative_to(normal_path(file.path), normal_path(directory)));
  }
  to.set_size(file.size);
  to.set_crc32c(file.crc32c);
  to.set_checkpoint_id(file.identity.checkpoint.value);
  to.set_subtask(file.identity.subtask);
  to.set_parallelism(file.identity.parallelism);
  to.set_is_delta(file.identity.is_delta);
  to.set_entries(file.entries);
  to.set_has_items(file.has_items);
  const KeyGroupRange groups = file.identity.key_groups();
  to.set_first_key_group(groups.first);
  to.set_last_key_group(groups.last);
}

Result<SnapshotFile> decode_file(const proto::StateFile& from, const proto::OperatorState& op,
                                 const std::string& directory) {
  SnapshotFile file;
  if (from.path().empty()) {
    file.inline_bytes = from.inline_bytes();
    if (file.inline_bytes.size() != from.size() || crc32c(file.inline_bytes) != from.crc32c()) {
      return Status::corruption("state of operator '" + op.uid() + "' in it is damaged");
    }
  } else {
    if (std::filesystem::path(from.path()).is_absolute()) {
      return Status::corruption("it names a file outside its tree: " + from.path());
    }
    file.path = normal_path(join_path(directory, from.path()));
  }
  file.size = from.size();
  file.crc32c = from.crc32c();
  file.identity.checkpoint = CheckpointId{from.checkpoint_id()};
  file.identity.operator_uid = op.uid();
  file.identity.subtask = from.subtask();
  file.identity.parallelism = from.parallelism();
  file.identity.max_parallelism = op.max_parallelism();
  file.identity.is_delta = from.is_delta();
  file.entries = from.entries();
  file.has_items = from.has_items();
  const KeyGroupRange groups{from.first_key_group(), from.last_key_group()};
  if (from.parallelism() < 1 || !(file.identity.key_groups() == groups)) {
    return Status::corruption("the key groups of operator '" + op.uid() + "' do not fit");
  }
  return file;
}

Result<OperatorState> decode_operator(const proto::OperatorState& from,
                                      const std::string& directory) {
  OperatorState state;
  state.name = from.name();
  state.chains.uid = from.uid();
  state.chains.max_parallelism = from.max_parallelism();
  if (from.subtasks_size() != from.parallelism() || from.max_parallelism() < 1) {
    return Status::corruption("the subtasks of operator '" + from.uid() + "' do not fit");
  }
  for (const proto::SubtaskState& subtask : from.subtasks()) {
    SnapshotChain chain;
    chain.finished = subtask.finished();
    for (const proto::StateFile& stored : subtask.files()) {
      SLUICE_ASSIGN_OR_RETURN(SnapshotFile file, decode_file(stored, from, directory));
      chain.files.push_back(std::move(file));
    }
    state.chains.subtasks.push_back(std::move(chain));
  }
  return state;
}

Result<CheckpointMetadata> decode_message(const proto::CheckpointMetadata& from,
                                          const std::string& directory) {
  CheckpointMetadata metadata;
  metadata.sluice_version = from.sluice_version();
  metadata.job_name = from.job_name();
  metadata.job_id = from.job_id();
  metadata.id = CheckpointId{from.checkpoint_id()};
  metadata.purpose = from.kind() == proto::CheckpointMetadata::SAVEPOINT
                         ? SnapshotPurpose::kSavepoint
                         : SnapshotPurpose::kCheckpoint;
  metadata.triggered_ms = from.triggered_ms();
  metadata.duration_ms = from.duration_ms();
  metadata.drained = from.drained();
  metadata.graph_fingerprint = from.graph_fingerprint();
  for (const proto::OperatorState& stored : from.operators()) {
    SLUICE_ASSIGN_OR_RETURN(OperatorState state, decode_operator(stored, directory));
    metadata.operators.push_back(std::move(state));
  }
  for (const proto::CoordinatorState& stored : from.coordinators()) {
    metadata.coordinators.push_back({stored.operator_uid(), stored.kind(), stored.state()});
  }
  for (const proto::OptionValue& option : from.options()) {
    metadata.options[option.key()] = option.value();
  }
  return metadata;
}

}  // namespace

// ---- looking into it ----------------------------------------------------------------------------

bool OperatorState::is_finished() const {
  return std::all_of(chains.subtasks.begin(), chains.subtasks.end(),
                     [](const SnapshotChain& chain) { return chain.finished; });
}

uint64_t OperatorState::bytes() const {
  uint64_t bytes = 0;
  for (const SnapshotChain& chain : chains.subtasks) {
    for (const SnapshotFile& file : chain.files) bytes += file.size;
  }
  return bytes;
}

const OperatorState* CheckpointMetadata::find_operator(std::string_view uid) const {
  for (const OperatorState& state : operators) {
    if (state.chains.uid == uid) return &state;
  }
  return nullptr;
}

const CoordinatorState* CheckpointMetadata::find_coordinator(std::string_view uid,
                                                             std::string_view kind) const {
  for (const CoordinatorState& state : coordinators) {
    if (state.operator_uid == uid && state.kind == kind) return &state;
  }
  return nullptr;
}

std::vector<const SnapshotFile*> CheckpointMetadata::files() const {
  std::vector<const SnapshotFile*> files;
  std::set<std::string_view> seen;
  for (const OperatorState& state : operators) {
    for (const SnapshotChain& chain : state.chains.subtasks) {
      for (const SnapshotFile& file : chain.files) {
        if (!file.is_inline() && seen.insert(file.path).second) files.push_back(&file);
      }
    }
  }
  return files;
}

uint64_t CheckpointMetadata::full_bytes() const {
  uint64_t bytes = 0;
  for (const OperatorState& state : operators) bytes += state.bytes();
  return bytes;
}

uint64_t CheckpointMetadata::incremental_bytes() const {
  uint64_t bytes = 0;
  for (const OperatorState& state : operators) {
    for (const SnapshotChain& chain : state.chains.subtasks) {
      for (const SnapshotFile& file : chain.files) {
        if (file.identity.checkpoint == id) bytes += file.size;
      }
    }
  }
  return bytes;
}

// ---- bytes --------------------------------------------------------------------------------------

std::string encode_metadata(const CheckpointMetadata& metadata, const std::string& directory) {
  proto::CheckpointMetadata message;
  message.set_sluice_version(metadata.sluice_version);
  message.set_job_name(metadata.job_name);
  message.set_job_id(metadata.job_id);
  message.set_checkpoint_id(metadata.id.value);
  message.set_kind(metadata.purpose == SnapshotPurpose::kSavepoint
                       ? proto::CheckpointMetadata::SAVEPOINT
                       : proto::CheckpointMetadata::CHECKPOINT);
  message.set_triggered_ms(metadata.triggered_ms);
  message.set_duration_ms(metadata.duration_ms);
  message.set_drained(metadata.drained);
  message.set_graph_fingerprint(metadata.graph_fingerprint);
  for (const OperatorState& state : metadata.operators) {
    proto::OperatorState* to = message.add_operators();
    to->set_uid(state.chains.uid);
    to->set_name(state.name);
    to->set_parallelism(state.parallelism());
    to->set_max_parallelism(state.chains.max_parallelism);
    for (const SnapshotChain& chain : state.chains.subtasks) {
      proto::SubtaskState* subtask = to->add_subtasks();
      subtask->set_finished(chain.finished);
      for (const SnapshotFile& file : chain.files) {
        encode_file(file, directory, *subtask->add_files());
      }
    }
  }
  for (const CoordinatorState& state : metadata.coordinators) {
    proto::CoordinatorState* to = message.add_coordinators();
    to->set_operator_uid(state.operator_uid);
    to->set_kind(state.kind);
    to->set_state(state.state);
  }
  for (const auto& [key, value] : metadata.options) {
    proto::OptionValue* to = message.add_options();
    to->set_key(key);
    to->set_value(value);
  }
  std::string payload;
  SLUICE_CHECK(message.SerializeToString(&payload));
  std::string out;
  ByteWriter writer(out);
  writer.fixed(kMetadataMagic);
  writer.fixed(kMetadataFormatVersion);
  writer.fixed(static_cast<uint64_t>(payload.size()));
  out += payload;
  writer.fixed(crc32c(out));
  return out;
}

Result<CheckpointMetadata> decode_metadata(std::string_view bytes, const std::string& path) {
  const auto corrupt = [&](const char* what) { return Status::corruption(path + ": " + what); };
  ByteReader reader(bytes);
  if (reader.fixed<uint64_t>() != kMetadataMagic) {
    return corrupt("this is not the metadata of a checkpoint, or it is damaged");
  }
  const auto version = reader.fixed<uint32_t>();
  const auto size = reader.fixed<uint64_t>();
  if (version != kMetadataFormatVersion) {
    return Status::failed_precondition(path + ": metadata format " + std::to_string(version) +
                                       " is not known to this version, which reads format " +
                                       std::to_string(kMetadataFormatVersion));
  }
  if (reader.failed() || reader.remaining() < sizeof(uint32_t) ||
      size != reader.remaining() - sizeof(uint32_t)) {
    return corrupt("it is cut short");
  }
  const std::string_view payload = reader.bytes(size);
  if (reader.fixed<uint32_t>() != crc32c(bytes.substr(0, kEnvelopeBytes + size))) {
    return corrupt("its checksum does not match");
  }
  proto::CheckpointMetadata message;
  if (size > INT32_MAX || !message.ParseFromArray(payload.data(), static_cast<int>(size))) {
    return corrupt("it cannot be read");
  }
  auto metadata = decode_message(message, parent_path(path));
  if (!metadata.is_ok()) return metadata.status().with_prefix(path + ": ");
  return metadata;
}

}  // namespace sluice
