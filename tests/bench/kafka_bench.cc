// Kafka source and sink against librdkafka alone, at the same broker, on messages of 175 bytes; and
// the time from a message's birth to a read_committed reader. tests/bench/kafka_bench.py runs these
// in turns and compares.
//
//   kafka_bench BROKERS KIND MESSAGES TOPIC     {"rate": messages per second}
//   kafka_bench BROKERS latency RATE SECONDS INTERVAL_MS
//
// Kinds that write: plain_producer, streamed, exactly_once_job, at_least_once_job; they make the
// topic. Kinds that read it: plain_consumer, source_job. `drop` deletes it.
// Rates count from the first call to the last confirmation: for jobs the whole run, start-up and
// last checkpoint included.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <librdkafka/rdkafka.h>

#include "api/execute.h"
#include "api/stream.h"
#include "connectors/blackhole_sink.h"
#include "connectors/kafka/kafka_producer.h"
#include "connectors/kafka/kafka_sink.h"
#include "connectors/kafka/kafka_source.h"
#include "core/file_system.h"
#include "state/checkpoint_history.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

constexpr size_t kMessageBytes = 175;
constexpr int32_t kPartitions = 4;
constexpr size_t kFetchMessages = 1024;
constexpr int kWaitMs = 60'000;

using BenchClock = std::chrono::steady_clock;
double seconds_since(BenchClock::time_point begin) {
  return std::chrono::duration<double>(BenchClock::now() - begin).count();
}
void bench_check(bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "kafka_bench: %s\n", what.c_str());
  std::exit(1);
}

std::string bench_message(int64_t number) {
  std::string text = std::to_string(number);
  text.resize(kMessageBytes, 'x');
  return text;
}

class Bench {
 public:
  explicit Bench(std::string brokers) : brokers_(std::move(brokers)) {
    auto opened = KafkaCluster::open(properties());
    bench_check(opened.is_ok(), opened.status().to_string());
    cluster_ = std::move(opened).value();
  }

  KafkaProperties properties() const {
    KafkaProperties properties;
    properties.set("bootstrap.servers", brokers_);
    return properties;
  }
  const std::string& brokers() const { return brokers_; }
  void make(const std::string& topic) {
    const Status made = cluster_->create_topic(topic, kPartitions);
    bench_check(made.is_ok(), made.to_string());
    for (int i = 0; i < 1000 && !cluster_->topic(topic).is_ok(); ++i) {
    }
  }
  void drop(const std::string& topic) {
    const Status dropped = cluster_->delete_topic(topic);
    bench_check(dropped.is_ok(), dropped.to_string());
  }

  /// A plain idempotent producer: what the sink's own settings make of librdkafka.
  double plain_producer(const std::string& topic, int64_t messages) {
    return producer(topic, messages, "");
  }
  /// One transaction each second: what a sink would do that writes while it computes.
  double transactional_producer(const std::string& topic, int64_t messages) {
    return producer(topic, messages, topic + "-streamed");
  }
  double plain_consumer(const std::string& topic, int64_t messages);
  double source_job(const std::string& topic, int64_t messages);
  double sink_job(const std::string& topic, int64_t messages, bool exactly_once);

 private:
  double producer(const std::string& topic, int64_t messages, const std::string& transactional_id);

  std::string brokers_;
  std::unique_ptr<KafkaCluster> cluster_;
};

double Bench::producer(const std::string& topic, int64_t messages,
                       const std::string& transactional_id) {
  KafkaProperties settings = producer_properties(properties());
  const bool transactional = !transactional_id.empty();
  if (transactional) settings.set("transactional.id", transactional_id);
  settings.set("delivery.report.only.error", "true");
  KafkaProducer producer;
  bench_check(producer.open(settings, topic, nullptr).is_ok(), "open");
  rd_kafka_t* client = producer.client().get();
  const auto ok = [](rd_kafka_error_t* error) {
    bench_check(error == nullptr, error == nullptr ? "" : rd_kafka_error_string(error));
  };
  if (transactional) ok(rd_kafka_init_transactions(client, kWaitMs));
  const std::string message = bench_message(0);
  KafkaFrame frame;
  frame.has_value = true;
  frame.value = message;
  const auto begin = BenchClock::now();
  auto transaction_begin = begin;
  if (transactional) ok(rd_kafka_begin_transaction(client));
  for (int64_t i = 0; i < messages; ++i) {
    for (;;) {
      const auto outcome = producer.produce(frame);
      bench_check(outcome.is_ok(), outcome.status().to_string());
      if (*outcome == KafkaProducer::Outcome::kTaken) break;
      rd_kafka_poll(client, 1);
    }
    if (transactional && i % 1000 == 0 && seconds_since(transaction_begin) > 1) {
      ok(rd_kafka_commit_transaction(client, kWaitMs));
      ok(rd_kafka_begin_transaction(client));
      transaction_begin = BenchClock::now();
    }
  }
  bench_check(producer.flush(Duration(kWaitMs)).is_ok(), "flush");
  if (transactional) ok(rd_kafka_commit_transaction(client, kWaitMs));
  return static_cast<double>(messages) / seconds_since(begin);
}

// As librdkafka's own consumer benchmark: batches from one queue, counted and dropped.
double Bench::plain_consumer(const std::string& topic, int64_t messages) {
  KafkaSourceSettings settings;
  settings.properties = properties();
  auto opened = KafkaClient::open(RD_KAFKA_CONSUMER, settings.consumer_properties());
  bench_check(opened.is_ok(), opened.status().to_string());
  rd_kafka_t* client = (*opened)->get();
  rd_kafka_poll_set_consumer(client);
  const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_get_consumer(client));
  const KafkaOwned<rd_kafka_topic_partition_list_t> list(
      rd_kafka_topic_partition_list_new(kPartitions));
  for (int32_t id = 0; id < kPartitions; ++id) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), id)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
  }
  const auto begin = BenchClock::now();
  bench_check(rd_kafka_assign(client, list.get()) == RD_KAFKA_RESP_ERR_NO_ERROR, "assign");
  std::vector<rd_kafka_message_t*> batch(kFetchMessages);
  int64_t seen = 0;
  size_t bytes = 0;
  while (seen < messages) {
    const ssize_t count =
        rd_kafka_consume_batch_queue(queue.get(), 100, batch.data(), batch.size());
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = batch[static_cast<size_t>(i)];
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        ++seen;
        bytes += message->len;
      }
      rd_kafka_message_destroy(message);
    }
  }
  const double rate = static_cast<double>(messages) / seconds_since(begin);
  bench_check(bytes == static_cast<size_t>(messages) * kMessageBytes, "bytes are missing");
  return rate;
}

double Bench::source_job(const std::string& topic, int64_t messages) {
  StreamEnvironment env;
  env.set_parallelism(1);
  env.from_source(kafka_source(TextFormat()).brokers(brokers_).topics({topic}).bounded())
      .sink_to(blackhole());
  const auto begin = BenchClock::now();
  const auto result = env.execute("kafka_source");
  const double rate = static_cast<double>(messages) / seconds_since(begin);
  bench_check(result.is_ok() && result->error.is_ok() && result->records_in == messages,
              "the source job failed");
  return rate;
}

double Bench::sink_job(const std::string& topic, int64_t messages, bool exactly_once) {
  const ScratchDirectory directory;
  StreamEnvironment env;
  env.set_parallelism(1);
  env.set_option("execution.checkpointing.interval", "1s");
  env.set_option("execution.checkpointing.dir", directory.path());
  auto sink = kafka_sink(TextFormat()).brokers(brokers_).topic(topic).without_timestamps();
  if (exactly_once) sink.exactly_once();
  env.generator(messages,
                [](int64_t /*number*/) {
                  static const std::string message = bench_message(0);
                  return Text::view(message);
                })
      .sink_to(sink)
      .uid("out");
  const auto begin = BenchClock::now();
  const auto result = env.execute(topic);
  const double rate = static_cast<double>(messages) / seconds_since(begin);
  bench_check(result.is_ok() && result->error.is_ok(), "the sink job failed");
  return rate;
}

double rate_of(Bench& bench, const std::string& kind, int64_t messages, const std::string& topic) {
  if (kind == "plain_consumer") return bench.plain_consumer(topic, messages);
  if (kind == "source_job") return bench.source_job(topic, messages);
  bench.make(topic);
  if (kind == "plain_producer") return bench.plain_producer(topic, messages);
  if (kind == "streamed") return bench.transactional_producer(topic, messages);
  bench_check(kind == "exactly_once_job" || kind == "at_least_once_job", "no kind '" + kind + "'");
  return bench.sink_job(topic, messages, kind == "exactly_once_job");
}

// ---- latency ------------------------------------------------------------------------------------

int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(BenchClock::now().time_since_epoch())
      .count();
}

// Writes messages that begin with the time of their birth, evenly.
void latency_feed(Bench& bench, const std::string& topic, int64_t rate, int64_t messages) {
  KafkaProducer producer;
  KafkaProperties settings = producer_properties(bench.properties());
  settings.set("linger.ms", "1");
  bench_check(producer.open(settings, topic, nullptr).is_ok(), "open");
  const auto begin = BenchClock::now();
  for (int64_t i = 0; i < messages; ++i) {
    if (i % (rate / 1000 + 1) == 0) {
      (void)producer.poll().is_ok();
      const auto due = begin + std::chrono::microseconds(i * 1'000'000 / rate);
      std::this_thread::sleep_until(due);  // tidy:allow(sleep): an even rate is what is measured.
    }
    const std::string text = bench_message(now_us());
    KafkaFrame frame;
    frame.has_value = true;
    frame.value = text;
    bench_check(producer.produce(frame).is_ok(), "produce");
  }
  bench_check(producer.flush(Duration(kWaitMs)).is_ok(), "flush");
}

// While a job starts nothing is read, and the first transactions find a broker that has not run
// that code yet. What was born in this time is in the figures of the whole run alone.
constexpr int64_t kWarmUpUs = 5'000'000;

struct Latencies {
  std::vector<int64_t> us;

  std::string to_json() {
    bench_check(!us.empty(), "no latencies");
    std::sort(us.begin(), us.end());
    const auto at = [&](double share) {
      return std::to_string(us[static_cast<size_t>(share * static_cast<double>(us.size() - 1))] /
                            1000);
    };
    return "{\"p50_ms\":" + at(0.5) + ",\"p90_ms\":" + at(0.9) + ",\"p99_ms\":" + at(0.99) +
           ",\"max_ms\":" + at(1) + "}";
  }
};

// The median of the job's checkpoints.
int64_t checkpoint_ms(const std::string& directory) {
  const auto jobs = local_file_system().list(directory);
  bench_check(jobs.is_ok() && jobs->size() == 1, "one job's checkpoints in " + directory);
  const auto history = CheckpointHistory::read(local_file_system(), jobs->front().path);
  bench_check(history.is_ok() && !history->empty(), "a history of checkpoints in " + directory);
  std::vector<int64_t> durations;
  for (const CheckpointRecord& record : *history) durations.push_back(record.stats.duration_ms());
  std::sort(durations.begin(), durations.end());
  return durations[durations.size() / 2];
}

void latency(Bench& bench, int64_t rate, int64_t seconds, int64_t interval_ms) {
  const std::string in = "latency-in-" + std::to_string(rate);
  const std::string out = "latency-out-" + std::to_string(rate);
  bench.make(in);
  bench.make(out);
  const int64_t messages = rate * seconds;
  const ScratchDirectory directory;
  StreamEnvironment env;
  env.set_parallelism(1);
  env.set_option("execution.checkpointing.interval", std::to_string(interval_ms) + "ms");
  env.set_option("execution.checkpointing.dir", directory.path());
  env.from_source(kafka_source(TextFormat()).brokers(bench.brokers()).topics({in}))
      .sink_to(kafka_sink(TextFormat())
                   .brokers(bench.brokers())
                   .topic(out)
                   .exactly_once()
                   .without_timestamps())
      .uid("out");
  std::thread job([&] { (void)env.execute("latency").is_ok(); });
  std::thread feed([&] { latency_feed(bench, in, rate, messages); });
  KafkaSourceSettings settings;
  settings.properties = bench.properties();
  settings.topics = {out};
  KafkaConsumer consumer;
  bench_check(consumer.open(settings.consumer_properties(), nullptr).is_ok(), "open");
  for (int32_t id = 0; id < kPartitions; ++id) {
    bench_check(consumer.add({.partition = {out, id}}).is_ok(), "assign");
  }
  Latencies whole_run;
  Latencies warm;
  whole_run.us.reserve(static_cast<size_t>(messages));
  warm.us.reserve(static_cast<size_t>(messages));
  const int64_t warm_us = now_us() + kWarmUpUs;
  for (int64_t seen = 0; seen < messages;) {
    const auto run = consumer.next_run(kFetchMessages);
    bench_check(run.is_ok(), run.status().to_string());
    if (run->split < 0) {
      // tidy:allow(sleep): a reader that polls each millisecond.
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    const int64_t now = now_us();
    for (const KafkaMessage& message : run->messages) {
      const int64_t born = std::strtoll(message.value.data(), nullptr, 10);
      whole_run.us.push_back(now - born);
      if (born >= warm_us) warm.us.push_back(now - born);
    }
    seen += static_cast<int64_t>(run->messages.size());
    (void)consumer.take(run->messages.size());
  }
  feed.join();
  std::printf(
      "{\"rate\":%lld,\"seconds\":%lld,\"interval_ms\":%lld,\"checkpoint_ms\":%lld,"
      "\"warm_up_s\":%lld,\"after_warm_up\":%s,\"whole_run\":%s}\n",
      static_cast<long long>(rate), static_cast<long long>(seconds),
      static_cast<long long>(interval_ms), static_cast<long long>(checkpoint_ms(directory.path())),
      static_cast<long long>(kWarmUpUs / 1'000'000), warm.to_json().c_str(),
      whole_run.to_json().c_str());
  std::fflush(stdout);
  // The job reads for ever; what it has written is committed and measured.
  std::_Exit(0);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 4 && words[1] == "drop") {
    sluice::Bench(words[0]).drop(words[3]);
    return 0;
  }
  if (words.size() == 4) {
    sluice::Bench bench(words[0]);
    std::printf("{\"rate\":%.0f}\n",
                sluice::rate_of(bench, words[1], std::stoll(words[2]), words[3]));
    return 0;
  }
  if (words.size() == 5 && words[1] == "latency") {
    sluice::Bench bench(words[0]);
    sluice::latency(bench, std::stoll(words[2]), std::stoll(words[3]), std::stoll(words[4]));
  }
  std::fprintf(stderr,
               "usage: kafka_bench BROKERS KIND MESSAGES TOPIC | "
               "BROKERS latency RATE SECONDS INTERVAL_MS\n");
  return 2;
}
