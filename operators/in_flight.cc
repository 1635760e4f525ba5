#include "operators/in_flight.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/codec.h"
#include "core/key_group.h"

namespace sluice {
namespace {

constexpr const char* kItemName = "in-flight";
constexpr uint8_t kVersion = 1;
constexpr uint32_t kNone = UINT32_MAX;

uint32_t to_wire(int value) { return value < 0 ? kNone : static_cast<uint32_t>(value); }
int from_wire(uint32_t value) { return value == kNone ? -1 : static_cast<int>(value); }

/// One item without its rows: what is needed to find its place in a new job.
struct StoredPlace {
  InFlight::Place place = InFlight::Place::kStage;
  uint32_t subtask = 0;
  uint32_t parallelism = 1;
  uint32_t index = 0;  // Edge, stage, or edge into the task for channels.
  // kEdge: channel; else the sending subtask and, of the head, the edge it came over.
  uint32_t channel = kNone;
  uint32_t channels = 0;
  uint32_t input_edge = kNone;
  uint32_t input = 0;
};

void encode_place(const StoredPlace& place, ByteWriter& writer) {
  writer.fixed(kVersion);
  writer.fixed(static_cast<uint8_t>(place.place));
  for (const uint32_t number : {place.subtask, place.parallelism, place.index, place.channel,
                                place.channels, place.input_edge, place.input}) {
    writer.fixed(number);
  }
}

bool decode_place(ByteReader& reader, StoredPlace& place) {
  if (reader.fixed<uint8_t>() != kVersion) return false;
  const auto kind = reader.fixed<uint8_t>();
  if (kind > static_cast<uint8_t>(InFlight::Place::kWatermarks)) return false;
  place.place = static_cast<InFlight::Place>(kind);
  for (uint32_t* number : {&place.subtask, &place.parallelism, &place.index, &place.channel,
                           &place.channels, &place.input_edge, &place.input}) {
    *number = reader.fixed<uint32_t>();
  }
  return !reader.failed();
}

StoredPlace place_of(const InFlight& item, const TaskSpec& spec) {
  StoredPlace stored;
  stored.place = item.place;
  stored.subtask = to_wire(spec.info.subtask);
  stored.parallelism = to_wire(spec.info.parallelism);
  stored.index = to_wire(item.index);
  stored.input = to_wire(item.input);
  if (item.place == InFlight::Place::kEdge) {
    stored.channel = to_wire(item.channel);
    stored.channels = to_wire(spec.edges[static_cast<size_t>(item.index)].channels);
    return stored;
  }
  const int channel = item.place == InFlight::Place::kChannel ? item.index : item.channel;
  if (channel < 0) return stored;
  const InputChannelSpec& input = spec.input_channels[static_cast<size_t>(channel)];
  stored.channel = to_wire(input.sender);
  stored.input_edge = to_wire(input.edge);
  return stored;
}

class FrozenInFlight final : public FrozenState {
 public:
  struct Item {
    StoredPlace place;
    StreamBatch data;
    uint32_t first_row = 0;
  };
  std::unique_ptr<FrozenState> head;
  std::vector<Item> items;
  std::string watermarks;

  Status write(SnapshotWriter& writer, bool incremental) override {
    if (head) SLUICE_RETURN_IF_ERROR(head->write(writer, incremental));
    SLUICE_RETURN_IF_ERROR(writer.add_item(kItemName, Redistribution::kUnion, watermarks));
    for (Item& item : items) {
      SLUICE_RETURN_IF_ERROR(writer.add_item(kItemName, Redistribution::kUnion, encode(item)));
    }
    return Status::ok();
  }
  size_t size_hint() const override {
    size_t bytes = watermarks.size() + (head ? head->size_hint() : 0);
    for (const Item& item : items) bytes += item.data.batch ? item.data.batch->bytes() : 0;
    return bytes;
  }

 private:
  static std::string encode(const Item& item) {
    std::string bytes;
    ByteWriter writer(bytes);
    encode_place(item.place, writer);
    writer.fixed(item.first_row);
    writer.fixed(static_cast<uint32_t>(item.data.marks.size()));
    for (const Mark& mark : item.data.marks) {
      writer.fixed(mark.row);
      writer.fixed(mark.watermark.ms);
    }
    writer.text(item.data.batch ? item.data.batch->type().name : "");
    // The rows before first_row come along: leaving them out would mean copying the others.
    if (item.data.batch) item.data.batch->encode(writer);
    return bytes;
  }
};

}  // namespace

bool may_overtake(const InputEdgeSpec& edge) {
  if (edge.type == nullptr || !edge.type->is_encodable) return false;
  switch (edge.partitioning) {
    case Partitioning::kHash:
    case Partitioning::kRebalance:
    case Partitioning::kShuffle:
    case Partitioning::kGlobal:
    case Partitioning::kCustom:
      return true;
    case Partitioning::kForward:
    case Partitioning::kRescale:
    case Partitioning::kBroadcast:
      return false;
  }
  return false;
}

void InFlightState::add(InFlight::Place place, int index, int channel, int input,
                        const StreamBatch& data, Cursor from) {
  if (from.row >= data.rows() && from.mark >= data.marks.size()) return;
  InFlight item{place, index, channel, input, {}, from.row};
  item.data.marks.assign(data.marks.begin() + static_cast<std::ptrdiff_t>(from.mark),
                         data.marks.end());
  if (from.row < data.rows()) {
    item.data.batch = data.batch;
  } else {
    // Only marks behind the last row are left.
    item.first_row = 0;
    for (Mark& mark : item.data.marks) mark.row = 0;
  }
  items.push_back(std::move(item));
}

std::unique_ptr<FrozenState> freeze_in_flight(InFlightState state, const TaskSpec& spec,
                                              std::unique_ptr<FrozenState> head) {
  auto frozen = std::make_unique<FrozenInFlight>();
  frozen->head = std::move(head);
  StoredPlace header;
  header.place = InFlight::Place::kWatermarks;
  header.subtask = to_wire(spec.info.subtask);
  header.parallelism = to_wire(spec.info.parallelism);
  ByteWriter writer(frozen->watermarks);
  encode_place(header, writer);
  writer.fixed(static_cast<uint32_t>(spec.input_channels.size()));
  for (size_t i = 0; i < spec.input_channels.size(); ++i) {
    writer.fixed(to_wire(spec.input_channels[i].edge));
    writer.fixed(to_wire(spec.input_channels[i].sender));
    writer.fixed(state.channel_watermarks[i].ms);
  }
  writer.fixed(static_cast<uint32_t>(state.input_watermarks.size()));
  for (const EventTime watermark : state.input_watermarks) writer.fixed(watermark.ms);
  writer.fixed(state.watermark.ms);
  for (InFlight& item : state.items) {
    const StoredPlace place = place_of(item, spec);
    frozen->items.push_back({place, std::move(item.data), item.first_row});
  }
  return frozen;
}

// ---- restoring ----------------------------------------------------------------------------------

namespace {

class InFlightReader {
 public:
  InFlightReader(const TaskSpec& spec,
                 const std::function<const RecordType*(int, int)>& type_of_stage)
      : spec_(spec), type_of_stage_(type_of_stage) {}

  Result<RestoredInFlight> read(const std::vector<std::string>& items);

 private:
  static Status damaged() { return Status::corruption("data in flight cannot be decoded"); }
  static Status unfit(const std::string& what) {
    return Status::failed_precondition(
        "the checkpoint holds data in flight that does not fit the job: " + what +
        "; change a job from a savepoint, which has none");
  }
  bool is_mine(const StoredPlace& place) const {
    return place.subtask == to_wire(spec_.info.subtask);
  }
  Status read_watermarks(const StoredPlace& place, ByteReader& reader);
  Status read_item(const StoredPlace& place, ByteReader& reader);
  Result<const RecordType*> type_of(const StoredPlace& place) const;
  void put_back(const StoredPlace& place, StreamBatch data, uint32_t first_row);
  void hand_over(const StoredPlace& place, BatchPtr batch, uint32_t first_row, bool is_mine);
  void hand_over_rows(const InputEdgeSpec& edge, InFlight item, const BatchPtr& batch,
                      uint32_t first_row);
  void keep(InFlight item) {
    if (!item.data.is_empty()) restored_.state.items.push_back(std::move(item));
  }
  void keep_from(InFlight item, StreamBatch data, uint32_t first_row);
  int channel_from(const StoredPlace& place) const;

  const TaskSpec& spec_;
  const std::function<const RecordType*(int, int)>& type_of_stage_;
  RestoredInFlight restored_;
  uint32_t next_turn_ = 0;
};

Result<RestoredInFlight> InFlightReader::read(const std::vector<std::string>& items) {
  // The watermarks of this subtask say whether the job has the shape it had.
  for (const bool wants_watermarks : {true, false}) {
    for (const std::string& item : items) {
      ByteReader reader(item);
      StoredPlace place;
      if (!decode_place(reader, place)) return damaged();
      const bool is_watermarks = place.place == InFlight::Place::kWatermarks;
      if (is_watermarks != wants_watermarks) continue;
      SLUICE_RETURN_IF_ERROR(is_watermarks ? read_watermarks(place, reader)
                                           : read_item(place, reader));
    }
  }
  // Subtasks of old may be mixed now: what is further downstream still goes first.
  const auto depth = [](const InFlight& item) {
    if (item.place == InFlight::Place::kEdge) return INT32_MAX;
    return item.place == InFlight::Place::kStage ? item.index : -1;
  };
  if (!restored_.is_exact) {
    std::stable_sort(restored_.state.items.begin(), restored_.state.items.end(),
                     [&](const InFlight& a, const InFlight& b) { return depth(a) > depth(b); });
  }
  return std::move(restored_);
}

Status InFlightReader::read_watermarks(const StoredPlace& place, ByteReader& reader) {
  if (!is_mine(place)) return Status::ok();
  InFlightState& state = restored_.state;
  const uint32_t channels = reader.count();
  bool same = place.parallelism == to_wire(spec_.info.parallelism) &&
              channels == spec_.input_channels.size();
  for (uint32_t i = 0; i < channels && !reader.failed(); ++i) {
    const auto edge = reader.fixed<uint32_t>();
    const auto sender = reader.fixed<uint32_t>();
    state.channel_watermarks.push_back({reader.fixed<int64_t>()});
    same = same && edge == to_wire(spec_.input_channels[i].edge) &&
           sender == to_wire(spec_.input_channels[i].sender);
  }
  const uint32_t inputs = reader.count();
  same = same && inputs == to_wire(spec_.input_count);
  for (uint32_t i = 0; i < inputs && !reader.failed(); ++i) {
    state.input_watermarks.push_back({reader.fixed<int64_t>()});
  }
  state.watermark = {reader.fixed<int64_t>()};
  if (reader.failed() || !reader.at_end()) return damaged();
  restored_.is_exact = same;
  return Status::ok();
}

Status InFlightReader::read_item(const StoredPlace& place, ByteReader& reader) {
  StreamBatch data;
  const auto first_row = reader.fixed<uint32_t>();
  const uint32_t marks = reader.count();
  for (uint32_t i = 0; i < marks && !reader.failed(); ++i) {
    const auto row = reader.fixed<uint32_t>();
    data.marks.push_back({row, {reader.fixed<int64_t>()}});
  }
  const std::string_view type_name = reader.text();
  if (reader.failed()) return damaged();
  // Every subtask must come to the same answer, also one that stored no data of its own.
  const bool same_owners = place.parallelism == to_wire(spec_.info.parallelism);
  if (same_owners && !is_mine(place)) return Status::ok();
  SLUICE_ASSIGN_OR_RETURN(const RecordType* type, type_of(place));
  if (!type_name.empty()) {
    if (type_name != type->name) return unfit("a record type has changed");
    data.batch = type->decode_batch(reader, {});
    if (!data.batch) return damaged();
  }
  if (!reader.at_end() || first_row > data.rows()) return damaged();
  if (restored_.is_exact) {
    put_back(place, std::move(data), first_row);
  } else if (data.batch) {
    hand_over(place, std::move(data.batch), first_row, same_owners);
  }
  return Status::ok();
}

Result<const RecordType*> InFlightReader::type_of(const StoredPlace& place) const {
  if (place.place == InFlight::Place::kEdge) {
    if (place.index >= spec_.edges.size()) return unfit("an output is gone");
    return spec_.edges[place.index].type;
  }
  if (place.place == InFlight::Place::kStage) {
    if (place.index >= spec_.stages.size()) return unfit("an operator of the chain is gone");
    const RecordType* type =
        type_of_stage_(static_cast<int>(place.index), static_cast<int>(place.input));
    if (type == nullptr) return unfit("an input is gone");
    return type;
  }
  if (place.input_edge >= spec_.input_edges.size()) return unfit("an input is gone");
  return spec_.input_edges[place.input_edge].type;
}

int InFlightReader::channel_from(const StoredPlace& place) const {
  for (size_t i = 0; i < spec_.input_channels.size(); ++i) {
    const InputChannelSpec& channel = spec_.input_channels[i];
    if (to_wire(channel.edge) == place.input_edge && to_wire(channel.sender) == place.channel) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

// The job has the shape it had: everything goes where it was.
void InFlightReader::put_back(const StoredPlace& place, StreamBatch data, uint32_t first_row) {
  InFlight item;
  item.place = place.place;
  item.index = from_wire(place.index);
  item.input = from_wire(place.input);
  if (place.place == InFlight::Place::kEdge) {
    const auto& edge = spec_.edges[place.index];
    // The readers may be more or fewer: then the rows find their targets anew.
    const bool same_readers = place.channels == to_wire(edge.channels);
    item.channel = same_readers ? from_wire(place.channel) : -1;
    if (!same_readers) data.marks.clear();
  } else {
    item.channel = channel_from(place);
    if (place.place == InFlight::Place::kChannel) item.index = item.channel;
  }
  keep_from(std::move(item), std::move(data), first_row);
}

// Operators begin a batch with its first row.
void InFlightReader::keep_from(InFlight item, StreamBatch data, uint32_t first_row) {
  if (first_row == 0) {
    item.data = std::move(data);
    return keep(std::move(item));
  }
  const uint32_t rows = data.rows();
  const std::vector<uint16_t> targets(rows, 0);
  size_t mark = 0;
  for (uint32_t row = first_row; row < rows || mark < data.marks.size();) {
    item.data = {};
    const uint32_t begin = row;
    if (row < rows) {
      const uint64_t* hashes =
          data.batch->has_key_hashes() ? data.batch->key_hashes().data() + row : nullptr;
      item.data.batch = data.batch->type().make_batch(rows - row);
      Batch* builder = item.data.batch.get();
      // Long texts can make several batches of one.
      row = data.batch->scatter(row, rows, targets.data(), hashes, &builder);
    }
    for (; mark < data.marks.size() && data.marks[mark].row <= row; ++mark) {
      item.data.marks.push_back({data.marks[mark].row - begin, data.marks[mark].watermark});
    }
    keep(item);
  }
}

// The job has another shape: rows alone, to the subtask that is responsible for them. `is_mine`:
// that is this one, because only the tasks around this vertex are more or fewer.
void InFlightReader::hand_over(const StoredPlace& place, BatchPtr batch, uint32_t first_row,
                               bool is_mine) {
  InFlight item;
  item.place = place.place;
  item.index = from_wire(place.index);
  item.input = from_wire(place.input);
  if (place.input_edge != kNone) {
    const InputEdgeSpec& edge = spec_.input_edges[place.input_edge];
    item.place = InFlight::Place::kStage;
    item.index = 0;
    item.input = edge.input;
    // Any channel of that edge: if they are recorded again, they are still that edge's rows.
    for (size_t i = 0; i < spec_.input_channels.size() && item.channel < 0; ++i) {
      if (to_wire(spec_.input_channels[i].edge) == place.input_edge) {
        item.channel = static_cast<int>(i);
      }
    }
    if (is_mine) {
      keep_from(std::move(item), {std::move(batch), {}}, first_row);
    } else {
      hand_over_rows(edge, std::move(item), batch, first_row);
    }
  } else if (is_mine ||
             place.subtask % to_wire(spec_.info.parallelism) == to_wire(spec_.info.subtask)) {
    keep_from(std::move(item), {std::move(batch), {}}, first_row);
  }
}

void InFlightReader::hand_over_rows(const InputEdgeSpec& edge, InFlight item, const BatchPtr& batch,
                                    uint32_t first_row) {
  const auto subtask = static_cast<uint16_t>(spec_.info.subtask);
  const uint32_t rows = batch->rows();
  if (!edge.selector || edge.partitioning == Partitioning::kShuffle) {
    const uint32_t turn = edge.partitioning == Partitioning::kGlobal ? 0 : next_turn_++;
    if (turn % to_wire(spec_.info.parallelism) != subtask) return;
    keep_from(std::move(item), {batch, {}}, first_row);
    return;
  }
  std::vector<uint16_t> targets(rows);
  std::vector<uint64_t> hashes(rows);
  const auto selector = edge.selector();
  selector->select(*batch, 0, rows, spec_.info.parallelism, spec_.info.max_parallelism,
                   targets.data(), hashes.data());
  // Builder 0 takes what is ours, builder 1 the rest.
  for (uint16_t& target : targets) target = target == subtask ? 0 : 1;
  const BatchPtr others = batch->type().make_batch(rows);
  for (uint32_t row = first_row; row < rows;) {
    // Long texts can make several batches of one.
    item.data.batch = batch->type().make_batch(rows);
    others->reset(rows);
    const std::array<Batch*, 2> builders{item.data.batch.get(), others.get()};
    row = batch->scatter(row, rows, targets.data() + row,
                         selector->hashes_keys() ? hashes.data() + row : nullptr, builders.data());
    keep(item);
  }
}

}  // namespace

Result<RestoredInFlight> restore_in_flight(
    const SnapshotReader& reader, const TaskSpec& spec,
    const std::function<const RecordType*(int stage, int input)>& type_of_stage) {
  const std::vector<std::string> items = reader.items(kItemName);
  if (items.empty()) return RestoredInFlight{};
  return InFlightReader(spec, type_of_stage).read(items);
}

}  // namespace sluice
