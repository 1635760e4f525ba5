#include "operators/window_watermark.h"

namespace sluice {

Status WindowWatermark::open(const OperatorContext& context) {
  max_parallelism_ = context.task.max_parallelism;
  groups_ = context.task.key_groups();
  if (context.restored == nullptr) return Status::ok();
  floors_.assign(static_cast<size_t>(std::max(0, groups_.size())), kMinTime);
  for (const std::string& item : context.restored->items(kItemName)) {
    SLUICE_RETURN_IF_ERROR(take_item(item));
  }
  for (const EventTime floor : floors_) floor_max_ = std::max(floor_max_, floor);
  if (floor_max_ == kMinTime) floors_.clear();
  return Status::ok();
}

// An item is {u32 first group, u32 count, i64 watermark for each}.
std::string WindowWatermark::freeze(EventTime fired_to) const {
  std::string item;
  ByteWriter writer(item);
  writer.fixed(static_cast<uint32_t>(groups_.first));
  writer.fixed(static_cast<uint32_t>(std::max(0, groups_.size())));
  for (int i = 0; i < groups_.size(); ++i) {
    const EventTime floor = floors_.empty() ? kMinTime : floors_[static_cast<size_t>(i)];
    writer.fixed(std::max(std::min(current_, fired_to), floor).ms);
  }
  return item;
}

Status WindowWatermark::take_item(const std::string& item) {
  ByteReader reader(item);
  const auto first = static_cast<int>(reader.fixed<uint32_t>());
  const auto count = static_cast<int>(reader.count());
  for (int i = 0; i < count; ++i) {
    const EventTime watermark{reader.fixed<int64_t>()};
    if (!groups_.contains(first + i)) continue;
    floors_[static_cast<size_t>(first + i - groups_.first)] = watermark;
  }
  if (reader.failed() || !reader.at_end()) {
    return Status::corruption("the stored watermark of a window operator cannot be decoded");
  }
  return Status::ok();
}

}  // namespace sluice
