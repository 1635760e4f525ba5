// How often each word occurs.
//
//   bazel run //jobs:word_count -- --input FILE_OR_DIR --output out
//
// Words are maximal runs of ASCII letters, in lower case. Writes CSV parts word,count when the
// input has ended.
#include "api/stream.h"
#include "connectors/files/file_sink.h"
#include "connectors/files/file_source.h"

namespace jobs {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

struct WordCount {
  Text word;
  int64_t count = 0;
};
SLUICE_RECORD(WordCount, word, count);

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

void split_words(const Text& line, Collector<WordCount>& out) {
  std::string word;
  const std::string_view text = line.view();
  for (size_t i = 0; i < text.size(); ++i) {
    if (!is_letter(text[i])) continue;
    word.clear();
    for (; i < text.size() && is_letter(text[i]); ++i) {
      word.push_back(static_cast<char>(text[i] | 0x20));
    }
    out.collect({Text(word), 1});
  }
}

SLUICE_JOB(word_count) {
  const std::string input = args.path("input", "text file, directory or glob");
  const std::string output = args.path("output", "directory for the counts");
  const auto rate = args.get<int64_t>("rate", 0, "lines per second to read at most; 0 = no limit",
                                      at_least<int64_t>(0));
  const bool overwrite = args.flag("overwrite", "replace the results of an earlier run");

  env.from_source(text_file(input).rows_per_second(rate))
      .uid("lines")
      .flat_map<WordCount>(split_words)
      .name("split")
      .key_by(&WordCount::word)
      .window(GlobalWindows::create())
      .trigger(EventTimeTrigger())  // The window of all time ends with the input.
      .reduce([](const WordCount& a, const WordCount& b) {
        return WordCount{a.word, a.count + b.count};
      })
      .name("count")
      .uid("counts")
      .sink_to(csv_files<WordCount>(output).overwrite(overwrite))
      .uid("results");
}

}  // namespace
}  // namespace jobs
