#include "connectors/files/file_source.h"

#include <algorithm>
#include <set>

#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include "connectors/files/find_files.h"
#include "core/memory_file_system.h"
#include "core/random.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

struct Item {
  Text name;
  int32_t number = 0;
};
SLUICE_RECORD(Item, name, number);

std::string show(const Text& text) { return text.str(); }
std::string show(const Item& item) { return item.name.str() + "=" + std::to_string(item.number); }

using Strings = std::vector<std::string>;

struct BadRecord {
  std::string place;
  std::string reason;
  std::string raw;
  friend bool operator==(const BadRecord&, const BadRecord&) = default;
};

// One reader with its context, and what came out of it.
template <class T>
class Reading {
 public:
  explicit Reading(const Source<T>& source) : reader_(source.create_reader()) {
    context_.clock = &clock;
    context_.bad_record = [this](std::string_view place, std::string_view reason,
                                 std::string_view raw) {
      bad.push_back({std::string(place), std::string(reason), std::string(raw)});
    };
    REQUIRE(reader_->open(context_).is_ok());
  }

  void add(const SourceSplit& split) { REQUIRE(reader_->add_split(split).is_ok()); }
  /// Polls once with the given limit.
  Result<PollResult> poll(uint32_t rows_max) {
    auto batch = TypedBatch<T>::make(1024);
    auto result = reader_->poll(*batch, rows_max);
    CHECK(batch->rows() <= rows_max);
    for (const auto& record : batch->values()) rows.push_back(show(record));
    return result;
  }
  /// Polls until all splits are read.
  Status drain(uint32_t rows_max = 1024) {
    while (true) {
      const auto result = poll(rows_max);
      if (!result.is_ok()) return result.status();
      if (result->state != PollState::kMore) return Status::ok();
    }
  }
  SourceReader<T>& reader() { return *reader_; }

  Strings rows;
  std::vector<BadRecord> bad;
  ManualClock clock;

 private:
  SourceContext context_;
  std::unique_ptr<SourceReader<T>> reader_;
};

template <class T>
std::vector<SourceSplit> splits_of(const Source<T>& source) {
  auto enumerator = source.create_enumerator();
  const Status status = enumerator->open(1);
  REQUIRE_MESSAGE(status.is_ok(), status.to_string());
  std::vector<SourceSplit> splits;
  while (true) {
    auto assignment = enumerator->next(0);
    for (auto& split : assignment.splits) splits.push_back(std::move(split));
    if (assignment.splits.empty()) {
      CHECK(assignment.no_more);
      return splits;
    }
  }
}

// Everything, one split after the other.
template <class T>
Strings read_all(const Source<T>& source, std::vector<BadRecord>* bad = nullptr) {
  Reading<T> reading(source);
  for (const auto& split : splits_of(source)) reading.add(split);
  REQUIRE(reading.drain().is_ok());
  if (bad != nullptr) *bad = reading.bad;
  return reading.rows;
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string zstd(std::string_view text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

TEST_CASE("file_source: line ends, empty lines, NUL and a last line without end") {
  MemoryFileSystem files;
  files.put("f", std::string_view("a\nb\r\n\n\r\nc\0d\r\re\nlast", 19));
  const auto source = text_file("f").file_system(files);
  CHECK(read_all(source) == Strings{"a", "b", "", "", std::string("c\0d\r\re", 6), "last"});
  files.put("f", "");
  CHECK(read_all(source) == Strings{});
  files.put("f", "\n");
  CHECK(read_all(source) == Strings{""});
  files.put("f", "\xEF\xBB\xBFstart\n");
  CHECK(read_all(source) == Strings{"start"});
  files.put("f", "\xEF\xBB");
  CHECK(read_all(source) == Strings{"\xEF\xBB"});
}

TEST_CASE("file_source: with every split size each line is read exactly once") {
  MemoryFileSystem files;
  std::string text;
  Strings lines;
  for (int i = 0; i < 40; ++i) {
    lines.push_back(std::string(static_cast<size_t>(i % 7), 'x') + std::to_string(i));
    text += lines.back() + (i % 5 == 0 ? "\r\n" : "\n");
  }
  for (const bool last_line_ends : {true, false}) {
    if (!last_line_ends) text.pop_back();
    files.put("f", text);
    for (uint64_t size = 1; size <= text.size() + 1; ++size) {
      CAPTURE(size);
      const auto source = text_file("f").file_system(files).split_bytes(size);
      REQUIRE(read_all(source) == lines);
    }
  }
}

TEST_CASE("file_source: csv in splits has its header read once and used by all") {
  MemoryFileSystem files;
  std::string text = "number,name\n";
  Strings rows;
  for (int i = 0; i < 30; ++i) {
    text += std::to_string(i) + ",n" + std::to_string(i) + "\n";
    rows.push_back("n" + std::to_string(i) + "=" + std::to_string(i));
  }
  files.put("f.csv", text);
  for (uint64_t size = 1; size <= text.size() + 1; ++size) {
    CAPTURE(size);
    REQUIRE(read_all(csv_file<Item>("f.csv").file_system(files).split_bytes(size)) == rows);
  }
}

TEST_CASE("file_source: splits are given out in order of path and offset") {
  MemoryFileSystem files;
  files.put("d/b", "0123456789");
  files.put("d/a", "01234");
  files.put("d/sub/c", "01");
  files.put("d/_hidden", "no");
  files.put("d/.part", "no");
  files.put("d/.tmp/x", "no");
  std::vector<std::string> ids;
  for (const auto& split : splits_of(text_file("d").file_system(files).split_bytes(4))) {
    ids.push_back(split.id);
  }
  CHECK(ids == Strings{"d/a:0-4", "d/a:4-", "d/b:0-4", "d/b:4-8", "d/b:8-", "d/sub/c:0-"});
}

TEST_CASE("file_source: a position restored after any row gives exactly the rest") {
  MemoryFileSystem files;
  std::string text = "name,number\n";
  Strings rows;
  for (int i = 0; i < 50; ++i) {
    // Rows of several lines, quotes, empty and bad lines in between.
    const std::string name = i % 3 == 0 ? "a\nb" : "x";
    text += "\"" + name + "\"," + std::to_string(i) + (i % 4 == 0 ? "\r\n" : "\n");
    if (i % 5 == 0) text += "\nbad line\n";
    rows.push_back(name + "=" + std::to_string(i));
  }
  files.put("plain.csv", text);
  files.put("packed.csv.gz", gzip(text));
  files.put("packed.csv.zst", zstd(text));
  for (const char* path : {"plain.csv", "packed.csv.gz", "packed.csv.zst"}) {
    const auto source = csv_file<Item>(path).file_system(files);
    for (size_t cut = 0; cut <= rows.size(); ++cut) {
      CAPTURE(path);
      CAPTURE(cut);
      Reading<Item> before(source);
      before.add(splits_of(source).at(0));
      while (before.rows.size() < cut) REQUIRE(before.poll(1).is_ok());
      const auto snapshot = before.reader().snapshot();
      Reading<Item> after(source);
      for (const auto& split : snapshot) after.add(split);
      REQUIRE(after.drain().is_ok());
      Strings all = before.rows;
      all.insert(all.end(), after.rows.begin(), after.rows.end());
      REQUIRE(all == rows);
      CHECK(before.bad.size() + after.bad.size() == 10);
    }
  }
}

TEST_CASE("file_source: snapshots keep unfinished splits only, with their places") {
  MemoryFileSystem files;
  files.put("f", "aa\nbb\ncc\ndd\n");
  const auto source = text_file("f").file_system(files).split_bytes(6);
  const auto splits = splits_of(source);
  REQUIRE(splits.size() == 2);
  Reading<Text> reading(source);
  for (const auto& split : splits) reading.add(split);
  REQUIRE(reading.poll(1).is_ok());
  auto snapshot = reading.reader().snapshot();
  REQUIRE(snapshot.size() == 2);
  CHECK(FileSplit::decode(snapshot[0])->position == 3);
  CHECK(FileSplit::decode(snapshot[1])->position == FileSplit::kNotStarted);
  REQUIRE(reading.drain().is_ok());
  CHECK(reading.reader().snapshot().empty());
}

TEST_CASE("file_source: each row tells its split, and the last of a split says so") {
  MemoryFileSystem files;
  files.put("a", "1\n2\n3\n");
  files.put("b", "4\n");
  const auto source = text_file("[ab]").file_system(files);
  Reading<Text> reading(source);
  for (const auto& split : splits_of(source)) reading.add(split);
  std::vector<int> ended;
  PollState state = PollState::kMore;
  while (state == PollState::kMore) {
    const size_t before = reading.rows.size();
    const auto result = reading.poll(2);
    REQUIRE(result.is_ok());
    state = result->state;
    for (size_t i = before; i < reading.rows.size(); ++i) {
      CHECK(result->split == (reading.rows[i] == "4" ? 1 : 0));
    }
    if (result->split_finished) ended.push_back(result->split);
  }
  CHECK(state == PollState::kNeedSplit);
  CHECK(ended == std::vector<int>{0, 1});
  CHECK(reading.rows == Strings{"1", "2", "3", "4"});
}

TEST_CASE("file_source: paused splits wait, others go on") {
  MemoryFileSystem files;
  files.put("a", "1\n2\n");
  files.put("b", "3\n4\n");
  const auto source = text_file("?").file_system(files);
  Reading<Text> reading(source);
  for (const auto& split : splits_of(source)) reading.add(split);
  REQUIRE(reading.poll(1).is_ok());
  reading.reader().pause_splits({0});
  REQUIRE(reading.drain().is_ok());
  CHECK(reading.rows == Strings{"1", "3", "4"});
  CHECK(reading.poll(1)->state == PollState::kNothingYet);
  reading.reader().pause_splits({});
  REQUIRE(reading.drain().is_ok());
  CHECK(reading.rows == Strings{"1", "3", "4", "2"});
}

TEST_CASE("file_source: bad records tell file, line and bytes, and reading goes on") {
  MemoryFileSystem files;
  files.put("d/f.csv", "name,number\r\na,1\r\n\r\nb,x\r\nc,3\r\nd\r\n\"e,5\r\nf,6\r\n");
  std::vector<BadRecord> bad;
  for (const uint64_t size : {1, 5, 12, 20, 1000}) {
    CAPTURE(size);
    const auto source = csv_file<Item>("d/f.csv").file_system(files).split_bytes(size);
    CHECK(read_all(source, &bad) == Strings{"a=1", "c=3", "f=6"});
    REQUIRE(bad.size() == 3);
    CHECK(bad[0] ==
          BadRecord{"d/f.csv:4", "column number: \"x\" is not an integer of 32 bits", "b,x"});
    CHECK(bad[1] == BadRecord{"d/f.csv:6", "1 column instead of 2", "d"});
    CHECK(bad[2].place == "d/f.csv:7");
    CHECK(bad[2].raw == "\"e,5");
    CHECK(bad[2].reason.find("quoted cell is") != std::string::npos);
  }
}

TEST_CASE("file_source: line numbers are right in any split and in compressed files") {
  std::string text;
  std::set<std::string> expected;
  for (int i = 1; i <= 30'000; ++i) {
    const bool is_bad = i % 4999 == 0;
    text += is_bad ? "{\"name\":1}\n" : "{\"name\":\"some text\",\"number\":1}\n";
    if (is_bad) expected.insert(std::to_string(i));
  }
  MemoryFileSystem files;
  files.put("f", text);
  files.put("g.gz", gzip(text));
  files.put("z.zst", zstd(text));
  for (const char* path : {"f", "g.gz", "z.zst"}) {
    auto source = json_lines_file<Item>(path).file_system(files).split_bytes(100'000);
    std::set<std::string> found;
    for (const auto& split : splits_of(source)) {
      Reading<Item> reading(source);
      reading.add(split);
      REQUIRE(reading.drain().is_ok());
      for (const auto& bad : reading.bad) {
        CHECK(bad.place.starts_with(std::string(path) + ":"));
        found.insert(bad.place.substr(bad.place.find(':') + 1));
        CHECK(bad.raw == "{\"name\":1}");
      }
    }
    CHECK(found == expected);
  }
}

TEST_CASE("file_source: lines beyond the limit are bad records and cost one line") {
  MemoryFileSystem files;
  const std::string huge(700'000, 'h');
  files.put("f", "a\n" + huge + "\nb\n" + huge);
  files.put("g.gz", gzip("a\n" + huge + "\nb\n" + huge));
  for (const char* path : {"f", "g.gz"}) {
    std::vector<BadRecord> bad;
    auto source = text_file(path).file_system(files);
    CHECK(read_all(source) == Strings{"a", huge, "b", huge});
    CHECK(read_all(source.line_bytes_max(600'000), &bad) == Strings{"a", "b"});
    REQUIRE(bad.size() == 2);
    CHECK(bad[0].place == std::string(path) + ":2");
    CHECK(bad[0].reason == "a line of more than 600000 bytes");
    CHECK(bad[0].raw == huge.substr(0, LineReader::kTooLongShownBytes));
    CHECK(bad[1].place == std::string(path) + ":4");
    CHECK(read_all(source.line_bytes_max(1), &bad) == Strings{"a", "b"});
  }
}

TEST_CASE("file_source: cells with line ends where a file is read in one piece") {
  MemoryFileSystem files;
  files.put("f.csv",
            "name,number\n\"a\nb\",1\n\"c\n\nd\n\",2\n\"e\r\nf\",bad\n\"g\",4\n\"h\ni\",5");
  std::vector<BadRecord> bad;
  const auto source = csv_file<Item>("f.csv").file_system(files);
  CHECK(read_all(source, &bad) == Strings{"a\nb=1", "c\n\nd\n=2", "g=4", "h\ni=5"});
  REQUIRE(bad.size() == 1);
  CHECK(bad[0].place == "f.csv:8");
  CHECK(bad[0].raw == "\"e\r\nf\",bad");
  SUBCASE("a large file is read in one piece when told so") {
    const auto whole =
        csv_file<Item>("f.csv", {.multiline = true}).file_system(files).split_bytes(8);
    CHECK(splits_of(whole).size() == 1);
    CHECK(read_all(whole).size() == 4);
  }
  SUBCASE("in a file of several splits they are bad records, never wrong ones") {
    const auto cut = source.split_bytes(8);
    CHECK(read_all(cut, &bad) == Strings{"g=4"});
    CHECK(bad.front().reason.find("CsvOptions::multiline") != std::string::npos);
  }
  SUBCASE("longer than the limit") {
    CHECK(read_all(source.spanning_bytes_max(8), &bad) == Strings{"a\nb=1", "g=4", "h\ni=5"});
  }
}

TEST_CASE("file_source: a quote that is never closed costs one line, not the file") {
  MemoryFileSystem files;
  std::string text = "name,number\na,1\n\"b,2\n";
  for (int i = 0; i < 100'000; ++i) text += "c,3\n";
  files.put("f.csv", text);
  std::vector<BadRecord> bad;
  CHECK(read_all(csv_file<Item>("f.csv").file_system(files), &bad).size() == 100'001);
  REQUIRE(bad.size() == 1);
  CHECK(bad[0] == BadRecord{"f.csv:3", "a quoted cell is never closed", "\"b,2"});
}

TEST_CASE("file_source: gzip and zstd by their content, several members, any block size") {
  MemoryFileSystem files;
  Random random(3);
  std::string text;
  Strings lines;
  while (text.size() < 2'000'000) {
    lines.emplace_back(random.below(200), static_cast<char>('a' + random.below(26)));
    text += lines.back() + "\n";
  }
  const std::string first = text.substr(0, 700'001);
  const std::string second = text.substr(700'001);
  files.put("a.gz", gzip(text));
  files.put("b.gz", gzip(first) + gzip("") + gzip(second));
  files.put("c", gzip(text));
  files.put("d.zst", zstd(text));
  files.put("e.zst", zstd(first) + zstd("") + zstd(second));
  files.put("f", zstd(text));
  for (const char* path : {"a.gz", "b.gz", "c", "d.zst", "e.zst", "f"}) {
    CAPTURE(path);
    const auto source = text_file(path).file_system(files).split_bytes(1000);
    CHECK(splits_of(source).size() == 1);
    CHECK(bool(read_all(source) == lines));
  }
}

TEST_CASE("file_source: damaged and truncated compressed files are an error with the path") {
  MemoryFileSystem files;
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i * 7919) + "\n";
  for (const bool is_gzip : {true, false}) {
    const std::string packed = is_gzip ? gzip(text) : zstd(text);
    const std::string path = is_gzip ? "d/f.gz" : "d/f.zst";
    for (const bool truncate : {true, false}) {
      std::string broken = packed;
      if (truncate) broken.resize(packed.size() - 20);
      if (!truncate) broken[packed.size() / 2] ^= 0x40;
      files.put(path, broken);
      const auto source = text_file(path).file_system(files);
      // The look before the start may see it already.
      Status status = source.create_enumerator()->open(1);
      if (status.is_ok()) {
        Reading<Text> reading(source);
        reading.add(splits_of(source).at(0));
        status = reading.drain();
      }
      CAPTURE(status.to_string());
      CHECK(status.code() == StatusCode::kCorruption);
      CHECK(status.message().find(path) != std::string::npos);
    }
    files.put(path, "just text");
    auto enumerator = text_file(path).file_system(files).create_enumerator();
    CHECK(enumerator->open(1).code() == StatusCode::kCorruption);
  }
}

TEST_CASE("file_source: a bad input is told before anything runs") {
  MemoryFileSystem files;
  files.put("d/_only_hidden", "x");
  files.put("f.csv", "name,other\n1,2\n");
  files.put("good/a.csv", "name,number\n");
  files.put("good/b.csv", "");
  const auto problem = [&](const auto& source) {
    const Status status = source.file_system(files).create_enumerator()->open(1);
    return std::string(status_code_name(status.code())) + " | " + status.message();
  };
  CHECK(problem(text_file("missing")) == "not found | no such file or directory: missing");
  CHECK(problem(text_file("d")) == "not found | no files in directory d");
  CHECK(problem(text_file("d/*.csv")) == "not found | no files match d/*.csv");
  CHECK(problem(csv_file<Item>("f.csv")) ==
        "invalid argument | f.csv: missing column number (the header has: name, other)");
  CHECK(problem(csv_file<Item>("good")) ==
        "invalid argument | good/b.csv: missing columns name, number (the header has: )");
  CHECK(problem(text_file("f.csv").split_bytes(0)) ==
        "invalid argument | the split size of f.csv is 0");
  files.set_fault([](FileOperation operation, const std::string& path) {
    return operation == FileOperation::kOpenRead && path == "f.csv" ? EACCES : 0;
  });
  CHECK(problem(text_file("f.csv")) == "io error | open f.csv: Permission denied");
}

TEST_CASE("file_source: an I/O error while reading ends the job with the path") {
  MemoryFileSystem files;
  files.put("f", std::string(1'000'000, '\n'));
  const auto source = text_file("f").file_system(files);
  Reading<Text> reading(source);
  reading.add(splits_of(source).at(0));
  REQUIRE(reading.poll(10).is_ok());
  files.set_fault([](FileOperation operation, const std::string&) {
    return operation == FileOperation::kRead ? EIO : 0;
  });
  CHECK(reading.drain().message() == "read f: Input/output error");
}

TEST_CASE("file_source: a file that became shorter than the position is an error") {
  MemoryFileSystem files;
  files.put("f", "one\ntwo\n");
  const auto source = text_file("f").file_system(files);
  Reading<Text> reading(source);
  reading.add(splits_of(source).at(0));
  REQUIRE(reading.poll(1).is_ok());
  files.put("f", "o\n");
  Reading<Text> again(source);
  for (const auto& split : reading.reader().snapshot()) again.add(split);
  CHECK(again.drain().code() == StatusCode::kCorruption);
}

TEST_CASE("file_source: watching a directory gives each new file once, in order") {
  MemoryFileSystem files;
  files.put("d/b", "1\n");
  const auto source = text_file("d").file_system(files).monitor_continuously(1s);
  CHECK(!source.is_bounded());
  auto enumerator = source.create_enumerator();
  CHECK(enumerator->discovery_interval() == Duration(1000));
  REQUIRE(enumerator->open(2).is_ok());
  const auto next_id = [&](SplitEnumerator& from) {
    const auto assignment = from.next(0);
    CHECK(!assignment.no_more);
    return assignment.splits.empty() ? "" : assignment.splits[0].id;
  };
  CHECK(next_id(*enumerator) == "d/b:0-");
  CHECK(next_id(*enumerator) == "");
  files.put("d/c", "2\n");
  files.put("d/a", "3\n");
  files.put("d/empty", "");
  files.put("d/.part-0-0.csv.inprogress.0.0", "no\n");
  REQUIRE(enumerator->discover().is_ok());
  REQUIRE(enumerator->discover().is_ok());
  CHECK(next_id(*enumerator) == "d/a:0-");
  SUBCASE("and goes on after a restore") {
    auto restored = source.create_enumerator();
    REQUIRE(restored->restore(enumerator->snapshot()).is_ok());
    REQUIRE(restored->open(3).is_ok());
    files.put("d/d", "4\n");
    REQUIRE(restored->discover().is_ok());
    CHECK(next_id(*restored) == "d/c:0-");
    CHECK(next_id(*restored) == "d/d:0-");
    CHECK(next_id(*restored) == "");
  }
  SUBCASE("and an empty file counts when it has content") {
    CHECK(next_id(*enumerator) == "d/c:0-");
    files.put("d/empty", "5\n");
    REQUIRE(enumerator->discover().is_ok());
    CHECK(next_id(*enumerator) == "d/empty:0-");
  }
  SUBCASE("an empty directory is no error, a missing one is") {
    REQUIRE(files.make_directories("new").is_ok());
    const auto on = [&](const char* path) {
      return text_file(path).file_system(files).monitor_continuously(1s).create_enumerator();
    };
    CHECK(on("new")->open(1).is_ok());
    CHECK(on("gone")->open(1).message() == "no such directory: gone");
  }
}

TEST_CASE("file_source: the enumerator's state at any point gives the remaining splits once") {
  MemoryFileSystem files;
  for (const char* path : {"d/a", "d/b", "d/c"}) files.put(path, "0123456789");
  const auto source = text_file("d").file_system(files).split_bytes(3);
  const size_t total = splits_of(source).size();
  for (size_t cut = 0; cut <= total; ++cut) {
    auto before = source.create_enumerator();
    REQUIRE(before->open(1).is_ok());
    Strings ids;
    std::vector<SourceSplit> returned;
    for (size_t i = 0; i < cut; ++i) {
      auto splits = before->next(0).splits;
      if (i % 3 == 2) {
        returned.push_back(splits.at(0));
      } else {
        ids.push_back(splits.at(0).id);
      }
    }
    before->add_back(returned);
    auto after = source.create_enumerator();
    REQUIRE(after->restore(before->snapshot()).is_ok());
    REQUIRE(after->open(5).is_ok());
    for (auto rest = after->next(1); !rest.no_more; rest = after->next(1)) {
      ids.push_back(rest.splits.at(0).id);
    }
    CHECK(ids.size() == total);
    CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == total);
  }
  auto broken = source.create_enumerator();
  CHECK(broken->restore("nonsense").code() == StatusCode::kCorruption);
}

TEST_CASE("file_source: patterns") {
  CHECK(matches_pattern("a/b.csv", "a/*.csv"));
  CHECK(!matches_pattern("a/b/c.csv", "a/*.csv"));
  CHECK(matches_pattern("a/b/c.csv", "a/**.csv"));
  CHECK(matches_pattern("a/b/c.csv", "a/**/c.csv"));
  CHECK(matches_pattern("a/c.csv", "a/**/c.csv"));
  CHECK(matches_pattern("f7", "f[0-9]"));
  CHECK(!matches_pattern("fx", "f[0-9]"));
  CHECK(matches_pattern("fx", "f[!0-9]"));
  CHECK(matches_pattern("f]", "f[]]"));
  CHECK(!matches_pattern("f/", "f?"));
  CHECK(!matches_pattern("f", "f?"));
  CHECK(!matches_pattern("fa", "f[a"));
  CHECK(matches_pattern("", "*"));
  MemoryFileSystem files;
  files.put("d/2001/a.csv", "x");
  files.put("d/2002/b.csv", "x");
  files.put("d/2002/c.txt", "x");
  files.put("d/2003/_d.csv", "x");
  files.put("star*", "x");
  const auto found = [&](const char* pattern) {
    Strings paths;
    const auto infos = find_files(files, pattern);
    for (const auto& info : *infos) paths.push_back(info.path);
    return paths;
  };
  CHECK(found("d/*/*.csv") == Strings{"d/2001/a.csv", "d/2002/b.csv"});
  CHECK(found("d/200[2-3]/*") == Strings{"d/2002/b.csv", "d/2002/c.txt"});
  CHECK(found("**.txt") == Strings{"d/2002/c.txt"});
  CHECK(found("star*") == Strings{"star*"});
  CHECK(found("d/2003/_d.csv") == Strings{"d/2003/_d.csv"});
  CHECK(found("d/") == Strings{"d/2001/a.csv", "d/2002/b.csv", "d/2002/c.txt"});
}

TEST_CASE("file_source: texts live in the batch's own arena, bounded per poll") {
  MemoryFileSystem files;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::string(1000, 'x') + "\n";
  files.put("f", text);
  const auto source = text_file("f").file_system(files);
  auto reader = source.create_reader();
  const ManualClock clock;
  SourceContext context;
  context.clock = &clock;
  REQUIRE(reader->open(context).is_ok());
  REQUIRE(reader->add_split(splits_of(source).at(0)).is_ok());
  auto batch = TypedBatch<Text>::make(1'000'000);
  REQUIRE(reader->poll(*batch, 1'000'000).is_ok());
  CHECK(batch->rows() > 10);
  CHECK(batch->own_arena().used_bytes() <= Batch::kTextBytesMax + 1000);
  const auto first = (*batch)[0];
  while (reader->poll(*TypedBatch<Text>::make(1024), 1024)->state == PollState::kMore) {
  }
  reader.reset();
  CHECK(first.str() == std::string(1000, 'x'));
}

TEST_CASE("file_source: a rate is kept, and the reader says when to come back") {
  MemoryFileSystem files;
  files.put("f", std::string(10'000, '\n'));
  const auto source = text_file("f").file_system(files).rows_per_second(1000);
  Reading<Text> reading(source);
  reading.add(splits_of(source).at(0));
  for (int ms = 0; ms < 2000; ++ms) {
    REQUIRE(reading.poll(1024).is_ok());
    reading.clock.advance(Duration(1));
  }
  CHECK(reading.rows.size() >= 1990);
  CHECK(reading.rows.size() <= 2010);
  while (reading.poll(1024)->state == PollState::kMore) {
  }
  CHECK(reading.reader().next_poll_ms() > reading.clock.wall_ms());
  CHECK(reading.reader().next_poll_ms() <= reading.clock.wall_ms() + 3);
}

TEST_CASE("file_source: the real disk") {
  const ScratchDirectory scratch;
  FileSystem& files = local_file_system();
  REQUIRE(files.make_directories(scratch / "in/deep").is_ok());
  REQUIRE(files.write_file_atomically(scratch / "in/b.txt", "3\n").is_ok());
  REQUIRE(files.write_file_atomically(scratch / "in/a.txt", "1\n2\n").is_ok());
  REQUIRE(files.write_file_atomically(scratch / "in/deep/c.txt.gz", gzip("4\n5\n")).is_ok());
  CHECK(read_all(text_file(scratch / "in")) == Strings{"1", "2", "3", "4", "5"});
  CHECK(read_all(text_file(scratch / "in/*.txt")) == Strings{"1", "2", "3"});
}

}  // namespace
}  // namespace sluice
