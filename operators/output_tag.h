// Names of side outputs, with their record type. Flink's OutputTag.
//
//   const OutputTag<Flight> kLate{"late"};
//   context.output(kLate, flight);           // in a process function
//   stream.get_side_output(kLate)            // the stream of what was sent there
//
// A tag is a plain value that may be a constant, a member or a capture. Two tags with the same name
// and type are the same tag. Ids are given in the order in which tags are first made and are valid
// within the process only; across processes the name counts. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/batch.h"
#include "core/operator.h"

namespace sluice {

/// The process's number for a side output: 1, 2, ... in the order of first use.
int output_tag_id(std::string_view name, const RecordType& type);

template <class T>
class OutputTag {
 public:
  using Record = T;

  explicit OutputTag(std::string name)
      : name_(std::move(name)), id_(output_tag_id(name_, record_type<T>())) {}

  const std::string& name() const { return name_; }
  int id() const { return id_; }
  friend bool operator==(const OutputTag& a, const OutputTag& b) { return a.id_ == b.id_; }

 private:
  std::string name_;
  int id_;
};

/// Finds the side outputs of one operator by tag; the last one is remembered, because a function
/// mostly writes to one tag for many records.
class SideOutputLookup {
 public:
  explicit SideOutputLookup(SideOutputs& outputs) : outputs_(&outputs) {}

  /// Null when nobody consumes the tag.
  template <class T>
  Output<T>* find(const OutputTag<T>& tag) {
    if (tag.id() != last_id_) {
      last_id_ = tag.id();
      last_ = outputs_->find(tag.id());
    }
    return static_cast<Output<T>*>(last_);
  }

 private:
  SideOutputs* outputs_;
  int last_id_ = 0;
  OutputBase* last_ = nullptr;
};

}  // namespace sluice
