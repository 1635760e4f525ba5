#include "operators/task_watch.h"

#include <algorithm>

namespace sluice {

void TaskWatch::look(int64_t now_ns, int64_t worked_until_ns) {
  next_look_ns_ = now_ns + kIntervalNs;
  const int64_t now_ms = clock_.wall_ms();
  const int64_t changed_ms = now_ms - std::max<int64_t>(0, now_ns - worked_until_ns) / 1'000'000;
  look_at_channels(changed_ms);
  if (source_ != nullptr) look_at_splits(changed_ms);
  if (!cell_.is_wanted()) return;
  look_at_outputs();
  details_.looked = now_ms;
  cell_.answer(details_);
}

void TaskWatch::look_at_channels(int64_t changed_ms) {
  const std::vector<InputChannelLook> before = std::move(details_.inputs);
  details_.inputs.clear();
  gate_.look(details_.inputs);
  for (size_t i = 0; i < details_.inputs.size(); ++i) {
    InputChannelLook& now = details_.inputs[i];
    const bool same = i < before.size() && before[i].watermark == now.watermark;
    if (same) {
      now.since = before[i].since;
    } else if (now.watermark != kMinTime.ms) {
      now.since = changed_ms;
    }
  }
}

void TaskWatch::look_at_splits(int64_t changed_ms) {
  source_->look(details_);
  for (auto& [id, times] : splits_) times.seen = false;
  for (SplitLook& now : details_.splits) {
    SplitTimes& times = splits_[now.id];
    times.seen = true;
    if (now.watermark != times.watermark) times.since = changed_ms;
    if (now.records != times.records) times.last_record = changed_ms;
    times.watermark = now.watermark;
    times.records = now.records;
    now.since = times.since;
    now.last_record = times.last_record;
  }
  std::erase_if(splits_, [](const auto& entry) { return !entry.second.seen; });
}

void TaskWatch::look_at_outputs() {
  details_.outputs.clear();
  for (const auto& edge : edges_) {
    for (int i = 0; i < edge->channel_count(); ++i) {
      OutputChannelLook& look = details_.outputs.emplace_back();
      look.credit = std::max(0, edge->credit(i));
      look.watermark = edge->sent_watermark(i).ms;
    }
  }
}

}  // namespace sluice
