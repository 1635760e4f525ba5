// Prints records to standard output, one a line, as they come: for looking at a stream.
//
// Whole lines are written with one call per batch, so lines of several subtasks do not mix. What
// was printed is not taken back when the job fails.
#pragma once

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/record_text.h"
#include "core/sink.h"

namespace sluice {

template <class T>
class PrintWriter final : public SinkWriter<T> {
 public:
  explicit PrintWriter(std::string prefix) : prefix_(std::move(prefix)) {}

  Status open(SinkContext& context) override {
    if (context.task.parallelism > 1) {
      if (!prefix_.empty()) prefix_ += ":";
      prefix_ += std::to_string(context.task.subtask + 1);
    }
    if (!prefix_.empty()) prefix_ += "> ";
    return Status::ok();
  }
  Result<WriteState> write(const TypedBatch<T>& batch, uint32_t& row) override {
    constexpr const char* kKinds[] = {"", "-U ", "+U ", "-D "};
    lines_.clear();
    for (; row < batch.rows(); ++row) {
      lines_ += prefix_;
      lines_ += kKinds[static_cast<size_t>(batch.kind(row))];
      append_record_text(batch[row], lines_);
      lines_ += '\n';
    }
    if (std::fwrite(lines_.data(), 1, lines_.size(), stdout) != lines_.size()) {
      return Status::from_errno(errno, "write standard output");
    }
    return WriteState::kDone;
  }
  Status flush() override {
    if (std::fflush(stdout) != 0) return Status::from_errno(errno, "write standard output");
    return Status::ok();
  }
  Result<std::vector<std::string>> prepare_commit(CheckpointId /*checkpoint*/) override {
    SLUICE_RETURN_IF_ERROR(flush());
    return std::vector<std::string>();
  }

 private:
  std::string prefix_;
  std::string lines_;
};

template <class T>
class PrintSink final : public Sink<T> {
 public:
  explicit PrintSink(std::string prefix = "") : prefix_(std::move(prefix)) {}
  std::string name() const override { return "print"; }
  std::unique_ptr<SinkWriter<T>> create_writer() const override {
    return std::make_unique<PrintWriter<T>>(prefix_);
  }

 private:
  std::string prefix_;
};

}  // namespace sluice
