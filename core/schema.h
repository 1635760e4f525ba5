// The schema of stored values: which fields the bytes of core/codec.h hold, as text beside them.
//
//   Flight{scheduled:time,delay_min:i32,origin:text,tags:[text],address:Address{zip:text}?}
//
// Grammar: bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 decimal time duration text bytes; enum(i32);
// T? for optional; [T] for vector; [T*4] for array; {K:V} for map; (A,B) for pair and tuple;
// Name{field:T,...} for a record; opaque(name) for a type with a codec of its own, which gives its
// name by `static std::string Codec<T>::schema_name()`. A codec that has `static TypeSchema
// schema()` and `static void decode_as(ByteReader&, const TypeSchema& stored, T&)` takes part in
// evolution.
//
// The text is part of the snapshot format: do not change how an existing type prints.
//
// Evolution: fields of a record may be added (the value of a default-constructed record), removed,
// reordered, and widened (i8→i16→i32→i64, u8→u16→u32→u64, f32→f64), at any depth; the names of
// records do not matter. Everything else is refused with the path of the field.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/codec.h"
#include "core/decimal.h"
#include "core/status.h"

namespace sluice {

enum class SchemaKind {
  kBool,
  kSigned,    // `size` bytes.
  kUnsigned,  // `size` bytes.
  kFloat,     // `size` bytes.
  kDecimal,
  kTime,
  kDuration,  // `name` is empty for milliseconds, else "num/den" of a second.
  kText,
  kBytes,
  kEnum,      // children[0] = the underlying integer.
  kOptional,  // children[0]
  kVector,    // children[0]
  kArray,     // children[0], `size` of them.
  kMap,       // children[0] = key, children[1] = mapped.
  kTuple,     // children
  kRecord,    // children with field_names.
  kOpaque,    // `name`
};

struct TypeSchema {
  SchemaKind kind = SchemaKind::kOpaque;
  size_t size = 0;
  std::string name;
  std::vector<TypeSchema> children;
  std::vector<std::string> field_names;

  friend bool operator==(const TypeSchema&, const TypeSchema&) = default;
};

std::string to_text(const TypeSchema& schema);
/// kCorruption with the position on a text that schema_text() cannot have written.
Result<TypeSchema> parse_schema(std::string_view text);

/// Empty when values stored as `stored` can be read as `current`; otherwise what stands against it,
/// with the path of the field: "address.zip: stored as text, now i32".
std::string describe_incompatibility(const TypeSchema& stored, const TypeSchema& current);
std::string describe_incompatibility(std::string_view stored, std::string_view current);

/// Reads past one value; sets the reader's failure flag on bytes that do not fit. An opaque value
/// cannot be skipped, which is a failure too.
void skip_value(ByteReader& reader, const TypeSchema& schema);

template <class T>
TypeSchema schema_of();

/// The canonical text of T.
template <class T>
const std::string& schema_text() {
  static const std::string kText = to_text(schema_of<T>());
  return kText;
}

/// Decodes a T written under `stored`, which must be compatible with T's own schema
/// (describe_incompatibility is empty). Texts go to the current arena. Malformed bytes set the
/// reader's failure flag.
template <class T>
void decode_with_schema(ByteReader& reader, const TypeSchema& stored, T& value);

// ---- implementation -----------------------------------------------------------------------------

namespace detail {

template <class T>
concept NamesItsSchema = requires {
  { Codec<T>::schema_name() } -> std::convertible_to<std::string>;
};

template <class T>
concept DescribesItsSchema = requires(ByteReader& reader, const TypeSchema& stored, T& value) {
  { Codec<T>::schema() } -> std::convertible_to<TypeSchema>;
  Codec<T>::decode_as(reader, stored, value);
};

template <class T>
inline constexpr bool kIsDuration = false;
template <class Rep, class Period>
inline constexpr bool kIsDuration<std::chrono::duration<Rep, Period>> = true;

/// "Flight" of "sluice::jobs::Flight", without anything that is not a letter, digit or underscore.
std::string plain_type_name(std::string_view qualified);

template <class T>
std::string_view qualified_type_name() {
  std::string_view name = __PRETTY_FUNCTION__;
  name.remove_prefix(name.find("T = ") + 4);
  return name.substr(0, name.find_first_of(";]"));
}

TypeSchema plain_schema(SchemaKind kind, size_t size = 0, std::string name = {});
TypeSchema nested_schema(SchemaKind kind, std::vector<TypeSchema> children, size_t size = 0);

/// Integers and floating point of another width than stored.
int64_t read_signed(ByteReader& reader, size_t size);
uint64_t read_unsigned(ByteReader& reader, size_t size);
double read_float(ByteReader& reader, size_t size);

}  // namespace detail

template <class T>
TypeSchema schema_of() {
  using detail::nested_schema;
  using detail::plain_schema;
  if constexpr (detail::NamesItsSchema<T>) {
    return plain_schema(SchemaKind::kOpaque, 0, Codec<T>::schema_name());
  } else if constexpr (detail::DescribesItsSchema<T>) {
    return Codec<T>::schema();
  } else if constexpr (std::is_same_v<T, bool>) {
    return plain_schema(SchemaKind::kBool);
  } else if constexpr (std::is_floating_point_v<T>) {
    static_assert(sizeof(T) <= 8, "long double differs between machines: use double");
    return plain_schema(SchemaKind::kFloat, sizeof(T));
  } else if constexpr (std::is_integral_v<T>) {
    return plain_schema(std::is_signed_v<T> ? SchemaKind::kSigned : SchemaKind::kUnsigned,
                        sizeof(T));
  } else if constexpr (std::is_enum_v<T>) {
    return nested_schema(SchemaKind::kEnum, {schema_of<std::underlying_type_t<T>>()});
  } else if constexpr (std::is_same_v<T, Decimal>) {
    return plain_schema(SchemaKind::kDecimal);
  } else if constexpr (std::is_same_v<T, EventTime>) {
    return plain_schema(SchemaKind::kTime);
  } else if constexpr (detail::kIsDuration<T>) {
    using Period = typename T::period;
    if constexpr (std::is_same_v<Period, std::milli>) return plain_schema(SchemaKind::kDuration);
    return plain_schema(SchemaKind::kDuration, 0,
                        std::to_string(Period::num) + "/" + std::to_string(Period::den));
  } else if constexpr (std::is_same_v<T, Text> || std::is_same_v<T, std::string>) {
    return plain_schema(SchemaKind::kText);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return plain_schema(SchemaKind::kBytes);
  } else if constexpr (kIsOptional<T>) {
    return nested_schema(SchemaKind::kOptional, {schema_of<typename T::value_type>()});
  } else if constexpr (kIsVector<T>) {
    return nested_schema(SchemaKind::kVector, {schema_of<typename T::value_type>()});
  } else if constexpr (kIsArray<T>) {
    return nested_schema(SchemaKind::kArray, {schema_of<typename T::value_type>()},
                         std::tuple_size_v<T>);
  } else if constexpr (kIsMap<T>) {
    return nested_schema(SchemaKind::kMap,
                         {schema_of<typename T::key_type>(), schema_of<typename T::mapped_type>()});
  } else if constexpr (kIsTuple<T>) {
    return []<size_t... I>(std::index_sequence<I...>) {
      return nested_schema(SchemaKind::kTuple, {schema_of<std::tuple_element_t<I, T>>()...});
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else {
    static_assert(DescribedRecord<T>,
                  "this type has no schema: make it a SLUICE_RECORD, or give its Codec a "
                  "`static std::string schema_name()`");
    TypeSchema schema = plain_schema(SchemaKind::kRecord, 0,
                                     detail::plain_type_name(detail::qualified_type_name<T>()));
    for_each_field_type<T>([&]<class Field>(const char* name) {
      schema.field_names.emplace_back(name);
      schema.children.push_back(schema_of<Field>());
    });
    return schema;
  }
}

namespace detail {

template <DescribedRecord T>
void decode_record_with_schema(ByteReader& reader, const TypeSchema& stored, T& value) {
  value = T{};
  constexpr size_t kFields = kFieldCount<T>;
  size_t expected = 0;  // Fields mostly stand in the same order, so look there first.
  for (size_t i = 0; i < stored.children.size() && !reader.failed(); ++i) {
    const std::string& name = stored.field_names[i];
    size_t found = kFields;
    const auto look = [&](size_t from, size_t to) {
      size_t index = 0;
      for_each_field(value, [&](const char* field_name, auto& field) {
        if (found == kFields && index >= from && index < to && name == field_name) {
          found = index;
          decode_with_schema(reader, stored.children[i], field);
        }
        ++index;
      });
    };
    look(expected, kFields);
    if (found == kFields) look(0, expected);
    if (found == kFields) {
      skip_value(reader, stored.children[i]);
    } else {
      expected = found + 1;
    }
  }
}

template <class T>
void decode_items_with_schema(ByteReader& reader, const TypeSchema& stored, T& value) {
  value.clear();
  const uint32_t count = reader.count();
  for (uint32_t i = 0; i < count && !reader.failed(); ++i) {
    if constexpr (kIsMap<T>) {
      typename T::key_type key{};
      typename T::mapped_type mapped{};
      decode_with_schema(reader, stored.children[0], key);
      decode_with_schema(reader, stored.children[1], mapped);
      value.emplace(std::move(key), std::move(mapped));
    } else {
      typename T::value_type item{};
      decode_with_schema(reader, stored.children[0], item);
      value.push_back(std::move(item));
    }
  }
}

}  // namespace detail

template <class T>
void decode_with_schema(ByteReader& reader, const TypeSchema& stored, T& value) {
  if constexpr (detail::NamesItsSchema<T>) {
    Codec<T>::decode(reader, value);
  } else if constexpr (detail::DescribesItsSchema<T>) {
    Codec<T>::decode_as(reader, stored, value);
  } else if constexpr (std::is_same_v<T, bool>) {
    Codec<T>::decode(reader, value);
  } else if constexpr (std::is_arithmetic_v<T>) {
    if (stored.size == sizeof(T)) {
      value = reader.fixed<T>();
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<T>(detail::read_float(reader, stored.size));
    } else if constexpr (std::is_signed_v<T>) {
      value = static_cast<T>(detail::read_signed(reader, stored.size));
    } else {
      value = static_cast<T>(detail::read_unsigned(reader, stored.size));
    }
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> number{};
    decode_with_schema(reader, stored.children[0], number);
    value = static_cast<T>(number);
  } else if constexpr (kIsOptional<T>) {
    value.reset();
    if (reader.fixed<uint8_t>() != 0) {
      decode_with_schema(reader, stored.children[0], value.emplace());
    }
  } else if constexpr (kIsVector<T> || kIsMap<T>) {
    detail::decode_items_with_schema(reader, stored, value);
  } else if constexpr (kIsArray<T>) {
    for (auto& item : value) decode_with_schema(reader, stored.children[0], item);
  } else if constexpr (kIsTuple<T>) {
    size_t index = 0;
    std::apply(
        [&](auto&... item) { (decode_with_schema(reader, stored.children[index++], item), ...); },
        value);
  } else if constexpr (DescribedRecord<T>) {
    detail::decode_record_with_schema(reader, stored, value);
  } else {
    Codec<T>::decode(reader, value);
  }
}

}  // namespace sluice
