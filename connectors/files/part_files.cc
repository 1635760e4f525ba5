#include "connectors/files/part_files.h"

#include <algorithm>
#include <set>

#include "core/codec.h"

namespace sluice {
namespace {

constexpr uint8_t kStateVersion = 2;  // In checkpoints; grows with each change of the layout.

struct WriterState {
  int64_t epoch = 0;
  int subtask = 0;
  int64_t next_counter = 0;
  std::string directory;

  std::string encode() const {
    std::string item;
    ByteWriter writer(item);
    writer.fixed(kStateVersion);
    writer.fixed(epoch);
    writer.fixed(int32_t{subtask});
    writer.fixed(next_counter);
    writer.text(directory);
    return item;
  }
};

Result<WriterState> decode_state(std::string_view item) {
  ByteReader reader(item);
  const auto version = reader.fixed<uint8_t>();
  WriterState state;
  state.epoch = reader.fixed<int64_t>();
  state.subtask = reader.fixed<int32_t>();
  state.next_counter = reader.fixed<int64_t>();
  state.directory = reader.text();
  if (version != kStateVersion || reader.failed() || !reader.at_end()) {
    return Status::corruption("state of a file sink: unknown layout");
  }
  return state;
}

}  // namespace

Status PartFiles::open(const SinkContext& context) {
  clock_ = context.clock;
  subtask_ = context.task.subtask;
  parallelism_ = context.task.parallelism;
  attempt_ = context.task.attempt;
  SLUICE_RETURN_IF_ERROR(options_.directory.files->make_directories(options_.directory.path));
  is_fresh_ = context.restored.empty();
  SLUICE_RETURN_IF_ERROR(open_restore(context.restored));
  return open_look_around();
}

Status PartFiles::open_restore(const std::vector<std::string>& items) {
  for (const auto& item : items) {
    SLUICE_ASSIGN_OR_RETURN(const WriterState state, decode_state(item));
    epoch_ = std::max(epoch_, state.epoch);
    // What lies in another directory is not this job's.
    if (state.directory != options_.directory.path) continue;
    int64_t& counter = known_counters_[state.subtask];
    counter = std::max(counter, state.next_counter);
    if (state.subtask == subtask_) next_counter_ = counter;
  }
  return Status::ok();
}

Status PartFiles::open_look_around() {
  return options_.directory.visit_parts([&](const std::string& path, const PartName& name) {
    if (name.subtask == subtask_) next_counter_ = std::max(next_counter_, name.counter + 1);
    return is_unknown(name) ? options_.directory.files->remove(path) : Status::ok();
  });
}

bool PartFiles::is_unknown(const PartName& name) const {
  if (!belongs_here(name.subtask)) return false;
  // An earlier start ended before its first checkpoint.
  if (is_fresh_) return name.state == PartName::State::kInProgress;
  // A state for another directory tells nothing about this one.
  if (known_counters_.empty()) return false;
  switch (name.state) {
    case PartName::State::kInProgress:
      return name.epoch >= epoch_;
    case PartName::State::kVisible: {
      const auto known = known_counters_.find(name.subtask);
      return known == known_counters_.end() || name.counter >= known->second;
    }
    case PartName::State::kFinished:
      return false;  // Of a run without checkpoints; the committer sees to them.
  }
  return false;
}

Status PartFiles::check_bucket(const std::string& bucket) const {
  size_t start = 0;
  bool good = true;
  for (size_t i = 0; i <= bucket.size(); ++i) {
    if (i < bucket.size() && bucket[i] != '/') {
      good &= bucket[i] != '\0';
      continue;
    }
    const std::string_view step(bucket.data() + start, i - start);
    // A leading dot would hide the bucket from readers, or leave the directory.
    good &= !step.empty() && step.front() != '.' && step.size() <= 255;
    if (start == 0) good &= !options_.directory.is_allowed(step);
    start = i + 1;
  }
  if (good) return Status::ok();
  return Status::invalid_argument("\"" + bucket + "\" cannot be a bucket of " +
                                  options_.directory.path);
}

std::string PartFiles::path_of(const std::string& bucket, const PartName& name) const {
  return join_path(join_path(options_.directory.path, bucket), name.to_text());
}

Result<PartFiles::Part*> PartFiles::part_for(std::string_view bucket) {
  const auto found = open_parts_.find(bucket);
  if (found != open_parts_.end()) return found->second.get();
  auto part = std::make_unique<Part>();
  part->bucket = bucket;
  if (!bucket.empty()) {
    SLUICE_RETURN_IF_ERROR(check_bucket(part->bucket));
    SLUICE_RETURN_IF_ERROR(
        options_.directory.files->make_directories(join_path(options_.directory.path, bucket)));
  }
  if (open_parts_.size() >= kOpenPartsMax) SLUICE_RETURN_IF_ERROR(complete_first_begun());
  part->name.state = PartName::State::kInProgress;
  part->name.subtask = subtask_;
  part->name.counter = next_counter_++;
  part->name.suffix = options_.suffix;
  part->name.epoch = epoch_;
  part->name.attempt = attempt_;
  SLUICE_ASSIGN_OR_RETURN(part->file,
                          options_.directory.files->open_write(path_of(part->bucket, part->name),
                                                               WriteMode::kCreateNew));
  part->begun_ns = clock_->steady_ns();
  part->buffer.reserve(kBufferBytes + kBufferBytes / 4);
  part->buffer = options_.header;
  return open_parts_.emplace(part->bucket, std::move(part)).first->second.get();
}

Status PartFiles::append_buffer(Part& part) {
  if (part.buffer.empty()) return Status::ok();
  SLUICE_RETURN_IF_ERROR(part.file->append(part.buffer));
  part.written_bytes += part.buffer.size();
  part.buffer.clear();
  return Status::ok();
}

Status PartFiles::write_out(Part& part) {
  SLUICE_RETURN_IF_ERROR(append_buffer(part));
  if (part.written_bytes < options_.rolling.bytes_max) return Status::ok();
  return complete(std::string(part.bucket));
}

Status PartFiles::roll_old() {
  if (options_.rolling.age_max.count() == 0 || open_parts_.empty()) return Status::ok();
  const int64_t begun_before = clock_->steady_ns() - options_.rolling.age_max.count() * 1'000'000;
  std::vector<std::string> old;
  for (const auto& [bucket, part] : open_parts_) {
    if (part->begun_ns <= begun_before) old.push_back(bucket);
  }
  for (const auto& bucket : old) SLUICE_RETURN_IF_ERROR(complete(bucket));
  return Status::ok();
}

Status PartFiles::complete_first_begun() {
  const auto first = std::min_element(
      open_parts_.begin(), open_parts_.end(),
      [](const auto& a, const auto& b) { return a.second->name.counter < b.second->name.counter; });
  return complete(std::string(first->first));
}

Status PartFiles::complete(const std::string& bucket) {
  const auto found = open_parts_.find(bucket);
  Part& part = *found->second;
  SLUICE_RETURN_IF_ERROR(append_buffer(part));
  SLUICE_RETURN_IF_ERROR(part.file->sync());
  SLUICE_RETURN_IF_ERROR(part.file->close());
  complete_parts_.push_back({part.bucket, part.name});
  open_parts_.erase(found);
  return Status::ok();
}

Result<std::vector<std::string>> PartFiles::prepare_commit(CheckpointId checkpoint) {
  while (!open_parts_.empty()) {
    SLUICE_RETURN_IF_ERROR(complete(std::string(open_parts_.begin()->first)));
  }
  FileSystem& files = *options_.directory.files;
  std::vector<std::string> committables;
  std::set<std::string> directories;
  for (CompletePart& part : complete_parts_) {
    if (checkpoint.value == 0) {
      // No checkpoint will ever know this part, so its name must say that it is complete.
      const PartName finished = part.name.with_state(PartName::State::kFinished);
      SLUICE_RETURN_IF_ERROR(
          files.rename(path_of(part.bucket, part.name), path_of(part.bucket, finished)));
      part.name = finished;
    }
    PartCommit commit;
    commit.hidden = join_path(part.bucket, part.name.to_text());
    commit.visible =
        join_path(part.bucket, part.name.with_state(PartName::State::kVisible).to_text());
    commit.directory = options_.directory.path;
    committables.push_back(commit.encode());
    directories.insert(join_path(options_.directory.path, part.bucket));
  }
  // The checkpoint will promise these files, so their names must survive a crash too.
  for (const auto& directory : directories) {
    SLUICE_RETURN_IF_ERROR(files.sync_directory(directory));
  }
  complete_parts_.clear();
  epoch_ = checkpoint.value;
  return committables;
}

std::vector<std::string> PartFiles::snapshot_state(CheckpointId checkpoint) const {
  WriterState state{checkpoint.value, subtask_, next_counter_, options_.directory.path};
  std::vector<std::string> items{state.encode()};
  for (const auto& [subtask, counter] : known_counters_) {
    if (subtask == subtask_ || !belongs_here(subtask)) continue;
    state.subtask = subtask;
    state.next_counter = counter;
    items.push_back(state.encode());
  }
  return items;
}

void PartFiles::close() {
  for (auto& [bucket, part] : open_parts_) {
    (void)part->file->close();
    (void)options_.directory.files->remove(path_of(bucket, part->name));
  }
  open_parts_.clear();
  for (const auto& part : complete_parts_) {
    (void)options_.directory.files->remove(path_of(part.bucket, part.name));
  }
  complete_parts_.clear();
}

}  // namespace sluice
