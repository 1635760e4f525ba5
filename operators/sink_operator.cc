#include "operators/sink_operator.h"

namespace sluice::detail {

Status FrozenSink::write(SnapshotWriter& writer, bool incremental) {
  if (!committables_.empty()) {
    // A committable may hold all rows of a checkpoint: its bytes are not copied.
    std::vector<std::string> heads(committables_.size());
    std::vector<std::string_view> pieces;
    for (size_t i = 0; i < committables_.size(); ++i) {
      const Committable& committable = *committables_[i];
      ByteWriter head(heads[i]);
      head.fixed(committable.checkpoint.value);
      head.fixed(static_cast<int32_t>(committable.subtask));
      head.fixed(static_cast<uint32_t>(committable.data.size()));
      pieces.insert(pieces.end(), {heads[i], committable.data});
    }
    SLUICE_RETURN_IF_ERROR(writer.add_item_pieces("committables", Redistribution::kSplit, pieces));
  }
  return FrozenItems("writer", writer_mode_, writer_items_).write(writer, incremental);
}

bool decode_committables(std::string_view bytes, std::vector<Committable>& committables) {
  ByteReader reader(bytes);
  do {
    Committable committable;
    committable.checkpoint.value = reader.fixed<int64_t>();
    committable.subtask = reader.fixed<int32_t>();
    committable.data = std::string(reader.text());
    committables.push_back(std::move(committable));
  } while (!reader.failed() && !reader.at_end());
  return !reader.failed();
}

}  // namespace sluice::detail
