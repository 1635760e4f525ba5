#include "core/schema.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace sluice {
namespace {

// Deeper than any real record; a bound for texts and bytes of unknown origin.
constexpr int kDepthMax = 64;
constexpr size_t kArrayItemsMax = 1 << 20;

struct PlainName {
  const char* text;
  SchemaKind kind;
  size_t size;
};
constexpr std::array<PlainName, 16> kPlainNames = {{
    {"bool", SchemaKind::kBool, 0},
    {"i8", SchemaKind::kSigned, 1},
    {"i16", SchemaKind::kSigned, 2},
    {"i32", SchemaKind::kSigned, 4},
    {"i64", SchemaKind::kSigned, 8},
    {"u8", SchemaKind::kUnsigned, 1},
    {"u16", SchemaKind::kUnsigned, 2},
    {"u32", SchemaKind::kUnsigned, 4},
    {"u64", SchemaKind::kUnsigned, 8},
    {"f32", SchemaKind::kFloat, 4},
    {"f64", SchemaKind::kFloat, 8},
    {"decimal", SchemaKind::kDecimal, 0},
    {"time", SchemaKind::kTime, 0},
    {"duration", SchemaKind::kDuration, 0},
    {"text", SchemaKind::kText, 0},
    {"bytes", SchemaKind::kBytes, 0},
}};

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

class SchemaParser {
 public:
  explicit SchemaParser(std::string_view text) : text_(text) {}

  Result<TypeSchema> parse() {
    TypeSchema schema;
    if (!parse_type(schema, 0) || at_ != text_.size()) {
      return Status::corruption("malformed schema at character " + std::to_string(at_) + " of \"" +
                                std::string(text_) + "\"");
    }
    return schema;
  }

 private:
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view take_name() {
    const size_t start = at_;
    while (at_ < text_.size() && is_name_char(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }
  // Up to the closing parenthesis, which is taken.
  bool take_argument(std::string& argument) {
    const size_t end = text_.find(')', at_);
    if (end == std::string_view::npos) return false;
    argument = text_.substr(at_, end - at_);
    at_ = end + 1;
    return !argument.empty();
  }

  bool parse_type(TypeSchema& schema, int depth) {
    if (depth > kDepthMax || !parse_without_suffix(schema, depth)) return false;
    while (take('?')) {
      TypeSchema optional;
      optional.kind = SchemaKind::kOptional;
      optional.children.push_back(std::move(schema));
      schema = std::move(optional);
    }
    return true;
  }

  bool parse_without_suffix(TypeSchema& schema, int depth) {
    if (take('[')) return parse_sequence(schema, depth);
    if (take('{')) return parse_map(schema, depth);
    if (take('(')) return parse_tuple(schema, depth);
    const std::string_view name = take_name();
    if (take('{')) return parse_record(schema, name, depth);
    if (name == "enum") return parse_enum(schema, depth);
    if (name == "opaque") {
      schema.kind = SchemaKind::kOpaque;
      return take('(') && take_argument(schema.name);
    }
    for (const auto& plain : kPlainNames) {
      if (name != plain.text) continue;
      schema.kind = plain.kind;
      schema.size = plain.size;
      return plain.kind != SchemaKind::kDuration || !take('(') || take_argument(schema.name);
    }
    return false;
  }

  bool parse_child(TypeSchema& schema, int depth) {
    return parse_type(schema.children.emplace_back(), depth + 1);
  }
  bool parse_sequence(TypeSchema& schema, int depth) {
    schema.kind = SchemaKind::kVector;
    if (!parse_child(schema, depth)) return false;
    if (take('*')) {
      schema.kind = SchemaKind::kArray;
      const char* begin = text_.data() + at_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), schema.size);
      if (error != std::errc() || schema.size > kArrayItemsMax) return false;
      at_ += static_cast<size_t>(end - begin);
    }
    return take(']');
  }
  bool parse_map(TypeSchema& schema, int depth) {
    schema.kind = SchemaKind::kMap;
    return parse_child(schema, depth) && take(':') && parse_child(schema, depth) && take('}');
  }
  bool parse_tuple(TypeSchema& schema, int depth) {
    schema.kind = SchemaKind::kTuple;
    if (take(')')) return true;
    do {
      if (!parse_child(schema, depth)) return false;
    } while (take(','));
    return take(')');
  }
  bool parse_enum(TypeSchema& schema, int depth) {
    schema.kind = SchemaKind::kEnum;
    if (!take('(') || !parse_child(schema, depth) || !take(')')) return false;
    const SchemaKind under = schema.children[0].kind;
    return under == SchemaKind::kSigned || under == SchemaKind::kUnsigned ||
           under == SchemaKind::kBool;
  }
  bool parse_record(TypeSchema& schema, std::string_view name, int depth) {
    schema.kind = SchemaKind::kRecord;
    schema.name = name;
    if (take('}')) return true;
    do {
      const std::string_view field = take_name();
      if (field.empty() || !take(':') || !parse_child(schema, depth)) return false;
      schema.field_names.emplace_back(field);
    } while (take(','));
    return take('}');
  }

  std::string_view text_;
  size_t at_ = 0;
};

void append_text(const TypeSchema& schema, std::string& out) {
  const auto append_children = [&] {
    for (size_t i = 0; i < schema.children.size(); ++i) {
      if (i > 0) out += ',';
      if (schema.kind == SchemaKind::kRecord) out.append(schema.field_names[i]).append(":");
      append_text(schema.children[i], out);
    }
  };
  switch (schema.kind) {
    case SchemaKind::kEnum:
      out += "enum(";
      append_children();
      out += ')';
      return;
    case SchemaKind::kOptional:
      append_children();
      out += '?';
      return;
    case SchemaKind::kVector:
    case SchemaKind::kArray:
      out += '[';
      append_children();
      if (schema.kind == SchemaKind::kArray) out.append("*").append(std::to_string(schema.size));
      out += ']';
      return;
    case SchemaKind::kMap:
      out += '{';
      append_text(schema.children[0], out);
      out += ':';
      append_text(schema.children[1], out);
      out += '}';
      return;
    case SchemaKind::kTuple:
      out += '(';
      append_children();
      out += ')';
      return;
    case SchemaKind::kRecord:
      out.append(schema.name).append("{");
      append_children();
      out += '}';
      return;
    case SchemaKind::kOpaque:
      out.append("opaque(").append(schema.name).append(")");
      return;
    default:
      for (const auto& plain : kPlainNames) {
        if (plain.kind != schema.kind || plain.size != schema.size) continue;
        out += plain.text;
        if (!schema.name.empty()) out.append("(").append(schema.name).append(")");
        return;
      }
  }
}

// What a value is called in a message: the fields of a record would only hide the point.
std::string short_text(const TypeSchema& schema) {
  if (schema.kind == SchemaKind::kRecord) return "record " + schema.name;
  return to_text(schema);
}

bool is_number(SchemaKind kind) {
  return kind == SchemaKind::kSigned || kind == SchemaKind::kUnsigned || kind == SchemaKind::kFloat;
}

class Comparison {
 public:
  std::string problem;

  void compare(const TypeSchema& stored, const TypeSchema& current, const std::string& path) {
    if (!problem.empty()) return;
    const bool same_shape =
        stored.kind == current.kind &&
        (is_number(stored.kind) ? stored.size <= current.size : stored.size == current.size) &&
        (stored.kind == SchemaKind::kRecord || stored.name == current.name) &&
        (stored.kind == SchemaKind::kRecord || stored.children.size() == current.children.size());
    if (!same_shape) {
      refuse(path, "stored as " + short_text(stored) + ", now " + short_text(current));
    } else if (stored.kind == SchemaKind::kRecord) {
      compare_fields(stored, current, path);
    } else {
      compare_children(stored, current, path);
    }
  }

 private:
  void refuse(const std::string& path, const std::string& reason) {
    const bool starts_with_field = !path.empty() && is_name_char(path.front());
    problem = (starts_with_field ? path : "value" + path) + ": " + reason;
  }

  void compare_fields(const TypeSchema& stored, const TypeSchema& current,
                      const std::string& path) {
    for (size_t i = 0; i < stored.children.size(); ++i) {
      const std::string field_path =
          path.empty() ? stored.field_names[i] : path + "." + stored.field_names[i];
      const auto now =
          std::find(current.field_names.begin(), current.field_names.end(), stored.field_names[i]);
      if (now != current.field_names.end()) {
        const auto index = static_cast<size_t>(now - current.field_names.begin());
        compare(stored.children[i], current.children[index], field_path);
      } else if (has_opaque(stored.children[i])) {
        // Its length is known to its codec alone, and that is gone.
        refuse(field_path, "a removed field of opaque type cannot be skipped");
        return;
      }
    }
  }

  void compare_children(const TypeSchema& stored, const TypeSchema& current,
                        const std::string& path) {
    for (size_t i = 0; i < stored.children.size(); ++i) {
      std::string place = path;
      if (stored.kind == SchemaKind::kVector || stored.kind == SchemaKind::kArray) place += "[]";
      if (stored.kind == SchemaKind::kMap) place += i == 0 ? "{key}" : "{value}";
      if (stored.kind == SchemaKind::kTuple) place += "(" + std::to_string(i) + ")";
      compare(stored.children[i], current.children[i], place);
    }
  }

  static bool has_opaque(const TypeSchema& schema) {
    return schema.kind == SchemaKind::kOpaque ||
           std::any_of(schema.children.begin(), schema.children.end(), has_opaque);
  }
};

}  // namespace

std::string to_text(const TypeSchema& schema) {
  std::string out;
  append_text(schema, out);
  return out;
}

Result<TypeSchema> parse_schema(std::string_view text) { return SchemaParser(text).parse(); }

std::string describe_incompatibility(const TypeSchema& stored, const TypeSchema& current) {
  Comparison comparison;
  comparison.compare(stored, current, "");
  return comparison.problem;
}

std::string describe_incompatibility(std::string_view stored, std::string_view current) {
  if (stored == current) return {};
  const auto before = parse_schema(stored);
  if (!before.is_ok()) return "stored schema: " + before.status().message();
  const auto now = parse_schema(current);
  if (!now.is_ok()) return "current schema: " + now.status().message();
  return describe_incompatibility(*before, *now);
}

void skip_value(ByteReader& reader, const TypeSchema& schema) {
  switch (schema.kind) {
    case SchemaKind::kBool:
      (void)reader.bytes(1);
      return;
    case SchemaKind::kSigned:
    case SchemaKind::kUnsigned:
    case SchemaKind::kFloat:
      (void)reader.bytes(schema.size);
      return;
    case SchemaKind::kDecimal:
      (void)reader.bytes(Codec<Decimal>::kBytes);
      return;
    case SchemaKind::kTime:
    case SchemaKind::kDuration:
      (void)reader.bytes(8);
      return;
    case SchemaKind::kText:
    case SchemaKind::kBytes:
      (void)reader.text();
      return;
    case SchemaKind::kOptional:
      if (reader.fixed<uint8_t>() != 0) skip_value(reader, schema.children[0]);
      return;
    case SchemaKind::kVector:
    case SchemaKind::kMap: {
      const uint32_t count = reader.count();
      for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
        for (const auto& child : schema.children) skip_value(reader, child);
      }
      return;
    }
    case SchemaKind::kArray:
      for (size_t i = 0; i < schema.size && !reader.failed(); ++i) {
        skip_value(reader, schema.children[0]);
      }
      return;
    case SchemaKind::kEnum:
    case SchemaKind::kTuple:
    case SchemaKind::kRecord:
      for (const auto& child : schema.children) skip_value(reader, child);
      return;
    case SchemaKind::kOpaque:
      reader.fail();
      return;
  }
}

namespace detail {

std::string plain_type_name(std::string_view qualified) {
  // The last "::" that is not inside template arguments or "(anonymous namespace)".
  int depth = 0;
  size_t start = 0;
  for (size_t i = 0; i + 1 < qualified.size(); ++i) {
    if (qualified[i] == '<' || qualified[i] == '(' || qualified[i] == '{') ++depth;
    if (qualified[i] == '>' || qualified[i] == ')' || qualified[i] == '}') --depth;
    if (depth == 0 && qualified[i] == ':' && qualified[i + 1] == ':') start = i + 2;
  }
  std::string name(qualified.substr(start));
  std::erase_if(name, [](char c) { return !is_name_char(c); });
  return name;
}

TypeSchema plain_schema(SchemaKind kind, size_t size, std::string name) {
  TypeSchema schema;
  schema.kind = kind;
  schema.size = size;
  schema.name = std::move(name);
  return schema;
}

TypeSchema nested_schema(SchemaKind kind, std::vector<TypeSchema> children, size_t size) {
  TypeSchema schema;
  schema.kind = kind;
  schema.size = size;
  schema.children = std::move(children);
  return schema;
}

int64_t read_signed(ByteReader& reader, size_t size) {
  switch (size) {
    case 1:
      return reader.fixed<int8_t>();
    case 2:
      return reader.fixed<int16_t>();
    case 4:
      return reader.fixed<int32_t>();
    default:
      return reader.fixed<int64_t>();
  }
}

uint64_t read_unsigned(ByteReader& reader, size_t size) {
  switch (size) {
    case 1:
      return reader.fixed<uint8_t>();
    case 2:
      return reader.fixed<uint16_t>();
    case 4:
      return reader.fixed<uint32_t>();
    default:
      return reader.fixed<uint64_t>();
  }
}

double read_float(ByteReader& reader, size_t size) {
  return size == 4 ? static_cast<double>(reader.fixed<float>()) : reader.fixed<double>();
}

}  // namespace detail
}  // namespace sluice
