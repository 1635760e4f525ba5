#include "connectors/files/file_sink.h"

#include <algorithm>
#include <csignal>
#include <sys/resource.h>

#include <doctest/doctest.h>

#include "connectors/files/file_source.h"
#include "core/memory_file_system.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

using Strings = std::vector<std::string>;

struct Flight {
  EventTime scheduled;
  int32_t delay_min = 0;
  int32_t distance_mi = 0;
  Text origin;
  Text destination;
};
SLUICE_RECORD(Flight, scheduled, delay_min, distance_mi, origin, destination);

struct Word {
  Text word;
  int64_t count = 0;
};
SLUICE_RECORD(Word, word, count);

// A writer of one subtask, as the engine drives it.
template <class T>
class Writing {
 public:
  explicit Writing(const Sink<T>& sink, int subtask = 0, int parallelism = 1, Strings restored = {},
                   int attempt = 0)
      : writer_(sink.create_writer()) {
    context_.task.subtask = subtask;
    context_.task.parallelism = parallelism;
    context_.task.attempt = attempt;
    context_.clock = &clock;
    context_.restored = std::move(restored);
    open_status = writer_->open(context_);
  }

  Status write(const std::vector<T>& records) {
    auto batch = TypedBatch<T>::make(static_cast<uint32_t>(records.size()));
    for (const T& record : records) batch->push_copy(record);
    uint32_t row = 0;
    const auto state = writer_->write(*batch, row);
    if (!state.is_ok()) return state.status();
    CHECK(*state == WriteState::kDone);
    CHECK(row == batch->rows());
    return Status::ok();
  }
  std::vector<Committable> prepare(int64_t checkpoint) {
    auto prepared = writer_->prepare_commit(CheckpointId{checkpoint});
    REQUIRE_MESSAGE(prepared.is_ok(), prepared.status().to_string());
    std::vector<Committable> committables;
    for (auto& data : *prepared) {
      committables.push_back({std::move(data), CheckpointId{checkpoint}, context_.task.subtask});
    }
    return committables;
  }
  Strings state(int64_t checkpoint) {
    return writer_->snapshot_state(CheckpointId{checkpoint}).value();
  }
  SinkWriter<T>& writer() { return *writer_; }

  ManualClock clock;
  Status open_status;

 private:
  SinkContext context_;
  std::unique_ptr<SinkWriter<T>> writer_;
};

template <class T>
std::vector<CommitOutcome> commit_all(const Sink<T>& sink,
                                      const std::vector<Committable>& committables,
                                      std::string* error = nullptr) {
  auto committer = sink.create_committer();
  std::vector<CommitOutcome> outcomes;
  for (const auto& committable : committables) {
    std::string text;
    outcomes.push_back(committer->commit(committable, text));
    if (error != nullptr) *error = text;
  }
  return outcomes;
}

Strings names_in(FileSystem& files, const std::string& directory) {
  Strings names;
  const auto found = files.list_recursively(directory);
  REQUIRE(found.is_ok());
  for (const auto& info : *found) names.push_back(info.path.substr(directory.size() + 1));
  return names;
}

constexpr auto kCommitted = CommitOutcome::kCommitted;
constexpr auto kAlreadyCommitted = CommitOutcome::kAlreadyCommitted;
constexpr auto kFailedKnown = CommitOutcome::kFailedKnown;

TEST_CASE("file_sink: parts are hidden until they are committed") {
  MemoryFileSystem files;
  const auto sink = csv_files<Word>("out").file_system(files);
  REQUIRE(sink.validate(true).is_ok());
  Writing<Word> writing(sink);
  REQUIRE(writing.write({{"a", 1}, {"b,c", 2}}).is_ok());
  CHECK(names_in(files, "out") == Strings{".part-0-0.csv.inprogress.0.0"});
  const auto committables = writing.prepare(0);
  CHECK(names_in(files, "out") == Strings{".part-0-0.csv.finished"});
  writing.writer().close();
  CHECK(commit_all(sink, committables) == std::vector{kCommitted});
  CHECK(names_in(files, "out") == Strings{"part-0-0.csv"});
  CHECK(files.read_file("out/part-0-0.csv").value() == "word,count\na,1\n\"b,c\",2\n");
}

TEST_CASE("file_sink: without rows there is no file") {
  MemoryFileSystem files;
  const auto sink = csv_files<Word>("out").file_system(files);
  Writing<Word> writing(sink);
  CHECK(writing.prepare(0).empty());
  CHECK(names_in(files, "out").empty());
}

TEST_CASE("file_sink: json lines and text parts") {
  MemoryFileSystem files;
  const auto json = json_lines_files<Word>("json").file_system(files);
  Writing<Word> json_writing(json);
  REQUIRE(json_writing.write({{"a\n", 1}}).is_ok());
  commit_all(json, json_writing.prepare(0));
  CHECK(files.read_file("json/part-0-0.jsonl").value() == "{\"word\":\"a\\n\",\"count\":1}\n");
  const auto text = text_files<Text>("text").file_system(files);
  Writing<Text> text_writing(text);
  REQUIRE(text_writing.write({"one", "", "two"}).is_ok());
  commit_all(text, text_writing.prepare(0));
  CHECK(files.read_file("text/part-0-0.txt").value() == "one\n\ntwo\n");
}

TEST_CASE("file_sink: a description makes the sink for the stream's record type") {
  MemoryFileSystem files;
  const auto sink = csv_files("out").file_system(files).overwrite().make_sink<Word>();
  CHECK(sink->name() == "csv_files(out)");
  files.put("out/part-0-0.csv", "old\n");
  CHECK(sink->validate(true).is_ok());
  CHECK(names_in(files, "out").empty());
}

TEST_CASE("file_sink: parts roll by size and by age") {
  MemoryFileSystem files;
  RollingPolicy policy;
  policy.bytes_max = PartFiles::kBufferBytes;
  policy.age_max = Duration(1000);
  const auto sink = text_files<Text>("out").file_system(files).rolling(policy);
  Writing<Text> writing(sink);
  const Text line(std::string(9999, 'x'));
  for (int i = 0; i < 100; ++i) REQUIRE(writing.write({line}).is_ok());
  CHECK(names_in(files, "out").size() == 4);
  writing.clock.advance(Duration(999));
  REQUIRE(writing.write({"a"}).is_ok());
  CHECK(names_in(files, "out").size() == 4);
  writing.clock.advance(Duration(1));
  REQUIRE(writing.write({"b"}).is_ok());
  REQUIRE(writing.write({"c"}).is_ok());
  CHECK(names_in(files, "out").size() == 5);
  commit_all(sink, writing.prepare(1));
  size_t bytes = 0;
  for (const auto& name : names_in(files, "out")) bytes += files.stat("out/" + name)->size;
  CHECK(bytes == 100 * 10'000 + 6);
}

TEST_CASE("file_sink: semantics rule 32: a commit may be repeated and is done once") {
  MemoryFileSystem files;
  const auto sink = text_files<Text>("out").file_system(files);
  Writing<Text> writing(sink);
  REQUIRE(writing.write({"a"}).is_ok());
  const auto committables = writing.prepare(1);
  CHECK(commit_all(sink, committables) == std::vector{kCommitted});
  CHECK(commit_all(sink, committables) == std::vector{kAlreadyCommitted});
  std::string error;
  REQUIRE(files.remove("out/part-0-0.txt").is_ok());
  CHECK(commit_all(sink, committables, &error) == std::vector{kFailedKnown});
  CHECK(error == "neither out/.part-0-0.txt.inprogress.0.0 nor out/part-0-0.txt is there");
  files.put("out/part-0-0.txt", "another's");
  files.put("out/.part-0-0.txt.inprogress.0.0", "ours");
  CHECK(commit_all(sink, committables, &error) == std::vector{kFailedKnown});
  CHECK(files.read_file("out/part-0-0.txt").value() == "another's");
  CHECK(commit_all(sink, {{"nonsense", CheckpointId{1}, 0}}, &error) == std::vector{kFailedKnown});
}

TEST_CASE("file_sink: a committed part survives power loss, whenever it comes") {
  for (int failing = 0; failing < 12; ++failing) {
    MemoryFileSystem files;
    const auto sink = text_files<Text>("out").file_system(files);
    Writing<Text> writing(sink);
    REQUIRE(writing.write({"a", "b"}).is_ok());
    const auto committables = writing.prepare(1);
    // From here on the checkpoint promises the rows.
    int step = 0;
    files.set_fault([&](FileOperation, const std::string&) { return step++ == failing ? EIO : 0; });
    std::string error;
    const auto outcome = sink.create_committer()->commit(committables.at(0), error);
    CHECK((outcome == kCommitted || outcome == CommitOutcome::kRetry));
    files.set_fault(nullptr);
    files.lose_unsynced();
    const auto again = commit_all(sink, committables);
    CHECK((again[0] == kCommitted || again[0] == kAlreadyCommitted));
    CHECK(names_in(files, "out") == Strings{"part-0-0.txt"});
    CHECK(files.read_file("out/part-0-0.txt").value() == "a\nb\n");
  }
}

TEST_CASE("file_sink: close removes what was not handed out, and nothing else") {
  MemoryFileSystem files;
  const auto sink = text_files<Text>("out").file_system(files);
  Writing<Text> writing(sink);
  REQUIRE(writing.write({"a"}).is_ok());
  const auto committables = writing.prepare(1);
  REQUIRE(writing.write({"b"}).is_ok());
  CHECK(names_in(files, "out").size() == 2);
  writing.writer().close();
  CHECK(names_in(files, "out") == Strings{".part-0-0.txt.inprogress.0.0"});
  CHECK(commit_all(sink, committables) == std::vector{kCommitted});
}

TEST_CASE("file_sink: a failed job without checkpoints leaves nothing") {
  MemoryFileSystem files;
  const auto sink = text_files<Text>("out").file_system(files);
  Writing<Text> done(sink, 0, 2);
  Writing<Text> failed(sink, 1, 2);
  REQUIRE(done.write({"a"}).is_ok());
  REQUIRE(failed.write({"b"}).is_ok());
  const auto committables = done.prepare(0);
  failed.writer().close();
  done.writer().close();
  auto committer = sink.create_committer();
  REQUIRE(committer->abort_unknown(committables).is_ok());
  CHECK(names_in(files, "out").size() == 1);
  REQUIRE(committer->abort_unknown({}).is_ok());
  CHECK(names_in(files, "out").empty());
}

TEST_CASE("file_sink: semantics rule 32: what a restored checkpoint does not know is removed") {
  for (const int parallelism : {1, 2, 3, 4, 7}) {
    CAPTURE(parallelism);
    MemoryFileSystem files;
    const auto sink = text_files<Text>("out").file_system(files);
    std::vector<Committable> known;
    Strings states;
    // Three subtasks; checkpoint 5 is complete, 6 is not, more was written after it.
    for (int subtask = 0; subtask < 3; ++subtask) {
      Writing<Text> writing(sink, subtask, 3);
      const auto line = [&](const char* what) {
        REQUIRE(writing.write({Text(what + std::to_string(subtask))}).is_ok());
      };
      line("four-");
      for (auto& committable : writing.prepare(4)) known.push_back(committable);
      line("five-");
      for (auto& committable : writing.prepare(5)) known.push_back(committable);
      for (auto& state : writing.state(5)) states.push_back(state);
      line("six-");
      (void)writing.prepare(6);
      line("seven-");
      // Killed: no close().
    }
    CHECK(names_in(files, "out").size() == 12);
    // Some commits of the checkpoint came through before.
    commit_all(sink, {known[0], known[3]});
    std::vector<std::unique_ptr<Writing<Text>>> restored;
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      // Every subtask gets all states; commits come before the writer opens, but another
      // subtask's may come after it.
      restored.push_back(std::make_unique<Writing<Text>>(sink, subtask, parallelism, states, 1));
      REQUIRE(restored.back()->open_status.is_ok());
      REQUIRE(sink.create_committer()->abort_unknown({}).is_ok());
      REQUIRE(restored.back()->write({"after the restore"}).is_ok());
    }
    for (const auto outcome : commit_all(sink, known)) {
      CHECK((outcome == kCommitted || outcome == kAlreadyCommitted));
    }
    for (auto& writing : restored) {
      for (const auto outcome : commit_all(sink, writing->prepare(7))) CHECK(outcome == kCommitted);
    }
    Strings lines;
    for (const auto& name : names_in(files, "out")) {
      CHECK(name.front() != '.');
      lines.push_back(files.read_file("out/" + name).value());
    }
    std::sort(lines.begin(), lines.end());
    Strings expected(static_cast<size_t>(parallelism), "after the restore\n");
    for (const char* what : {"five-", "four-"}) {
      for (int i = 0; i < 3; ++i) expected.push_back(what + std::to_string(i) + "\n");
    }
    CHECK(lines == expected);
  }
}

TEST_CASE("file_sink: a start that no checkpoint came of leaves nothing to the next one") {
  MemoryFileSystem files;
  const auto sink = text_files<Text>("out").file_system(files);
  for (int subtask = 0; subtask < 3; ++subtask) {
    Writing<Text> killed(sink, subtask, 3);
    REQUIRE(killed.write({"lost"}).is_ok());
    (void)killed.prepare(1);
    REQUIRE(killed.write({"lost, too"}).is_ok());
  }
  CHECK(names_in(files, "out").size() == 6);
  Writing<Text> first(sink, 0, 2);
  REQUIRE(first.write({"kept"}).is_ok());
  Writing<Text> second(sink, 1, 2);
  commit_all(sink, first.prepare(2));
  CHECK(names_in(files, "out").size() == 1);
}

TEST_CASE("file_sink: going back to an older checkpoint takes back what was committed after it") {
  MemoryFileSystem files;
  const auto sink = text_files<Text>("out").file_system(files);
  // Checkpoint n of `parallelism` subtasks that go on from `states`, committed.
  const auto run = [&](const Strings& states, int parallelism, int64_t checkpoint) {
    Strings after;
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      Writing<Text> writing(sink, subtask, parallelism, states);
      REQUIRE(writing.open_status.is_ok());
      REQUIRE(writing.write({Text(std::to_string(checkpoint))}).is_ok());
      commit_all(sink, writing.prepare(checkpoint));
      for (auto& state : writing.state(checkpoint)) after.push_back(state);
    }
    return after;
  };
  const auto lines = [&] {
    std::string all;
    for (const auto& name : names_in(files, "out")) {
      all += files.read_file("out/" + name).value().substr(0, 1);
    }
    std::sort(all.begin(), all.end());
    return all;
  };
  const Strings first = run({}, 3, 1);
  // Fewer subtasks must not forget the parts of those that are gone.
  const Strings second = run(first, 1, 2);
  const Strings third = run(second, 4, 3);
  CHECK(lines() == "11123333");
  run(third, 2, 4);
  CHECK(lines() == "1112333344");
  run(second, 2, 5);
  CHECK(lines() == "111255");
  run(first, 1, 6);
  CHECK(lines() == "1116");
  // A state that was written for another directory says nothing about this one.
  const auto elsewhere = text_files<Text>("copy").file_system(files);
  files.put("copy/part-0-9", "kept\n");
  Writing<Text> writing(elsewhere, 0, 1, first);
  CHECK(names_in(files, "copy") == Strings{"part-0-9"});
}

TEST_CASE("file_sink: restored with another directory, what was written is committed where it is") {
  MemoryFileSystem files;
  const auto before = text_files<Text>("old").file_system(files);
  const auto after = text_files<Text>("new").file_system(files);
  Writing<Text> writing(before);
  std::vector<Committable> known;
  for (const int64_t checkpoint : {1, 2}) {
    REQUIRE(writing.write({"line"}).is_ok());
    for (auto& committable : writing.prepare(checkpoint)) known.push_back(committable);
  }
  commit_all(before, {known[0]});
  CHECK(commit_all(after, known) == std::vector{kAlreadyCommitted, kCommitted});
  CHECK(names_in(files, "old").size() == 2);
  for (const auto& name : names_in(files, "old")) CHECK(name.front() != '.');
  // The directory was moved as a whole: then it is found at its new place.
  for (const auto& name : names_in(files, "old")) {
    files.put("moved/" + name, files.read_file("old/" + name).value());
  }
  REQUIRE(files.remove_recursively("old").is_ok());
  const auto moved = text_files<Text>("moved").file_system(files);
  CHECK(commit_all(moved, known) == std::vector{kAlreadyCommitted, kAlreadyCommitted});
  std::string error;
  CHECK(commit_all(after, {known[0]}, &error) == std::vector{kFailedKnown});
  CHECK(error.find("new/") != std::string::npos);
}

TEST_CASE("file_sink: an output directory must be empty, or be overwritten") {
  MemoryFileSystem files;
  const auto sink = csv_files<Word>("d/out").file_system(files);
  CHECK(sink.validate(true).is_ok());
  CHECK(sink.validate(true).is_ok());
  files.put("d/out/part-0-0.csv", "old");
  files.put("d/out/part-1-0.csv", "old");
  files.put("d/out/.part-0-1.csv.inprogress.3.1", "old");
  const Status status = sink.validate(true);
  CHECK(status.code() == StatusCode::kAlreadyExists);
  CHECK(status.message() ==
        "output directory d/out is not empty: it holds .part-0-1.csv.inprogress.3.1 and 2 more "
        "(--overwrite replaces earlier output)");
  CHECK(sink.validate(false).is_ok());
  CHECK(names_in(files, "d/out").size() == 3);
  SUBCASE("overwriting removes earlier output, buckets too") {
    files.put("d/out/day=1/part-0-0.csv", "old");
    CHECK(sink.overwrite().validate(false).is_ok());
    CHECK(names_in(files, "d/out").size() == 4);
    CHECK(sink.overwrite().validate(true).is_ok());
    CHECK(files.list("d/out")->empty());
  }
  SUBCASE("but never what something else wrote, and then nothing at all") {
    for (const char* foreign : {"notes.txt", "day=1/x.csv", "part-x", ".part-0-0.csv", "part-0"}) {
      files.put(std::string("d/out/") + foreign, "mine");
      const Status refused = sink.overwrite().validate(true);
      CHECK(refused.code() == StatusCode::kAlreadyExists);
      CHECK(refused.message() == "output directory d/out is not overwritten: d/out/" +
                                     std::string(foreign) + " was not written by this sink");
      REQUIRE(files.remove(std::string("d/out/") + foreign).is_ok());
    }
    CHECK(names_in(files, "d/out").size() == 3);
  }
}

TEST_CASE("file_sink: another sink's subdirectory is neither counted nor touched") {
  MemoryFileSystem files;
  const auto sink = csv_files<Word>("out").file_system(files).allow_subdirectory("late");
  const auto late = csv_files<Word>("out/late").file_system(files);
  REQUIRE(late.validate(true).is_ok());
  REQUIRE(sink.validate(true).is_ok());
  Writing<Word> late_writing(late);
  REQUIRE(late_writing.write({{"late", 1}}).is_ok());
  const auto committables = late_writing.prepare(0);
  CHECK(sink.validate(true).is_ok());
  REQUIRE(sink.overwrite().validate(true).is_ok());
  REQUIRE(sink.create_committer()->abort_unknown({}).is_ok());
  CHECK(commit_all(late, committables) == std::vector{kCommitted});
  CHECK(names_in(files, "out") == Strings{"late/part-0-0.csv"});
  files.put("out/late2/part-0-0.csv", "x");
  CHECK(sink.validate(true).code() == StatusCode::kAlreadyExists);
}

TEST_CASE("file_sink: outputs that cannot be written to are told before anything runs") {
  MemoryFileSystem files;
  files.put("file", "x");
  CHECK(csv_files<Word>("file").file_system(files).validate(true).message() ==
        "output file is a file, not a directory");
  CHECK(csv_files<Word>("file/below").file_system(files).validate(true).code() ==
        StatusCode::kIoError);
  CHECK(csv_files<Word>("").file_system(files).validate(true).code() ==
        StatusCode::kInvalidArgument);
  files.set_fault([](FileOperation operation, const std::string&) {
    return operation == FileOperation::kOpenWrite ? EACCES : 0;
  });
  CHECK(csv_files<Word>("out").file_system(files).validate(true).message() ==
        "output directory out is not writable: create out/.sluice-probe: Permission denied");
}

TEST_CASE("file_sink: a full disk names the file and leaves nothing that looks complete") {
  MemoryFileSystem files;
  const auto sink = text_files<Text>("out").file_system(files);
  Writing<Text> writing(sink);
  files.set_capacity_bytes(1'000'000);
  Status status;
  const Text line(std::string(1000, 'x'));
  for (int i = 0; i < 2000 && status.is_ok(); ++i) status = writing.write({line});
  CHECK(status.code() == StatusCode::kResourceExhausted);
  CHECK(status.message() == "write out/.part-0-0.txt.inprogress.0.0: No space left on device");
  writing.writer().close();
  CHECK(names_in(files, "out").empty());
}

TEST_CASE("file_sink: a real file that may not grow is a clear failure too") {
  const ScratchDirectory scratch;
  const auto sink = text_files<Text>(scratch / "out");
  REQUIRE(sink.validate(true).is_ok());
  Writing<Text> writing(sink);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 300'000;
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  Status status;
  const Text line(std::string(1000, 'x'));
  for (int i = 0; i < 2000 && status.is_ok(); ++i) status = writing.write({line});
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, old_handler);
  CHECK(!status.is_ok());
  CHECK(status.message().find(".part-0-0.txt") != std::string::npos);
  CHECK(status.message().find("File too large") != std::string::npos);
  writing.writer().close();
  CHECK(local_file_system().list(scratch / "out")->empty());
}

TEST_CASE("file_sink: buckets are directories, and cannot lead out of the output") {
  MemoryFileSystem files;
  const auto sink = csv_files<Word>("out").file_system(files).allow_subdirectory("late").bucket_by(
      [](const Word& word) { return word.word; });
  Writing<Word> writing(sink);
  REQUIRE(writing.write({{"a", 1}, {"b/c", 2}, {"a", 3}, {"b/c", 4}}).is_ok());
  commit_all(sink, writing.prepare(1));
  CHECK(names_in(files, "out") == Strings{"a/part-0-0.csv", "b/c/part-0-1.csv"});
  CHECK(files.read_file("out/a/part-0-0.csv").value() == "word,count\na,1\na,3\n");
  for (const char* bad :
       {"..", "a/../../b", "/etc", "a//b", "a/", ".hidden", "late", "late/x", ""}) {
    CAPTURE(bad);
    CHECK(writing.write({{bad, 1}}).code() == StatusCode::kInvalidArgument);
  }
  SUBCASE("many at a time are bounded") {
    for (int i = 0; i < 1000; ++i) {
      REQUIRE(writing.write({{Text("k" + std::to_string(i)), i}}).is_ok());
    }
    const auto committables = writing.prepare(2);
    CHECK(committables.size() == 1000);
    for (const auto outcome : commit_all(sink, committables)) CHECK(outcome == kCommitted);
  }
}

TEST_CASE("file_sink: names of parts are read back, others are not") {
  for (const char* text :
       {"part-0-0.csv", "part-12-345.jsonl", "part-1-2", ".part-3-4.csv.inprogress.5.6",
        ".part-3-4.csv.finished", ".part-3-4.inprogress.0.0"}) {
    const auto name = PartName::parse(text);
    REQUIRE(name.has_value());
    CHECK(name->to_text() == text);
  }
  for (const char* text : {"", "part", "part-", "part-1", "part-a-1", "part-1-1csv", "xpart-1-1",
                           ".part-1-1.csv", ".part-1-1.csv.inprogress.1", "part--1-1",
                           ".part-1-1.csv.inprogress.1.2.3", "part-99999999999-0"}) {
    CAPTURE(text);
    CHECK(!PartName::parse(text).has_value());
  }
}

TEST_CASE("file_sink: real flights come out byte for byte as they went in") {
  const std::string path = "jobs/data/us_flights_2001q1.csv";
  MemoryFileSystem files;
  const auto sink = csv_files<Flight>("out").file_system(files);
  Writing<Flight> writing(sink);
  const auto source = csv_file<Flight>(path);
  auto enumerator = source.create_enumerator();
  REQUIRE(enumerator->open(1).is_ok());
  auto reader = source.create_reader();
  SourceContext context;
  context.clock = &writing.clock;
  int bad = 0;
  context.bad_record = [&](auto, auto, auto) { ++bad; };
  REQUIRE(reader->open(context).is_ok());
  REQUIRE(reader->add_split(enumerator->next(0).splits.at(0)).is_ok());
  int64_t rows = 0;
  for (PollState state = PollState::kMore; state == PollState::kMore;) {
    auto batch = TypedBatch<Flight>::make(1024);
    const auto result = reader->poll(*batch, 1024);
    REQUIRE(result.is_ok());
    state = result->state;
    rows += batch->rows();
    uint32_t row = 0;
    REQUIRE(writing.writer().write(*batch, row).is_ok());
  }
  CHECK(rows == 20'000);
  CHECK(bad == 0);
  commit_all(sink, writing.prepare(0));
  CHECK(bool(files.read_file("out/part-0-0.csv").value() ==
             local_file_system().read_file(path).value()));
}

}  // namespace
}  // namespace sluice
