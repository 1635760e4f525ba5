// The job of audit_test.py: numbered records through keyed state into a topic, exactly once.
//
// Input: key and a number as text. Output: the same key, "number,count" where count is how many
// records of the key there were up to this one, so that lost or repeated state shows as well as
// lost or repeated records.
#include "api/stream.h"
#include "connectors/kafka/kafka_sink.h"
#include "connectors/kafka/kafka_source.h"

namespace jobs {
namespace {

using namespace sluice;  // NOLINT: a job speaks the API's language.

struct Item {
  Text key;
  int64_t number = 0;
  int64_t count = 0;
};
SLUICE_RECORD(Item, key, number, count);

class CountPerKey : public KeyedProcessFunction<Text, Item, Item> {
 public:
  void open(RuntimeContext& context) override {
    count_ = context.get_state(ValueStateDescriptor<int64_t>{"count"});
  }
  void process_element(const Item& item, Context& /*context*/, Collector<Item>& out) override {
    const int64_t* before = count_.get();
    const int64_t count = before == nullptr ? 1 : *before + 1;
    count_.update(count);
    out.collect({item.key, item.number, count});
  }

 private:
  ValueState<int64_t> count_;
};

/// The value, with the key in it.
struct ItemFormat {
  using Record = Item;
  class Writer {
   public:
    explicit Writer(const ItemFormat& /*format*/) {}
    void append(const Item& item, std::string& out) {
      out += std::to_string(item.number) + "," + std::to_string(item.count);
    }
  };
};

SLUICE_JOB(audit_job) {
  const std::string brokers = args.text("brokers", "127.0.0.1:9092", "bootstrap servers");
  const std::string input = args.text("input-topic", "in", "numbered records");
  const std::string output = args.text("output-topic", "out", "counted records");
  const std::string timeout = args.text("transaction-timeout-ms", "3000", "of the sink");
  const auto epoch_bytes =
      args.get<int64_t>("epoch-bytes", 64 << 20, "that ask for a checkpoint", at_least<int64_t>(1));
  const bool allow_repeats = args.flag("allow-repeats", "write what may be there already");
  auto source = kafka_source(KafkaRawFormat()).brokers(brokers).topics({input}).group_id("audit");
  source.discovery(args.duration("discovery", 30s, "how often partitions are looked for"));
  if (args.flag("bounded", "end where the topic ends")) source.bounded();
  auto items = env.from_source(source)
                   .uid("in")
                   .map([](const KafkaRow& row) {
                     return Item{row.key.value_or(Text()), std::stoll(row.value->str()), 0};
                   })
                   .uid("parse");
  items.key_by(&Item::key)
      .process(CountPerKey())
      .uid("count")
      .sink_to(kafka_sink(ItemFormat())
                   .brokers(brokers)
                   .topic(output)
                   .exactly_once()
                   .epoch_bytes(static_cast<size_t>(epoch_bytes))
                   .allow_repeats(allow_repeats)
                   .property("transaction.timeout.ms", timeout)
                   .key([](const Item& item) { return item.key; }))
      .uid("out");
}

}  // namespace
}  // namespace jobs
