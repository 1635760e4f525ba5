#include "state/checkpoint_history.h"

#include <cstring>

#include "core/codec.h"
#include "core/crc32c.h"
#include "proto/checkpoint_history.pb.h"

namespace sluice {
namespace {

constexpr const char* kFileName = "_history";
constexpr const char* kOlderFileName = "_history.1";

std::string encode_record(const CheckpointRecord& record) {
  proto::CheckpointRecord message;
  const CheckpointStats& stats = record.stats;
  message.set_checkpoint_id(stats.id.value);
  message.set_is_savepoint(stats.purpose == SnapshotPurpose::kSavepoint);
  message.set_is_complete(stats.outcome == CheckpointOutcome::kComplete);
  message.set_triggered_ms(stats.triggered_ms);
  message.set_ended_ms(stats.ended_ms);
  message.set_failure(stats.failure);
  message.set_job_id(record.job_id);
  for (size_t i = 0; i < stats.subtasks.size(); ++i) {
    const SubtaskCheckpointStats& from = stats.subtasks[i];
    proto::SubtaskRecord& to = *message.add_subtasks();
    to.set_vertex(from.task.vertex.value);
    to.set_subtask(from.task.subtask);
    if (i < record.task_names.size()) to.set_name(record.task_names[i]);
    to.set_acknowledged(from.acknowledged);
    to.set_acknowledged_ms(from.acknowledged_ms);
    to.set_alignment_ms(from.alignment_ms);
    to.set_sync_ms(from.sync_ms);
    to.set_async_ms(from.async_ms);
    to.set_full_bytes(from.full_bytes);
    to.set_incremental_bytes(from.incremental_bytes);
  }
  const std::string body = message.SerializeAsString();
  std::string bytes;
  ByteWriter writer(bytes);
  writer.text(body);
  writer.fixed(crc32c(body));
  return bytes;
}

CheckpointRecord from_message(const proto::CheckpointRecord& message) {
  CheckpointRecord record;
  CheckpointStats& stats = record.stats;
  stats.id.value = message.checkpoint_id();
  stats.purpose =
      message.is_savepoint() ? SnapshotPurpose::kSavepoint : SnapshotPurpose::kCheckpoint;
  stats.outcome = message.is_complete() ? CheckpointOutcome::kComplete : CheckpointOutcome::kFailed;
  stats.triggered_ms = message.triggered_ms();
  stats.ended_ms = message.ended_ms();
  stats.failure = message.failure();
  record.job_id = message.job_id();
  for (const proto::SubtaskRecord& from : message.subtasks()) {
    SubtaskCheckpointStats to;
    to.task = {{from.vertex()}, from.subtask()};
    to.acknowledged = from.acknowledged();
    to.acknowledged_ms = from.acknowledged_ms();
    to.alignment_ms = from.alignment_ms();
    to.sync_ms = from.sync_ms();
    to.async_ms = from.async_ms();
    to.full_bytes = from.full_bytes();
    to.incremental_bytes = from.incremental_bytes();
    stats.subtasks.push_back(to);
    record.task_names.push_back(from.name());
  }
  return record;
}

/// Appends the sound records to `records`; returns how many bytes they take.
size_t decode_records(std::string_view bytes, std::vector<CheckpointRecord>& records) {
  ByteReader reader(bytes);
  size_t sound = 0;
  while (!reader.at_end()) {
    const std::string_view body = reader.text();
    const auto crc = reader.fixed<uint32_t>();
    proto::CheckpointRecord message;
    const bool good = !reader.failed() && crc == crc32c(body) &&
                      message.ParseFromArray(body.data(), static_cast<int>(body.size()));
    if (!good) break;
    records.push_back(from_message(message));
    sound = bytes.size() - reader.remaining();
  }
  return sound;
}

/// The file's bytes; empty when there is none.
Result<std::string> read_if_there(FileSystem& files, const std::string& path) {
  auto bytes = files.read_file(path);
  if (bytes.status().code() == StatusCode::kNotFound) return std::string();
  return bytes;
}

}  // namespace

Status CheckpointHistory::append(const CheckpointRecord& record) {
  const std::string path = join_path(directory_, kFileName);
  if (!is_ready_) SLUICE_RETURN_IF_ERROR(make_ready());
  if (bytes_ >= kFileBytesMax) {
    SLUICE_RETURN_IF_ERROR(files_.rename(path, join_path(directory_, kOlderFileName)));
    bytes_ = 0;
  }
  const std::string bytes = encode_record(record);
  is_ready_ = false;  // Unless the record is written whole.
  SLUICE_ASSIGN_OR_RETURN(const auto file, files_.open_write(path, WriteMode::kAppend));
  SLUICE_RETURN_IF_ERROR(file->append(bytes));
  SLUICE_RETURN_IF_ERROR(file->close());
  is_ready_ = true;
  bytes_ += bytes.size();
  return Status::ok();
}

Status CheckpointHistory::make_ready() {
  const std::string path = join_path(directory_, kFileName);
  SLUICE_ASSIGN_OR_RETURN(std::string bytes, read_if_there(files_, path));
  std::vector<CheckpointRecord> records;
  const size_t sound = decode_records(bytes, records);
  if (sound < bytes.size()) {
    bytes.resize(sound);
    SLUICE_RETURN_IF_ERROR(files_.write_file_atomically(path, bytes));
  }
  bytes_ = sound;
  is_ready_ = true;
  return Status::ok();
}

Result<std::vector<CheckpointRecord>> CheckpointHistory::read(FileSystem& files,
                                                              const std::string& directory) {
  std::vector<CheckpointRecord> records;
  for (const char* name : {kOlderFileName, kFileName}) {
    SLUICE_ASSIGN_OR_RETURN(const std::string bytes,
                            read_if_there(files, join_path(directory, name)));
    decode_records(bytes, records);
  }
  return records;
}

}  // namespace sluice
