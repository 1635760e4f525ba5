#include "operators/sink_operator.h"

namespace sluice::detail {

Status FrozenSink::write(SnapshotWriter& writer, bool incremental) {
  if (!committables_.empty()) {
    std::string item;
    ByteWriter bytes(item);
    for (const auto& committable : committables_) {
      bytes.fixed(committable->checkpoint.value);
      bytes.fixed(static_cast<int32_t>(committable->subtask));
      bytes.text(committable->data);
    }
    SLUICE_RETURN_IF_ERROR(writer.add_item("committables", Redistribution::kSplit, item));
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
