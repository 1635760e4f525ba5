#include "tools/inspect/stored_json.h"

#include <cmath>

#include "connectors/formats/base64.h"
#include "core/decimal.h"
#include "core/time.h"

namespace sluice {
namespace {

Json base64(std::string_view bytes) {
  std::string text;
  append_base64(bytes, text);
  return text;
}

Json float_to_json(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return value;
}

Json sequence_to_json(ByteReader& reader, const TypeSchema& item, size_t count) {
  Json array = Json::array();
  for (size_t i = 0; i < count && !reader.failed(); ++i) {
    array.push_back(stored_value_to_json(reader, item));
  }
  return array;
}

Json map_to_json(ByteReader& reader, const TypeSchema& schema) {
  const bool is_object = schema.children[0].kind == SchemaKind::kText;
  Json map = is_object ? Json::object() : Json::array();
  const uint32_t count = reader.count();
  for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
    Json key = stored_value_to_json(reader, schema.children[0]);
    Json value = stored_value_to_json(reader, schema.children[1]);
    if (is_object) {
      map[key.get<std::string>()] = std::move(value);
    } else {
      map.push_back(Json::array({std::move(key), std::move(value)}));
    }
  }
  return map;
}

Json fields_to_json(ByteReader& reader, const TypeSchema& schema) {
  Json object = Json::object();
  for (size_t i = 0; i < schema.children.size() && !reader.failed(); ++i) {
    object[schema.field_names[i]] = stored_value_to_json(reader, schema.children[i]);
  }
  return object;
}

bool has_columns(const TypeSchema& schema) {
  return schema.kind == SchemaKind::kRecord && !schema.children.empty();
}

}  // namespace

Json stored_value_to_json(ByteReader& reader, const TypeSchema& schema) {
  switch (schema.kind) {
    case SchemaKind::kBool:
      return reader.fixed<uint8_t>() != 0;
    case SchemaKind::kSigned:
      return detail::read_signed(reader, schema.size);
    case SchemaKind::kUnsigned:
      return detail::read_unsigned(reader, schema.size);
    case SchemaKind::kFloat:
      return float_to_json(detail::read_float(reader, schema.size));
    case SchemaKind::kDecimal:
      return decode<Decimal>(reader).to_text();
    case SchemaKind::kTime:
      return to_iso8601({reader.fixed<int64_t>()});
    case SchemaKind::kDuration:
      return reader.fixed<int64_t>();
    case SchemaKind::kText:
      return std::string(reader.text());
    case SchemaKind::kBytes:
      return base64(reader.text());
    case SchemaKind::kEnum:
      return stored_value_to_json(reader, schema.children[0]);
    case SchemaKind::kOptional:
      if (reader.fixed<uint8_t>() == 0) return nullptr;
      return stored_value_to_json(reader, schema.children[0]);
    case SchemaKind::kVector:
      return sequence_to_json(reader, schema.children[0], reader.count());
    case SchemaKind::kArray:
      return sequence_to_json(reader, schema.children[0], schema.size);
    case SchemaKind::kMap:
      return map_to_json(reader, schema);
    case SchemaKind::kTuple: {
      Json array = Json::array();
      for (const TypeSchema& child : schema.children) {
        array.push_back(stored_value_to_json(reader, child));
      }
      return array;
    }
    case SchemaKind::kRecord:
      return fields_to_json(reader, schema);
    case SchemaKind::kOpaque:
      return base64(reader.bytes(reader.remaining()));
  }
  return nullptr;
}

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void append_csv_names(const std::string& name, const TypeSchema& schema,
                      std::vector<std::string>& names) {
  if (!has_columns(schema)) {
    names.push_back(name);
    return;
  }
  for (size_t i = 0; i < schema.children.size(); ++i) {
    append_csv_names(name + "." + schema.field_names[i], schema.children[i], names);
  }
}

void append_csv_fields(const Json& json, const TypeSchema& schema,
                       std::vector<std::string>& fields) {
  if (has_columns(schema)) {
    for (size_t i = 0; i < schema.children.size(); ++i) {
      append_csv_fields(json.at(schema.field_names[i]), schema.children[i], fields);
    }
  } else if (json.is_string()) {
    fields.push_back(json.get<std::string>());
  } else {
    fields.push_back(json.is_null() ? std::string() : to_line(json));
  }
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) line += ',';
    if (fields[i].find_first_of(",\"\r\n") == std::string::npos) {
      line += fields[i];
      continue;
    }
    line += '"';
    for (const char c : fields[i]) line.append(c == '"' ? 2 : 1, c);
    line += '"';
  }
  return line;
}

}  // namespace sluice
