// blackhole(): takes every record and keeps none, for measuring what comes before it.
//
//   stream.sink_to(blackhole());
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/sink.h"

namespace sluice {

template <class T>
class BlackholeWriter final : public SinkWriter<T> {
 public:
  Status open(SinkContext& /*context*/) override { return Status::ok(); }
  Result<WriteState> write(const TypedBatch<T>& batch, uint32_t& row) override {
    row = batch.rows();
    return WriteState::kDone;
  }
  Result<std::vector<std::string>> prepare_commit(CheckpointId /*checkpoint*/) override {
    return std::vector<std::string>();
  }
};

template <class T>
class BlackholeSink final : public Sink<T> {
 public:
  std::string name() const override { return "blackhole"; }
  std::unique_ptr<SinkWriter<T>> create_writer() const override {
    return std::make_unique<BlackholeWriter<T>>();
  }
};

/// Makes the sink for whatever the stream carries.
struct Blackhole {
  template <class T>
  std::shared_ptr<const Sink<T>> make_sink() const {
    return std::make_shared<BlackholeSink<T>>();
  }
};

inline Blackhole blackhole() { return {}; }

}  // namespace sluice
