// The job of audit_test.py: numbers 0, 1, 2, ... over one keyed exchange, each checked against what
// its key has seen, to files. Every number must come out once, with the next count of its key and
// after all smaller ones of it.
//
//   --rows N, --rate N   how many, how many a second
//   --output DIR         rows "id,key,count,in_order"
//   --stuck-at N --stuck-marker FILE   the first task to get N never comes back; FILE remembers
//   that
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "api/stream.h"
#include "connectors/files/file_sink.h"
#include "connectors/generator.h"
#include "core/random.h"

namespace {

using namespace sluice;

struct Number {
  int64_t id = 0;
  int64_t key = 0;
};
SLUICE_RECORD(Number, id, key);

struct Audited {
  int64_t id = 0;
  int64_t key = 0;
  int64_t count = 0;
  int64_t in_order = 0;
};
SLUICE_RECORD(Audited, id, key, count, in_order);

/// The splits of a generator that began at parallelism 2 or 4: numbers of a key come from one.
constexpr int64_t kLanes = 4;
constexpr int64_t kBlockRows = 1000;
constexpr uint64_t kKeysPerLane = 50;

Number number(int64_t n) {
  const auto spread = static_cast<int64_t>(splitmix64(static_cast<uint64_t>(n)) % kKeysPerLane);
  return {n, spread * kLanes + (n / kBlockRows) % kLanes};
}

class Audit final : public KeyedProcessFunction<int64_t, Number, Audited> {
 public:
  Audit(int64_t stuck_at, std::string marker) : stuck_at_(stuck_at), marker_(std::move(marker)) {}
  void open(RuntimeContext& context) override {
    count_ = context.get_state(ValueStateDescriptor<int64_t>{"count"});
    last_ = context.get_state(ValueStateDescriptor<int64_t>{"last"});
  }
  void process_element(const Number& number, Context& /*context*/,
                       Collector<Audited>& out) override {
    if (number.id == stuck_at_ && !std::filesystem::exists(marker_)) {
      std::ofstream(marker_) << "stuck\n";
      for (volatile bool spins = true; spins;) {
      }
    }
    const int64_t* count = count_.get();
    const int64_t* last = last_.get();
    const bool in_order = last == nullptr || *last < number.id;
    const int64_t next = count == nullptr ? 1 : *count + 1;
    count_.update(next);
    last_.update(number.id);
    out.collect({number.id, number.key, next, in_order ? 1 : 0});
  }

 private:
  const int64_t stuck_at_;
  const std::string marker_;
  ValueState<int64_t> count_;
  ValueState<int64_t> last_;
};

SLUICE_JOB(audit) {
  GeneratorOptions options;
  options.count = args.get<int64_t>("rows", 100'000, "rows in all");
  options.rows_per_second = args.get<int64_t>("rate", 0, "rows a second, 0 = all");
  const auto stuck_at = args.get<int64_t>("stuck-at", -1, "this number is not come back from");
  const auto marker = args.get<std::string>("stuck-marker", "", "file that remembers that");
  env.from_source(generate(options, number))
      .uid("numbers")
      .key_by(&Number::key)
      .process(Audit{stuck_at, marker})
      .uid("audit")
      .sink_to(csv_files(args.path("output")))
      .uid("results");
}

}  // namespace
