#include "actors/job_store.h"

#include <cmath>

#include "actors/checkpoint_setup.h"
#include "actors/control_codec.h"
#include "proto/control.pb.h"

namespace sluice {

std::string JobStore::path_of(const std::string& job) const {
  return join_path(join_path(directory_, "jobs"), job_directory_name(job));
}

Result<std::optional<JobStore::Record>> JobStore::find(const std::string& job) const {
  if (directory_.empty()) return std::optional<Record>();
  const std::string path = path_of(job);
  const auto bytes = files_.read_file(path);
  if (bytes.status().code() == StatusCode::kNotFound) return std::optional<Record>();
  if (!bytes.is_ok()) return bytes.status();
  proto::StoredJob stored;
  if (!stored.ParseFromString(*bytes) || stored.name() != job || stored.outcome() < 0 ||
      stored.outcome() > static_cast<int>(JobStatus::kCancelled)) {
    return Status::corruption(path + " is no record of job '" + job + "'");
  }
  Record record;
  record.ended = stored.ended();
  record.parallelism = stored.parallelism();
  record.result.job = stored.name();
  record.result.status = static_cast<JobStatus>(stored.outcome());
  record.result.error = from_proto(stored.error());
  record.result.records_in = stored.records_in();
  record.result.records_out = stored.records_out();
  record.result.late = stored.late();
  record.result.dead_letter = stored.dead_letter();
  record.result.seconds = static_cast<double>(stored.duration_ms()) / 1e3;
  record.result.savepoint = stored.savepoint();
  record.result.restarts = stored.restarts();
  record.result.accumulators = {stored.accumulators().begin(), stored.accumulators().end()};
  return std::optional<Record>(std::move(record));
}

Status JobStore::started(const std::string& job, int parallelism) {
  proto::StoredJob stored;
  stored.set_name(job);
  stored.set_parallelism(parallelism);
  return write(job, stored.SerializeAsString());
}

Status JobStore::ended(const JobResult& result) {
  proto::StoredJob stored;
  stored.set_name(result.job);
  stored.set_ended(true);
  stored.set_outcome(static_cast<int>(result.status));
  to_proto(result.error, *stored.mutable_error());
  stored.set_records_in(result.records_in);
  stored.set_records_out(result.records_out);
  stored.set_late(result.late);
  stored.set_dead_letter(result.dead_letter);
  stored.set_duration_ms(std::llround(result.seconds * 1e3));
  stored.set_savepoint(result.savepoint);
  stored.set_restarts(result.restarts);
  for (const auto& [name, value] : result.accumulators)
    (*stored.mutable_accumulators())[name] = value;
  return write(result.job, stored.SerializeAsString());
}

Status JobStore::write(const std::string& job, const std::string& text) {
  if (directory_.empty()) return Status::ok();
  const std::string path = path_of(job);
  SLUICE_RETURN_IF_ERROR(files_.make_directories(parent_path(path)));
  SLUICE_RETURN_IF_ERROR(files_.write_file_atomically(path, text));
  return files_.sync_directory(parent_path(path));
}

}  // namespace sluice
