// A sink that takes everything and keeps nothing, for measuring what stands before it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/sink.h"

namespace sluice {

template <class T>
class CountSink final : public Sink<T> {
 public:
  std::string name() const override { return "count"; }
  std::unique_ptr<SinkWriter<T>> create_writer() const override {
    return std::make_unique<Writer>();
  }

 private:
  class Writer final : public SinkWriter<T> {
   public:
    Status open(SinkContext& /*context*/) override { return Status::ok(); }
    Result<WriteState> write(const TypedBatch<T>& batch, uint32_t& row) override {
      row = batch.rows();
      return WriteState::kDone;
    }
    Result<std::vector<std::string>> prepare_commit(CheckpointId /*id*/) override {
      return std::vector<std::string>();
    }
  };
};

}  // namespace sluice
