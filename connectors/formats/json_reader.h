// JSON text into values, without building a tree: a pull parser that fills the record directly.
//
// Reads what json_writer.h writes. Objects are matched to records by field name in any order;
// unknown fields are skipped, of a field given twice the last counts, and a missing field is an
// error unless it is optional. Numbers must fit their field exactly: 1.5 or 300 into an int8 is an
// error, not a rounded value. JSON is checked strictly (RFC 8259) except that text is not checked
// to be UTF-8.
//
// Texts are copied into the given arena. Nothing else is allocated for records without strings,
// vectors and maps.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "connectors/formats/base64.h"
#include "connectors/formats/json_writer.h"
#include "connectors/formats/scalar_text.h"
#include "core/arena.h"
#include "core/record.h"

namespace sluice {

/// A place in a JSON text and the first error met.
class JsonCursor {
 public:
  static constexpr int kDepthMax = 256;

  /// Starts on another text, which must outlive the reading.
  void reset(std::string_view text) {
    next_ = text.data();
    end_ = next_ + text.size();
    depth_ = 0;
    reason_.clear();
    path_.clear();
  }

  /// Past white space; 0 at the end.
  char peek() {
    while (next_ != end_ && (*next_ == ' ' || *next_ == '\t' || *next_ == '\n' || *next_ == '\r')) {
      ++next_;
    }
    return next_ == end_ ? '\0' : *next_;
  }
  bool take(char c) {
    if (next_ == end_ || peek() != c || next_ == end_) return false;
    ++next_;
    return true;
  }
  bool at_end() { return peek() == '\0' && next_ == end_; }

  /// The view is valid until the next call.
  bool read_string(std::string_view& text);
  /// The characters of a number, checked.
  bool read_number(std::string_view& text);
  /// true, false or null.
  bool read_literal(std::string_view literal);
  bool skip_value();

  /// Always false, so that a reader can `return in.fail(...)`. The first reason stays.
  bool fail(std::string_view reason) {
    if (reason_.empty()) reason_ = reason;
    return false;
  }
  /// The error happened inside this field. Always false.
  bool fail_in(std::string_view field);
  /// "field address.zip: not an integer of 32 bits".
  std::string describe_error() const;

  bool enter() { return ++depth_ <= kDepthMax || fail("nested too deeply"); }
  void leave() { --depth_; }

 private:
  bool read_escaped_string(const char* start, std::string_view& text);
  bool read_escape();
  bool read_hex4(uint32_t& code);

  const char* next_ = nullptr;
  const char* end_ = nullptr;
  int depth_ = 0;
  std::string scratch_;
  std::string reason_;
  std::string path_;
};

/// False after an error, which `in` describes.
template <class T>
bool read_json(JsonCursor& in, T& value, TextArena& arena);

namespace detail {

template <class T>
bool read_json_scalar(JsonCursor& in, T& value) {
  constexpr bool kMayBeString = std::is_floating_point_v<T> || std::is_enum_v<T> ||
                                std::is_same_v<T, Decimal> || std::is_same_v<T, EventTime> ||
                                kIsDurationScalar<T>;
  std::string_view text;
  if constexpr (std::is_same_v<T, bool>) {
    value = in.peek() == 't';
    return in.read_literal(value ? "true" : "false") || in.fail("not true or false");
  } else if (kMayBeString && in.peek() == '"') {
    if (!in.read_string(text)) return false;
    // Numbers in quotes are text to others; only what JSON cannot write as a number is taken.
    if constexpr (std::is_floating_point_v<T>) {
      if (text != "NaN" && text != "Infinity" && text != "-Infinity")
        return in.fail("not a number");
    }
  } else if (!in.read_number(text)) {
    return in.fail(std::string("not ") + scalar_name<T>());
  }
  if (parse_scalar(text, value)) return true;
  return in.fail(std::string(text.substr(0, 40)) + " is not " + scalar_name<T>());
}

template <class T>
bool read_json_items(JsonCursor& in, T& value, TextArena& arena) {
  value.clear();
  if (!in.take('[')) return in.fail("not an array");
  if (!in.enter()) return false;
  if (!in.take(']')) {
    do {
      typename T::value_type item{};
      if (!read_json(in, item, arena)) return false;
      value.push_back(std::move(item));
    } while (in.take(','));
    if (!in.take(']')) return in.fail("an array does not end");
  }
  in.leave();
  return true;
}

// Arrays of known length: std::array, pair, tuple.
template <class T>
bool read_json_tuple(JsonCursor& in, T& value, TextArena& arena) {
  if (!in.take('[')) return in.fail("not an array");
  if (!in.enter()) return false;
  bool first = true;
  const bool good = std::apply(
      [&](auto&... item) {
        const auto comma = [&] {
          if (!first) return in.take(',') || in.fail("an array is too short");
          first = false;
          return true;
        };
        return (true && ... && (comma() && read_json(in, item, arena)));
      },
      value);
  if (!good) return false;
  in.leave();
  return in.take(']') || in.fail("an array is too long");
}

template <class K>
bool read_json_key(JsonCursor& in, K& key, TextArena& arena) {
  if constexpr (kIsScalar<K>) {
    std::string_view text;
    if (!in.read_string(text)) return false;
    return parse_scalar(text, key) || in.fail(std::string("a key is not ") + scalar_name<K>());
  } else {
    return read_json(in, key, arena);
  }
}

template <class M>
bool read_json_map(JsonCursor& in, M& map, TextArena& arena) {
  constexpr bool kObject = kIsJsonKey<typename M::key_type>;
  map.clear();
  if (!in.take(kObject ? '{' : '[')) return in.fail(kObject ? "not an object" : "not an array");
  if (!in.enter()) return false;
  if (!in.take(kObject ? '}' : ']')) {
    do {
      typename M::key_type key{};
      typename M::mapped_type mapped{};
      if constexpr (kObject) {
        if (!read_json_key(in, key, arena)) return false;
        if (!in.take(':')) return in.fail("a ':' is missing");
        if (!read_json(in, mapped, arena)) return false;
      } else {
        std::pair<typename M::key_type, typename M::mapped_type> entry;
        if (!read_json_tuple(in, entry, arena)) return false;
        key = std::move(entry.first);
        mapped = std::move(entry.second);
      }
      map.insert_or_assign(std::move(key), std::move(mapped));
    } while (in.take(','));
    if (!in.take(kObject ? '}' : ']')) return in.fail("a map does not end");
  }
  in.leave();
  return true;
}

template <DescribedRecord T>
constexpr auto json_field_names() {
  std::array<std::string_view, kFieldCount<T>> names{};
  size_t index = 0;
  for_each_field_type<T>([&]<class Field>(const char* name) { names[index++] = name; });
  return names;
}

template <DescribedRecord T>
bool read_json_record(JsonCursor& in, T& value, TextArena& arena) {
  constexpr size_t kFields = kFieldCount<T>;
  static constexpr auto kNames = json_field_names<T>();
  std::array<bool, kFields> seen{};
  if (!in.take('{')) return in.fail("not an object");
  if (!in.enter()) return false;
  size_t expected = 0;  // Fields mostly come in declared order.
  if (!in.take('}')) {
    do {
      std::string_view name;
      if (in.peek() != '"') return in.fail("a field name is missing");
      if (!in.read_string(name)) return false;
      size_t index = kFields;
      if (expected < kFields && kNames[expected] == name) {
        index = expected;
      } else {
        for (size_t i = 0; i < kFields; ++i) {
          if (kNames[i] == name) index = i;
        }
      }
      if (!in.take(':')) return in.fail("a ':' is missing");
      if (index == kFields) {
        if (!in.skip_value()) return false;
        continue;
      }
      bool good = true;
      if constexpr (kFields > 0) {
        boost::mp11::mp_with_index<kFields>(index, [&](auto i) {
          using Descriptor = boost::mp11::mp_at_c<FieldList<T>, decltype(i)::value>;
          good = read_json(in, value.*Descriptor::pointer, arena);
        });
        seen[index] = true;
        if (!good) return in.fail_in(kNames[index]);
      }
      expected = index + 1;
    } while (in.take(','));
    if (!in.take('}')) return in.fail("an object does not end");
  }
  in.leave();
  size_t index = 0;
  std::string_view missing;
  for_each_field(value, [&](const char* name, auto& field) {
    if (seen[index++]) return;
    if constexpr (kIsOptional<std::remove_cvref_t<decltype(field)>>) {
      field.reset();
    } else if (missing.empty()) {
      missing = name;
    }
  });
  return missing.empty() || in.fail("missing field " + std::string(missing));
}

}  // namespace detail

template <class T>
bool read_json(JsonCursor& in, T& value, TextArena& arena) {
  std::string_view text;
  if constexpr (kIsScalar<T>) {
    return detail::read_json_scalar(in, value);
  } else if constexpr (std::is_same_v<T, Text>) {
    if (!in.read_string(text)) return false;
    value = Text::copy_to(text, arena);
    return true;
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!in.read_string(text)) return false;
    value.assign(text);
    return true;
  } else if constexpr (std::is_same_v<T, Bytes>) {
    if (!in.read_string(text)) return false;
    return parse_base64(text, value.data) || in.fail("not base64");
  } else if constexpr (kIsOptional<T>) {
    value.reset();
    if (in.peek() == 'n') return in.read_literal("null") || in.fail("not a JSON value");
    return read_json(in, value.emplace(), arena);
  } else if constexpr (kIsVector<T>) {
    return detail::read_json_items(in, value, arena);
  } else if constexpr (kIsMap<T>) {
    return detail::read_json_map(in, value, arena);
  } else if constexpr (kIsTuple<T> || kIsArray<T>) {
    return detail::read_json_tuple(in, value, arena);
  } else {
    static_assert(DescribedRecord<T>, "this type has no JSON form: make it a SLUICE_RECORD");
    return detail::read_json_record(in, value, arena);
  }
}

}  // namespace sluice
