#include "tools/inspect/dump_state.h"

#include <algorithm>
#include <set>

#include "tools/inspect/stored_json.h"

namespace sluice {
namespace {

/// "(key,value)" or "((key,sub-key),value)", as keyed states are stored.
struct KeyedSchema {
  TypeSchema key;
  TypeSchema sub_key;
  TypeSchema value;
  bool has_sub_key = false;
};

Result<KeyedSchema> parse_keyed_schema(const std::string& state, const std::string& text) {
  SLUICE_ASSIGN_OR_RETURN(TypeSchema schema, parse_schema(text));
  if (schema.kind != SchemaKind::kTuple || schema.children.size() != 2) {
    return Status::corruption("state '" + state + "' has the schema " + text +
                              ", which is none of a keyed state");
  }
  KeyedSchema keyed;
  keyed.value = std::move(schema.children[1]);
  TypeSchema& key = schema.children[0];
  // A key that is a pair looks the same as a key with a sub-key; the pieces are the same bytes.
  keyed.has_sub_key = key.kind == SchemaKind::kTuple && key.children.size() == 2;
  if (keyed.has_sub_key) {
    keyed.sub_key = std::move(key.children[1]);
    keyed.key = TypeSchema(std::move(key.children[0]));
  } else {
    keyed.key = std::move(key);
  }
  return keyed;
}

/// One entry under way into a line.
class EntryLine {
 public:
  EntryLine(DumpFormat format, std::FILE* to) : format_(format), to_(to) {}

  void add(const std::string& name, Json json, const TypeSchema& schema) {
    if (format_ == DumpFormat::kJson) {
      object_[name] = std::move(json);
      return;
    }
    if (is_first_) append_csv_names(name, schema, names_);
    append_csv_fields(json, schema, fields_);
  }
  Status end() {
    std::string line;
    if (format_ == DumpFormat::kJson) {
      line = to_line(object_) + "\n";
    } else {
      if (is_first_) line = csv_line(names_) + "\n";
      line += csv_line(fields_) + "\n";
    }
    is_first_ = false;
    object_ = Json::object();
    fields_.clear();
    if (std::fwrite(line.data(), 1, line.size(), to_) == line.size()) return Status::ok();
    return Status::unavailable("cannot write the output");
  }

 private:
  const DumpFormat format_;
  std::FILE* const to_;
  bool is_first_ = true;
  Json object_ = Json::object();
  std::vector<std::string> names_;
  std::vector<std::string> fields_;
};

const TypeSchema& plain(SchemaKind kind) {
  static const TypeSchema kNumber = detail::plain_schema(SchemaKind::kSigned, 8);
  static const TypeSchema kText = detail::plain_schema(SchemaKind::kText);
  return kind == SchemaKind::kText ? kText : kNumber;
}

std::string listed(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "'" : ", '") + name + "'";
  return names.empty() ? "none" : text;
}

}  // namespace

Result<StateDump> StateDump::open(FileSystem& files, const CheckpointMetadata& metadata,
                                  const std::string& uid, const std::string& state) {
  const OperatorState* op = metadata.find_operator(uid);
  if (op == nullptr) {
    std::set<std::string> uids;
    for (const OperatorState& known : metadata.operators) uids.insert(known.chains.uid);
    return Status::invalid_argument("no operator has the uid '" + uid +
                                    "'; there are: " + listed(uids));
  }
  StateDump dump;
  dump.state_ = state;
  SLUICE_ASSIGN_OR_RETURN(dump.reader_, ChainedSnapshotReader::open(files, op->chains, 0, 1));
  std::set<std::string> names;
  for (const std::string& name : dump.reader_->keyed_state_names()) names.insert(name);
  dump.is_keyed_ = names.count(state) > 0;
  for (const SnapshotItem& item : dump.reader_->all_items()) names.insert(item.name);
  if (names.count(state) > 0) return dump;
  return Status::invalid_argument("operator '" + uid + "' has no state '" + state +
                                  "'; it has: " + listed(names));
}

Status StateDump::write(DumpFormat format, std::FILE* to) {
  return is_keyed_ ? write_keyed(format, to) : write_items(format, to);
}

Status StateDump::write_keyed(DumpFormat format, std::FILE* to) {
  SLUICE_ASSIGN_OR_RETURN(const KeyedSchema schema,
                          parse_keyed_schema(state_, reader_->schema_of(state_)));
  EntryLine line(format, to);
  return reader_->visit_keyed_state(
      state_, [&](int group, std::string_view key_bytes, std::string_view value_bytes) {
        ByteReader key(key_bytes);
        ByteReader value(value_bytes);
        line.add("key_group", group, plain(SchemaKind::kSigned));
        line.add("key", stored_value_to_json(key, schema.key), schema.key);
        if (schema.has_sub_key) {
          line.add("sub_key", stored_value_to_json(key, schema.sub_key), schema.sub_key);
        }
        line.add("value", stored_value_to_json(value, schema.value), schema.value);
        if (key.failed() || !key.at_end() || value.failed() || !value.at_end()) {
          return Status::corruption("an entry of state '" + state_ + "' does not fit its schema " +
                                    reader_->schema_of(state_));
        }
        return line.end();
      });
}

namespace {

/// The entries of a broadcast state, which says its schema itself; false on other bytes.
bool add_broadcast_entries(std::string_view item, EntryLine& line, Status& written) {
  ByteReader reader(item);
  const auto schema = parse_schema(reader.text());
  if (reader.failed() || !schema.is_ok() || schema->kind != SchemaKind::kMap) return false;
  const auto count = reader.fixed<uint32_t>();
  for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
    Json key = stored_value_to_json(reader, schema->children[0]);
    Json value = stored_value_to_json(reader, schema->children[1]);
    if (reader.failed()) return false;
    line.add("key", std::move(key), schema->children[0]);
    line.add("value", std::move(value), schema->children[1]);
    written = line.end();
    if (!written.is_ok()) return true;
  }
  return !reader.failed() && reader.at_end();
}

}  // namespace

Status StateDump::write_items(DumpFormat format, std::FILE* to) {
  EntryLine line(format, to);
  const TypeSchema bytes = detail::plain_schema(SchemaKind::kBytes);
  for (const SnapshotItem& item : reader_->all_items()) {
    if (item.name != state_) continue;
    if (item.mode == Redistribution::kBroadcast) {
      Status written;
      if (!add_broadcast_entries(item.item, line, written)) {
        return Status::corruption("broadcast state '" + state_ + "' does not fit its schema");
      }
      SLUICE_RETURN_IF_ERROR(written);
      continue;
    }
    // Only the connector knows what its bytes mean.
    std::string framed;
    ByteWriter(framed).text(item.item);
    ByteReader reader(framed);
    line.add("item", stored_value_to_json(reader, bytes), bytes);
    SLUICE_RETURN_IF_ERROR(line.end());
  }
  return Status::ok();
}

}  // namespace sluice
