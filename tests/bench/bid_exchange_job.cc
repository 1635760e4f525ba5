// The job of cluster_bench.py: Bid-like records of about 175 bytes over one keyed exchange, each
// counted in keyed state, to a sink that keeps nothing.
//
//   --rows N      rows in all (2000000)
//   --keys N      different keys (1000000)
//   --rate N      rows a second, 0 = as many as possible
//   --hops N      further exchanges behind the count, each with as many tasks (0)
//   --latency F   each counting task writes to F-SUBTASK how many microseconds records took to it
//   from
//                 the source of another process: their number, median, 99th percentile and maximum
#include <fstream>
#include <string>
#include <unistd.h>

#include "api/stream.h"
#include "connectors/blackhole_sink.h"
#include "connectors/generator.h"
#include "core/clock.h"
#include "core/metrics.h"
#include "core/random.h"

namespace {

using namespace sluice;

struct BidLike {
  int64_t auction = 0;
  int64_t bidder = 0;
  int64_t price = 0;
  EventTime time;
  Text channel;
  Text url;
  Text extra;
};
SLUICE_RECORD(BidLike, auction, bidder, price, time, channel, url, extra);

struct Seen {
  int64_t auction = 0;
  int64_t count = 0;
};
SLUICE_RECORD(Seen, auction, count);

class Count final : public KeyedProcessFunction<int64_t, BidLike, Seen> {
 public:
  explicit Count(std::string latency_file) : latency_file_(std::move(latency_file)) {}
  Count(const Count& other) : latency_file_(other.latency_file_) {}
  void open(RuntimeContext& context) override {
    count_ = context.get_state(ValueStateDescriptor<int64_t>{"count"});
    subtask_ = context.subtask();
  }
  void close() override {
    if (latency_file_.empty()) return;
    std::ofstream(latency_file_ + "-" + std::to_string(subtask_))
        << latency_us_.count() << " " << latency_us_.quantile(0.5) << " "
        << latency_us_.quantile(0.99) << " " << latency_us_.max() << "\n";
  }
  void process_element(const BidLike& bid, Context& /*context*/, Collector<Seen>& out) override {
    if (!latency_file_.empty() && bid.bidder != ::getpid()) {
      latency_us_.record((system_clock().steady_ns() - bid.price) / 1000);
    }
    const int64_t* before = count_.get();
    const int64_t count = before == nullptr ? 1 : *before + 1;
    count_.update(count);
    out.collect({bid.auction, count});
  }

 private:
  const std::string latency_file_;
  int subtask_ = 0;
  Histogram latency_us_;
  ValueState<int64_t> count_;
};

SLUICE_JOB(bid_exchange) {
  GeneratorOptions options;
  options.count = args.get<int64_t>("rows", 2'000'000, "rows in all");
  options.rows_per_second = args.get<int64_t>("rate", 0, "rows a second, 0 = all");
  const auto keys = static_cast<uint64_t>(args.get<int64_t>("keys", 1'000'000, "keys"));
  const auto hops = args.get<int64_t>("hops", 0, "further exchanges");
  const std::string latency = args.text("latency", "", "files for latencies");
  const bool stamps = !latency.empty();
  auto seen =
      env.from_source(
             generate(options,
                      [keys, stamps](int64_t n) {
                        BidLike bid;
                        bid.auction =
                            static_cast<int64_t>(splitmix64(static_cast<uint64_t>(n)) % keys);
                        bid.bidder = stamps ? ::getpid() : n % 1000;
                        bid.price = stamps ? system_clock().steady_ns() : n % 10'000;
                        bid.time = EventTime{n / 100};
                        bid.channel = Text("channel-of-the-bid");
                        bid.url = Text("https://www.nexmark.com/item.htm?query=1&channel_id=7");
                        bid.extra = Text("some more bytes as the benchmark has them in it");
                        return bid;
                      }))
          .uid("bids")
          .key_by(&BidLike::auction)
          .process(Count(latency))
          .uid("count");
  for (int64_t hop = 0; hop < hops; ++hop) {
    seen =
        seen.rebalance().map([](const Seen& one) { return one; }).uid("hop-" + std::to_string(hop));
  }
  seen.sink_to(blackhole());
}

}  // namespace
