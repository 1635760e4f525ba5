#include "state/api/row_blob.h"

#include <algorithm>
#include <limits>

#include "core/codec.h"

namespace sluice {
namespace {

class BlobWriter final : public CellWriter {
 public:
  explicit BlobWriter(std::string& out) : writer_(out) {}

  void start(const RowCell& cell) { cell_ = &cell; }
  void put(std::string_view suffix, std::string_view value) override {
    writer_.fixed(static_cast<uint8_t>(cell_->ref.index));
    if (cell_->type->has_suffix) writer_.text(suffix);
    writer_.text(value);
  }

 private:
  ByteWriter writer_;
  const RowCell* cell_ = nullptr;
};

/// When the last of the row's entries expires; nothing when one of them never does.
std::optional<int64_t> expiry_of_row(const RowLayout& layout, const char* row) {
  if (!layout.any_ttl) return std::nullopt;
  const uint64_t header = load_header(row);
  int64_t last = std::numeric_limits<int64_t>::min();
  for (const RowCell& cell : layout.cells) {
    if ((header & cell.ref.bit) == 0) continue;
    if (!cell.ttl.is_on() || cell.type->last_touched_ms == nullptr) return std::nullopt;
    const int64_t touched = cell.type->last_touched_ms(row + cell.ref.offset);
    last = std::max(last, touched + cell.ttl.duration.count());
  }
  return last;
}

}  // namespace

static_assert(kCellsMax <= std::numeric_limits<uint8_t>::max());

void append_row_blob(const RowLayout& layout, const char* row, int64_t now_ms, std::string& out) {
  const auto expiry = expiry_of_row(layout, row);
  ByteWriter writer(out);
  writer.fixed(static_cast<uint8_t>(expiry.has_value()));
  if (expiry) writer.fixed(*expiry);
  BlobWriter cells(out);
  const uint64_t header = load_header(row);
  for (const RowCell& cell : layout.cells) {
    if ((header & cell.ref.bit) == 0) continue;
    cells.start(cell);
    const CellContext context{.ttl = cell.ttl, .now_ms = now_ms};
    cell.type->write(row + cell.ref.offset, context, cells);
  }
}

std::optional<int64_t> expiry_of_row_blob(std::string_view blob) {
  ByteReader reader(blob);
  if (reader.fixed<uint8_t>() == 0) return std::nullopt;
  const auto expiry = reader.fixed<int64_t>();
  return reader.failed() ? std::nullopt : std::optional<int64_t>(expiry);
}

RowBlobReader::RowBlobReader(const RowLayout& layout, std::string_view blob) : layout_(layout) {
  ByteReader reader(blob);
  if (reader.fixed<uint8_t>() != 0) (void)reader.fixed<int64_t>();
  damaged_ = reader.failed();
  if (!damaged_) left_ = blob.substr(blob.size() - reader.remaining());
}

bool RowBlobReader::next() {
  if (damaged_ || left_.empty()) return false;
  ByteReader reader(left_);
  const auto index = reader.fixed<uint8_t>();
  if (index >= layout_.cells.size()) {
    damaged_ = true;
    return false;
  }
  cell_ = &layout_.cells[index];
  suffix_ = cell_->type->has_suffix ? reader.text() : std::string_view();
  value_ = reader.text();
  damaged_ = reader.failed();
  left_ = left_.substr(left_.size() - reader.remaining());
  return !damaged_;
}

bool RowBlobReader::is_expired(int64_t now_ms) const {
  if (!cell_->ttl.is_on() || !cell_->type->value_starts_with_time) return false;
  ByteReader reader(value_);
  return cell_->ttl.is_expired(reader.fixed<int64_t>(), now_ms);
}

}  // namespace sluice
