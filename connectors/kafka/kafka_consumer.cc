#include "connectors/kafka/kafka_consumer.h"

#include <algorithm>
#include <array>

#include "connectors/kafka/kafka_client.h"

namespace sluice {
namespace {

constexpr size_t kFetchMessages = 1024;

}  // namespace

// Messages in the order in which they came, from `next` on not yet taken.
struct KafkaConsumer::Chunk {
  std::vector<rd_kafka_message_t*> messages;
  std::vector<KafkaMessage> views;  // Of messages[next...], built run by run.
  size_t next = 0;

  bool is_empty() const { return next == messages.size(); }
  void drop(size_t count) {
    for (const size_t end = next + count; next < end; ++next) {
      rd_kafka_message_destroy(messages[next]);
    }
    if (is_empty()) {
      messages.clear();
      next = 0;
    }
  }
};

struct KafkaConsumer::Impl {
  std::unique_ptr<KafkaClient> client;
  KafkaOwned<rd_kafka_queue_t> queue;
  std::function<void()> wake;
  Chunk fetched;
  Chunk* current = nullptr;  // Of the run given last.
  int current_split = -1;
  // The last answer of split_of(): runs are long.
  const void* cached_topic = nullptr;
  int32_t cached_partition = -1;
  int cached_split = -1;
  // Splits without anything to read, to be reported.
  std::vector<int> finished_unseen;
};

KafkaConsumer::KafkaConsumer() = default;
KafkaConsumer::~KafkaConsumer() { close(); }

Status KafkaConsumer::open(const KafkaProperties& properties, std::function<void()> wake) {
  impl_ = std::make_unique<Impl>();
  impl_->wake = std::move(wake);
  SLUICE_ASSIGN_OR_RETURN(impl_->client, KafkaClient::open(RD_KAFKA_CONSUMER, properties));
  rd_kafka_t* client = impl_->client->get();
  // One queue for messages and background errors.
  rd_kafka_poll_set_consumer(client);
  impl_->queue.reset(rd_kafka_queue_get_consumer(client));
  SLUICE_CHECK(impl_->queue != nullptr);
  if (impl_->wake) {
    rd_kafka_queue_cb_event_enable(
        impl_->queue.get(),
        [](rd_kafka_t* /*client*/, void* opaque) { static_cast<Impl*>(opaque)->wake(); },
        impl_.get());
  }
  return Status::ok();
}

void KafkaConsumer::close() {
  if (!impl_) return;
  if (impl_->queue) rd_kafka_queue_cb_event_enable(impl_->queue.get(), nullptr, nullptr);
  impl_->fetched.drop(impl_->fetched.messages.size() - impl_->fetched.next);
  for (State& state : states_) {
    if (state.held) state.held->drop(state.held->messages.size() - state.held->next);
  }
  impl_->queue.reset();
  impl_.reset();
}

Status KafkaConsumer::add(const KafkaSplit& split) {
  const int index = static_cast<int>(splits_.size());
  splits_.push_back(split);
  states_.emplace_back();
  ++unfinished_;
  if (split.next >= split.end) {
    states_.back().finished = true;
    --unfinished_;
    impl_->finished_unseen.push_back(index);
    return Status::ok();
  }
  const KafkaOwned<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), split.partition.topic.c_str(), split.partition.id)
      ->offset = split.next == KafkaSplit::kEarliest ? RD_KAFKA_OFFSET_BEGINNING : split.next;
  const KafkaOwned<rd_kafka_error_t> error(
      rd_kafka_incremental_assign(impl_->client->get(), list.get()));
  if (error) {
    return Status::internal("kafka: assign " + to_text(split.partition) + ": " +
                            rd_kafka_error_string(error.get()));
  }
  return Status::ok();
}

void KafkaConsumer::pause(const std::vector<int>& paused) {
  for (size_t i = 0; i < states_.size(); ++i) {
    State& state = states_[i];
    const bool wanted =
        std::find(paused.begin(), paused.end(), static_cast<int>(i)) != paused.end();
    if (state.paused == wanted || state.finished) continue;
    state.paused = wanted;
    const KafkaOwned<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(list.get(), splits_[i].partition.topic.c_str(),
                                      splits_[i].partition.id);
    // Cannot fail for an assigned partition; a message that comes all the same is held back.
    if (wanted) {
      rd_kafka_pause_partitions(impl_->client->get(), list.get());
    } else {
      rd_kafka_resume_partitions(impl_->client->get(), list.get());
      if (impl_->wake) impl_->wake();
    }
  }
}

Status KafkaConsumer::fetch() {
  Chunk& chunk = impl_->fetched;
  chunk.messages.resize(kFetchMessages);
  chunk.next = 0;
  const ssize_t count = rd_kafka_consume_batch_queue(impl_->queue.get(), /*timeout_ms=*/0,
                                                     chunk.messages.data(), kFetchMessages);
  chunk.messages.resize(count < 0 ? 0 : static_cast<size_t>(count));
  if (count < 0) return impl_->client->failure(rd_kafka_last_error(), "fetch");
  return chunk.messages.empty() ? impl_->client->lasting_error() : Status::ok();
}

Result<KafkaConsumer::Run> KafkaConsumer::next_run(size_t messages_max) {
  impl_->current = nullptr;
  if (!impl_->finished_unseen.empty()) {
    Run run;
    run.split = impl_->finished_unseen.back();
    run.finished = true;
    impl_->finished_unseen.pop_back();
    return run;
  }
  for (State& state : states_) {
    if (!state.held || state.paused) continue;
    if (!state.held->is_empty()) return run_of(*state.held, messages_max);
    state.held.reset();
  }
  if (impl_->fetched.is_empty()) SLUICE_RETURN_IF_ERROR(fetch());
  return run_of(impl_->fetched, messages_max);
}

int KafkaConsumer::split_of(const void* topic, int32_t partition) {
  if (topic == impl_->cached_topic && partition == impl_->cached_partition) {
    return impl_->cached_split;
  }
  const char* name = rd_kafka_topic_name(static_cast<const rd_kafka_topic_t*>(topic));
  for (size_t i = 0; i < splits_.size(); ++i) {
    if (splits_[i].partition.id == partition && splits_[i].partition.topic == name) {
      impl_->cached_topic = topic;
      impl_->cached_partition = partition;
      impl_->cached_split = static_cast<int>(i);
      return impl_->cached_split;
    }
  }
  return -1;
}

Result<KafkaConsumer::Run> KafkaConsumer::run_of(Chunk& chunk, size_t messages_max) {
  Run run;
  while (!chunk.is_empty()) {
    const rd_kafka_message_t* first = chunk.messages[chunk.next];
    if (first->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      SLUICE_RETURN_IF_ERROR(handle_event(chunk, run));
      if (run.finished) return run;
      continue;
    }
    const int split = split_of(first->rkt, first->partition);
    if (split < 0 || states_[static_cast<size_t>(split)].finished) {
      chunk.drop(1);
      continue;
    }
    if (states_[static_cast<size_t>(split)].paused) {
      hold_back(chunk, split);
      continue;
    }
    const KafkaSplit& position = splits_[static_cast<size_t>(split)];
    if (first->offset < position.next) {  // Delivered again after a resume.
      chunk.drop(1);
      continue;
    }
    if (first->offset >= position.end) {
      finish(split);
      chunk.drop(1);
      run.split = split;
      run.finished = true;
      return run;
    }
    chunk.views.clear();
    for (size_t i = chunk.next; i < chunk.messages.size() && chunk.views.size() < messages_max;
         ++i) {
      const rd_kafka_message_t* message = chunk.messages[i];
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || message->rkt != first->rkt ||
          message->partition != first->partition || message->offset >= position.end) {
        break;
      }
      rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
      const int64_t time_ms = rd_kafka_message_timestamp(message, &kind);
      chunk.views.push_back({.topic = position.partition.topic,
                             .partition = message->partition,
                             .offset = message->offset,
                             .timestamp = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
                                              ? kNoTimestamp
                                              : EventTime{time_ms},
                             .key = {static_cast<const char*>(message->key), message->key_len},
                             .value = {static_cast<const char*>(message->payload), message->len},
                             .has_key = message->key != nullptr,
                             .has_value = message->payload != nullptr,
                             .handle = message});
    }
    run.split = split;
    run.messages = chunk.views;
    impl_->current = &chunk;
    impl_->current_split = split;
    return run;
  }
  return run;
}

bool KafkaConsumer::take(size_t count) {
  if (count == 0) return false;
  SLUICE_CHECK(impl_->current != nullptr && count <= impl_->current->views.size());
  KafkaSplit& position = splits_[static_cast<size_t>(impl_->current_split)];
  position.next = impl_->current->views[count - 1].offset + 1;
  impl_->current->drop(count);
  impl_->current = nullptr;
  if (position.next < position.end) return false;
  finish(impl_->current_split);
  return true;
}

Status KafkaConsumer::handle_event(Chunk& chunk, Run& run) {
  const rd_kafka_message_t* event = chunk.messages[chunk.next];
  const rd_kafka_resp_err_t code = event->err;
  const int64_t offset = event->offset;
  const int split = event->rkt == nullptr ? -1 : split_of(event->rkt, event->partition);
  const std::string text = rd_kafka_message_errstr(event);
  chunk.drop(1);
  if (split >= 0 && states_[static_cast<size_t>(split)].finished) return Status::ok();
  if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    // What lies between the last message and the end may be transaction markers only.
    if (split < 0 || offset < splits_[static_cast<size_t>(split)].end) return Status::ok();
    finish(split);
    run.split = split;
    run.finished = true;
    return Status::ok();
  }
  const std::string where =
      split < 0 ? std::string("kafka: ")
                : "kafka: " + to_text(splits_[static_cast<size_t>(split)].partition) + ": ";
  switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
      return Status::ok();  // librdkafka goes on trying.
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return Status::failed_precondition(
          where + text +
          "; the position is no longer stored by the broker "
          "(auto.offset.reset=earliest or latest goes on with what there is)");
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return Status::not_found(where + "the topic or partition is gone: " + text);
    default:
      return Status::io_error(where + text);
  }
}

void KafkaConsumer::hold_back(Chunk& chunk, int split) {
  State& state = states_[static_cast<size_t>(split)];
  if (!state.held) state.held = std::make_unique<Chunk>();
  state.held->messages.push_back(chunk.messages[chunk.next]);
  ++chunk.next;
  if (chunk.is_empty()) {
    chunk.messages.clear();
    chunk.next = 0;
  }
}

void KafkaConsumer::finish(int split) {
  State& state = states_[static_cast<size_t>(split)];
  if (state.finished) return;
  state.finished = true;
  --unfinished_;
  const KafkaPartition& partition = splits_[static_cast<size_t>(split)].partition;
  const KafkaOwned<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.id);
  // Messages that still come are dropped by their split's state, so a failure changes nothing.
  const KafkaOwned<rd_kafka_error_t> ignored(
      rd_kafka_incremental_unassign(impl_->client->get(), list.get()));
}

void KafkaConsumer::commit(const std::vector<KafkaSplit>& positions) {
  const KafkaOwned<rd_kafka_topic_partition_list_t> list(
      rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
  for (const KafkaSplit& split : positions) {
    if (split.next < 0) continue;
    rd_kafka_topic_partition_list_add(list.get(), split.partition.topic.c_str(), split.partition.id)
        ->offset = split.next;
  }
  // A refused commit loses information only; nothing depends on it.
  if (list->cnt > 0) (void)rd_kafka_commit(impl_->client->get(), list.get(), /*async=*/1);
}

}  // namespace sluice
