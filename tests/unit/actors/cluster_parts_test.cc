// The plain parts of a cluster's processes: what they remember, and who leads.
#include <doctest/doctest.h>

#include "actors/control_codec.h"
#include "actors/job_identity.h"
#include "actors/job_store.h"
#include "actors/leader_epoch.h"
#include "core/crc32c.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

TEST_CASE("leader_epoch: each JobManager takes the next epoch; a second one at a time is refused") {
  const ScratchDirectory scratch;
  const ManualClock clock(77);
  FileSystem& files = local_file_system();
  const std::string directory = scratch / "ha";
  {
    const auto first = take_leadership(files, directory, "a", clock);
    REQUIRE(first.is_ok());
    CHECK(first->epoch == 1);
    const auto second = take_leadership(files, directory, "b", clock);
    CHECK(second.status().code() == StatusCode::kFailedPrecondition);
    CHECK(second.status().message().find("another JobManager leads") != std::string::npos);
  }
  const auto next = take_leadership(files, directory, "c", clock);
  REQUIRE(next.is_ok());
  CHECK(next->epoch == 2);
  CHECK(*files.read_file(directory + "/epoch-2") == "c\n");
}

TEST_CASE("leader_epoch: an epoch that somebody else made meanwhile is not taken twice") {
  const ScratchDirectory scratch;
  const ManualClock clock;
  FileSystem& files = local_file_system();
  REQUIRE(files.write_file_atomically(scratch / "epoch-41", "x").is_ok());
  const auto leadership = take_leadership(files, scratch.path(), "a", clock);
  REQUIRE(leadership.is_ok());
  CHECK(leadership->epoch == 42);
}

TEST_CASE("leader_epoch: without a directory the epoch is the time") {
  const ManualClock clock(1234);
  const auto leadership = take_leadership(local_file_system(), "", "a", clock);
  REQUIRE(leadership.is_ok());
  CHECK(leadership->epoch == 1234);
}

TEST_CASE("job_store: a started job is known as running, an ended one with its result") {
  const ScratchDirectory scratch;
  JobStore store(local_file_system(), scratch.path());
  CHECK_FALSE(store.find("a job/with signs")->has_value());
  REQUIRE(store.started("a job/with signs").is_ok());
  auto record = store.find("a job/with signs");
  REQUIRE(record.is_ok());
  REQUIRE(record->has_value());
  CHECK_FALSE((*record)->ended);
  JobResult result;
  result.job = "a job/with signs";
  result.status = JobStatus::kCancelled;
  result.error = Status::user_function("map (1/2): bad");
  result.records_in = 5;
  result.seconds = 1.25;
  result.accumulators["n"] = 3;
  REQUIRE(store.ended(result).is_ok());
  record = store.find("a job/with signs");
  REQUIRE(record.is_ok());
  CHECK((*record)->ended);
  CHECK((*record)->result.to_json() == result.to_json());
}

TEST_CASE("job_store: a damaged record is an error that names the file, not a new job") {
  const ScratchDirectory scratch;
  JobStore store(local_file_system(), scratch.path());
  REQUIRE(store.started("j").is_ok());
  REQUIRE(local_file_system().write_file_atomically(scratch / "jobs/j", "junk").is_ok());
  const auto record = store.find("j");
  CHECK(record.status().code() == StatusCode::kCorruption);
  CHECK(record.status().message().find("jobs/j") != std::string::npos);
}

TEST_CASE("job_identity: another argument or another graph is another job; both are named") {
  LogicalGraph one;
  LogicalNode node;
  node.name = "a";
  one.add_node(std::move(node));
  LogicalGraph other;
  node = LogicalNode();
  node.name = "b";
  other.add_node(std::move(node));
  CHECK(identity_of(one, {"--x", "1"}) == identity_of(one, {"--x", "1"}));
  CHECK_FALSE(identity_of(one, {"--x", "1"}) == identity_of(one, {"--x", "2"}));
  CHECK_FALSE(identity_of(one, {}) == identity_of(other, {}));
  const std::string text = identity_of(one, {"--x", "1"}).to_text();
  CHECK(text.find("arguments '--x 1'") != std::string::npos);
  CHECK(text.find("build ") != std::string::npos);
  CHECK(make_incarnation() != make_incarnation());
  CHECK(make_incarnation().size() == 32);
}

TEST_CASE("control_codec: the details of a task come back as they were, as many as fit") {
  TaskDetails details;
  details.looked = 1234;
  InputChannelLook& input = details.inputs.emplace_back();
  input.input = 1;
  input.queued = 7;
  input.watermark = 55;
  input.since = 66;
  input.state = TimeState::kUnaligned;
  input.blocked = true;
  OutputChannelLook& output = details.outputs.emplace_back();
  output.credit = 3;
  output.watermark = kMinTime.ms;
  details.splits.push_back({std::string("a\0b", 3), 1, 2, 3, 4, TimeState::kPaused});
  details.splits_finished = 9;
  details.waits_for_split = true;
  proto::TaskDetails wire;
  to_proto(details, wire);
  const TaskDetails back = from_proto(wire);
  CHECK(back.looked == 1234);
  REQUIRE(back.inputs.size() == 1);
  CHECK(back.inputs[0].input == 1);
  CHECK(back.inputs[0].queued == 7);
  CHECK(back.inputs[0].watermark == 55);
  CHECK(back.inputs[0].since == 66);
  CHECK(back.inputs[0].state == TimeState::kUnaligned);
  CHECK(back.inputs[0].blocked);
  REQUIRE(back.outputs.size() == 1);
  CHECK(back.outputs[0].credit == 3);
  CHECK(back.outputs[0].watermark == kMinTime.ms);
  REQUIRE(back.splits.size() == 1);
  CHECK(back.splits[0].id == std::string("a\0b", 3));
  CHECK(back.splits[0].watermark == 1);
  CHECK(back.splits[0].since == 2);
  CHECK(back.splits[0].records == 3);
  CHECK(back.splits[0].last_record == 4);
  CHECK(back.splits[0].state == TimeState::kPaused);
  CHECK(back.splits_finished == 9);
  CHECK(back.waits_for_split);
  wire.mutable_inputs(0)->set_state(99);  // Of a newer version.
  CHECK(from_proto(wire).inputs[0].state == TimeState::kNoData);
  CHECK(activity_of(99) == TaskActivity::kNone);
  CHECK(activity_of(static_cast<int>(TaskActivity::kBusy)) == TaskActivity::kBusy);
  details.splits.resize(3 * kSplitsShownMax);
  proto::TaskDetails large;
  to_proto(details, large);
  CHECK(large.splits_size() == kSplitsShownMax);
}

TEST_CASE("control_codec: statuses, barriers and snapshots come back as they were") {
  proto::StatusInfo info;
  to_proto(Status::unavailable("gone"), info);
  CHECK(from_proto(info).to_string() == Status::unavailable("gone").to_string());
  CHECK(from_proto(info).retry() == Retry::kWithBackoff);
  info.Clear();
  CHECK(from_proto(info).is_ok());
  info.set_code(99);
  CHECK(from_proto(info).code() == StatusCode::kInternal);

  SnapshotOutcome outcome;
  outcome.id = CheckpointId{7};
  outcome.stats.alignment_ms = 3;
  outcome.stats.full_bytes = 10;
  auto snapshot = std::make_shared<TaskSnapshot>();
  SnapshotFile file;
  file.path = "/data/checkpoints/job/shared/chk-7-x";
  file.size = 10;
  file.identity = {CheckpointId{7}, "uid", 2, 4, 128, true};
  file.entries = 4;
  SnapshotFile inlined;
  inlined.inline_bytes = std::string("a\0b", 3);
  inlined.size = 3;
  inlined.crc32c = crc32c(inlined.inline_bytes);
  inlined.identity = {CheckpointId{6}, "uid", 2, 4, 128, false};
  snapshot->operators.push_back({"uid", "window", {{inlined, file}, true}});
  snapshot->operators.push_back({"empty", "map", {}});
  outcome.snapshot = snapshot;
  proto::CheckpointAcknowledged message;
  to_proto(outcome, {VertexId{1}, 2}, message);
  const auto back = from_proto(message, {VertexId{1}, 2});
  REQUIRE(back.is_ok());
  CHECK(back->id == CheckpointId{7});
  CHECK(back->stats.alignment_ms == 3);
  REQUIRE(back->snapshot->operators.size() == 2);
  const SnapshotChain& chain = back->snapshot->operators[0].chain;
  CHECK(chain.finished);
  REQUIRE(chain.files.size() == 2);
  CHECK(chain.files[0].inline_bytes == inlined.inline_bytes);
  CHECK(chain.files[1].path == file.path);
  CHECK(chain.files[1].identity == file.identity);
  CHECK(back->snapshot->operators[1].chain.files.empty());
}

}  // namespace
}  // namespace sluice
