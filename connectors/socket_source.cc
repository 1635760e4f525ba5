#include "connectors/socket_source.h"

#include <algorithm>
#include <cstring>

#include "connectors/socket_connection.h"

namespace sluice {
namespace {

constexpr const char* kSplitId = "socket";

class SocketEnumerator final : public SplitEnumerator {
 public:
  explicit SocketEnumerator(SocketOptions options) : options_(std::move(options)) {}

  Status open(int /*source_parallelism*/) override {
    if (options_.host.empty()) return Status::invalid_argument("the socket's host is empty");
    if (options_.port < 1 || options_.port > 65535) {
      return Status::invalid_argument("port " + std::to_string(options_.port) + " of " +
                                      options_.host + " is not in 1..65535");
    }
    return Status::ok();
  }
  Assignment next(int /*subtask*/) override {
    Assignment assignment;
    if (!assigned_) assignment.splits.push_back({kSplitId, ""});
    assignment.no_more = assigned_;
    assigned_ = true;
    return assignment;
  }
  void add_back(std::vector<SourceSplit> splits) override {
    if (!splits.empty()) assigned_ = false;
  }
  std::string snapshot() const override { return assigned_ ? "1" : "0"; }
  Status restore(std::string_view state) override {
    if (state != "0" && state != "1") {
      return Status::corruption("the state of the socket source is damaged");
    }
    assigned_ = state == "1";
    return Status::ok();
  }

 private:
  SocketOptions options_;
  bool assigned_ = false;
};

class SocketReader final : public SourceReader<Text> {
 public:
  explicit SocketReader(SocketOptions options) : options_(std::move(options)) {}

  Status open(SourceContext& context) override {
    context_ = &context;
    return Status::ok();
  }
  void close() override { connection_.reset(); }
  Status add_split(const SourceSplit& /*split*/) override {
    state_ = State::kReading;
    connection_ = std::make_unique<SocketConnection>(options_, context_->wake);
    return Status::ok();
  }

  Result<PollResult> poll(TypedBatch<Text>& batch, uint32_t rows_max) override {
    PollResult result;
    if (state_ == State::kNoSplit) {
      result.state = PollState::kNeedSplit;
      return result;
    }
    result.split = 0;
    result.state = PollState::kMore;
    const uint32_t rows_end = batch.rows() + rows_max;
    while (batch.rows() < rows_end && !batch.is_full()) {
      if (take_line(batch)) continue;
      SLUICE_ASSIGN_OR_RETURN(const SocketConnection::Event event, take_event(batch));
      if (event == SocketConnection::Event::kNothing) {
        result.state = PollState::kNothingYet;
        return result;
      }
      if (event == SocketConnection::Event::kEnd) {
        state_ = State::kNoSplit;
        connection_.reset();
        result.state = PollState::kNeedSplit;
        result.split_finished = true;
        return result;
      }
    }
    return result;
  }
  std::vector<SourceSplit> snapshot() const override {
    if (state_ == State::kNoSplit) return {};
    return {{kSplitId, ""}};
  }

 private:
  enum class State { kNoSplit, kReading };

  /// Moves one whole line from the received bytes to the batch (or to the bad records).
  bool take_line(TypedBatch<Text>& batch) {
    const char* start = received_.data() + used_;
    const void* found = std::memchr(start, '\n', received_.size() - used_);
    if (found == nullptr) return false;
    const auto size = static_cast<size_t>(static_cast<const char*>(found) - start);
    used_ += size + 1;
    if (begun_.empty()) {
      emit({start, size}, batch);
    } else {
      begun_.append(start, size);
      emit(begun_, batch);
      begun_.clear();
    }
    return true;
  }

  Result<SocketConnection::Event> take_event(TypedBatch<Text>& batch) {
    using Event = SocketConnection::Event;
    // What is left is the beginning of a line; of one that is too long only that much is kept.
    begun_.append(received_, used_, std::string::npos);
    if (begun_.size() > options_.line_bytes_max) begun_.resize(options_.line_bytes_max + 1);
    received_.clear();
    used_ = 0;
    SLUICE_ASSIGN_OR_RETURN(const Event event, connection_->take(received_));
    if (event == Event::kConnectionEnd && !begun_.empty()) emit(begun_, batch);
    if (event == Event::kConnectionLost && !begun_.empty()) {
      ++lines_;
      report("the connection was lost inside a line", begun_);
    }
    if (event == Event::kConnectionEnd || event == Event::kConnectionLost) begun_.clear();
    return event;
  }

  void emit(std::string_view line, TypedBatch<Text>& batch) {
    ++lines_;
    if (line.size() > options_.line_bytes_max) {
      constexpr size_t kShownBytes = 1024;
      report("a line of more than " + std::to_string(options_.line_bytes_max) + " bytes",
             line.substr(0, std::min(kShownBytes, options_.line_bytes_max)));
      return;
    }
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    batch.push(Text::copy_to(line, batch.own_arena()));
  }

  void report(const std::string& reason, std::string_view raw) {
    context_->bad_record(options_.address() + " line " + std::to_string(lines_), reason, raw);
  }

  SocketOptions options_;
  SourceContext* context_ = nullptr;
  State state_ = State::kNoSplit;
  std::unique_ptr<SocketConnection> connection_;
  std::string received_;
  size_t used_ = 0;    // Of received_.
  std::string begun_;  // A line whose end was not received yet.
  int64_t lines_ = 0;  // Received so far.
};

}  // namespace

std::unique_ptr<SplitEnumerator> SocketSource::create_enumerator() const {
  return std::make_unique<SocketEnumerator>(options_);
}

std::unique_ptr<SourceReader<Text>> SocketSource::create_reader() const {
  return std::make_unique<SocketReader>(options_);
}

}  // namespace sluice
