#include "actors/checkpoint_setup.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/stable_hash.h"

namespace sluice {
namespace {

constexpr const char* kLatest = "latest";

using Setup = std::shared_ptr<CheckpointSetup>;

Status open_storage(const std::string& job_name, const Options& options, CheckpointSetup& setup) {
  const std::string root = options.get(options::kCheckpointDir);
  if (root.empty()) {
    return Status::invalid_argument(
        "execution.checkpointing.interval needs execution.checkpointing.dir (--checkpoint-dir "
        "DIR)");
  }
  const std::string directory = join_path(root, job_directory_name(job_name));
  CheckpointStorageOptions storage_options;
  storage_options.retained = static_cast<int>(options.get(options::kCheckpointRetained));
  SLUICE_ASSIGN_OR_RETURN(auto storage,
                          CheckpointStorage::open(*setup.files, directory, storage_options));
  setup.storage = std::move(storage);
  setup.savepoint_directory = options.get(options::kSavepointDir);
  if (setup.savepoint_directory.empty()) {
    setup.savepoint_directory = join_path(directory, "savepoints");
  }
  return Status::ok();
}

Status restore_latest(CheckpointSetup& setup) {
  SLUICE_ASSIGN_OR_RETURN(auto latest, setup.storage->find_latest());
  for (const Status& damaged : latest.damaged) {
    setup.notes.push_back("a newer checkpoint cannot be used: " + damaged.message());
  }
  if (!latest.checkpoint) {
    setup.notes.push_back("no checkpoint in " + setup.storage->directory() +
                          " yet: starting from the beginning");
    // An earlier start may have died before its first checkpoint, and left hidden output behind.
    setup.fresh_start = !setup.storage->was_used();
    return setup.fresh_start ? setup.storage->begin_fresh_run() : Status::ok();
  }
  setup.fresh_start = false;
  SLUICE_RETURN_IF_ERROR(setup.storage->begin_continued_run(latest.checkpoint->id));
  setup.restore = std::make_shared<CheckpointMetadata>(std::move(*latest.checkpoint));
  setup.restored_path = setup.storage->checkpoint_directory(setup.restore->id);
  setup.restored_from =
      "checkpoint " + std::to_string(setup.restore->id.value) + " in " + setup.storage->directory();
  return Status::ok();
}

/// A snapshot from elsewhere becomes the first checkpoint of this run, so that a crash before the
/// next one does not lose it.
Status adopt_snapshot(CheckpointSetup& setup, CheckpointMetadata metadata) {
  SLUICE_RETURN_IF_ERROR(setup.storage->begin_fresh_run());
  SLUICE_ASSIGN_OR_RETURN(const CheckpointIds ids, setup.storage->reserve_ids());
  metadata.id = ids.first;
  metadata.purpose = SnapshotPurpose::kCheckpoint;
  SLUICE_RETURN_IF_ERROR(setup.storage->publish(metadata));
  return setup.storage->release_ids({ids.first.value + 1});
}

Status restore_path(const RestoreRequest& request, CheckpointSetup& setup) {
  SLUICE_ASSIGN_OR_RETURN(CheckpointMetadata metadata, load_metadata(*setup.files, request.from));
  // Asked for by name: damage is an error, not a reason to take another one.
  SLUICE_RETURN_IF_ERROR(validate_checkpoint(*setup.files, metadata, Validation::kContents));
  if (setup.storage) {
    const auto complete = setup.storage->complete();
    const bool is_ours = std::any_of(complete.begin(), complete.end(), [&](const auto& stored) {
      return stored.id == metadata.id && metadata.purpose == SnapshotPurpose::kCheckpoint &&
             request.from.rfind(stored.directory, 0) == 0;
    });
    if (is_ours) {
      SLUICE_RETURN_IF_ERROR(setup.storage->begin_continued_run(metadata.id));
    } else {
      SLUICE_RETURN_IF_ERROR(adopt_snapshot(setup, metadata));
    }
  }
  setup.fresh_start = false;
  setup.restored_from = request.from;
  setup.restored_path = request.from;
  const bool is_savepoint = metadata.purpose == SnapshotPurpose::kSavepoint;
  if (request.claim && is_savepoint && setup.storage) setup.claimed = request.from;
  setup.restore = std::make_shared<CheckpointMetadata>(std::move(metadata));
  return Status::ok();
}

}  // namespace

Result<std::shared_ptr<const CheckpointSetup>> prepare_checkpoints(const std::string& job_name,
                                                                   const Options& options,
                                                                   const RestoreRequest& request,
                                                                   FileSystem& files,
                                                                   const Clock& clock) {
  auto setup = std::make_shared<CheckpointSetup>();
  setup->files = &files;
  setup->allow_non_restored = request.allow_non_restored;
  setup->job_id = job_directory_name(job_name) + "-" + std::to_string(clock.wall_ms());
  const bool takes_checkpoints = options.get(options::kCheckpointInterval).count() > 0;
  const bool needs_storage = takes_checkpoints || request.from == kLatest;
  if (needs_storage) SLUICE_RETURN_IF_ERROR(open_storage(job_name, options, *setup));
  if (request.from == kLatest) {
    SLUICE_RETURN_IF_ERROR(restore_latest(*setup));
  } else if (!request.from.empty()) {
    SLUICE_RETURN_IF_ERROR(restore_path(request, *setup));
  } else if (setup->storage) {
    if (setup->storage->newest_complete() > CheckpointId{}) {
      setup->notes.push_back(setup->storage->directory() +
                             " has checkpoints of an earlier run, which are left alone; "
                             "-s latest would have gone on from them");
    }
    SLUICE_RETURN_IF_ERROR(setup->storage->begin_fresh_run());
  }
  if (!takes_checkpoints) setup->storage.reset();
  return std::shared_ptr<const CheckpointSetup>(std::move(setup));
}

std::vector<std::string> assign_uids(LogicalGraph& graph) {
  std::set<std::string> taken;
  for (const auto& node : graph.nodes()) taken.insert(node->uid);
  std::vector<std::string> names;
  std::map<std::string, int> count_of_name;
  for (const auto& node : graph.nodes()) {
    if (!node->uid.empty()) continue;
    names.push_back(node->name);
    std::string uid;
    do {
      uid = node->name + "#" + std::to_string(++count_of_name[node->name]);
    } while (!taken.insert(uid).second);
    node->uid = std::move(uid);
  }
  return names;
}

Status adopt_max_parallelism(LogicalGraph& graph, const Options& options,
                             const CheckpointMetadata& restore) {
  const auto of_job = static_cast<int>(options.get(options::kMaxParallelism));
  const auto parallelism = static_cast<int>(options.get(options::kParallelism));
  for (const auto& node : graph.nodes()) {
    const OperatorState* stored = restore.find_operator(node->uid);
    if (stored == nullptr) continue;
    const int wanted = node->max_parallelism > 0 ? node->max_parallelism : of_job;
    const int kept = stored->chains.max_parallelism;
    if (wanted > 0 && wanted != kept) {
      return Status::failed_precondition(
          "operator '" + node->name + "' was stored with max parallelism " + std::to_string(kept) +
          ", which cannot be changed to " + std::to_string(wanted));
    }
    const bool follows_job = node->parallelism == 0 && node->parallelism_max == 0;
    if (follows_job && parallelism > kept) {
      return Status::failed_precondition(
          "operator '" + node->name + "' was stored with max parallelism " + std::to_string(kept) +
          " and cannot run with parallelism " + std::to_string(parallelism));
    }
    node->max_parallelism = kept;
  }
  return Status::ok();
}

Status check_restorable(const ChainedGraph& graph, const CheckpointSetup& setup) {
  if (!setup.restore) return Status::ok();
  std::map<std::string, const ChainedVertex*> vertices;
  for (const ChainedVertex& vertex : graph.vertices) {
    for (const ChainStage& stage : vertex.stages) vertices[stage.uid] = &vertex;
  }
  for (const OperatorState& stored : setup.restore->operators) {
    if (stored.bytes() == 0) continue;
    const auto found = vertices.find(stored.chains.uid);
    if (found == vertices.end()) {
      if (setup.allow_non_restored) continue;
      return Status::failed_precondition(
          setup.restored_from + " has state of operator '" + stored.name + "' (uid '" +
          stored.chains.uid + "'), which the job does not have; -n leaves that state out");
    }
    if (found->second->max_parallelism != stored.chains.max_parallelism) {
      return Status::failed_precondition(
          "operator '" + stored.name + "' was stored with max parallelism " +
          std::to_string(stored.chains.max_parallelism) + " and now runs in a chain with " +
          std::to_string(found->second->max_parallelism));
    }
  }
  return Status::ok();
}

std::string job_directory_name(const std::string& job_name) {
  std::string name;
  for (const char c : job_name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    name += plain ? c : '_';
  }
  if (name == job_name && !name.empty()) return name;
  // Two names that look the same after this stay two directories.
  return name + "-" + std::to_string(XXH3_64bits(job_name.data(), job_name.size()) % 1'000'000);
}

}  // namespace sluice
