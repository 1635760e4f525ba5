#include "core/schema.h"

#include <cmath>

#include <doctest/doctest.h>

#include "core/random.h"

namespace sluice {

enum class Colour : uint8_t { kRed = 1, kBlue = 200 };

// The same record at two points of its life.
namespace before {
struct Address {
  Text zip;
  int16_t number = 0;
};
SLUICE_RECORD(Address, zip, number);
struct Person {
  int32_t id = 0;
  float score = 0;
  Text name;
  std::vector<Text> tags;
  std::optional<Address> address;
  std::map<Text, int8_t> counts;
  uint8_t small = 0;
  Colour colour = Colour::kRed;
};
SLUICE_RECORD(Person, id, score, name, tags, address, counts, small, colour);
}  // namespace before

namespace after {
struct Address {
  int64_t number = 0;
  Text country = "unknown";
  Text zip;
};
SLUICE_RECORD(Address, number, country, zip);
struct Human {
  Text name;
  std::map<std::string, int32_t> counts;
  std::optional<Address> address;
  double score = 0;
  int64_t added = 42;
  uint64_t small = 0;
  int64_t id = 0;
  Colour colour = Colour::kBlue;
};
SLUICE_RECORD(Human, name, counts, address, score, added, small, id, colour);
}  // namespace after

struct Everything {
  bool flag = false;
  int8_t i8 = 0;
  uint32_t u32 = 0;
  double f64 = 0;
  EventTime time;
  Duration duration{0};
  std::chrono::seconds seconds{0};
  Decimal decimal;
  Bytes bytes;
  std::array<int32_t, 3> array{};
  std::pair<Text, std::tuple<int64_t, bool>> pair;
  std::unordered_map<int32_t, std::optional<std::vector<Text>>> map;
};
SLUICE_RECORD(Everything, flag, i8, u32, f64, time, duration, seconds, decimal, bytes, array, pair,
              map);

struct Opaque {
  int value = 0;
};
template <>
struct Codec<Opaque> {
  static std::string schema_name() { return "opaque-v1"; }
  static void encode(const Opaque& value, ByteWriter& writer) { writer.fixed(value.value); }
  static void decode(ByteReader& reader, Opaque& value) { value.value = reader.fixed<int>(); }
};
struct WithOpaque {
  Opaque opaque;
  int32_t after = 0;
};
SLUICE_RECORD(WithOpaque, opaque, after);

namespace {

std::string problem(std::string_view stored, std::string_view current) {
  return describe_incompatibility(stored, current);
}

TEST_CASE("schema: the text of a type is fixed for ever") {
  CHECK(schema_text<before::Person>() ==
        "Person{id:i32,score:f32,name:text,tags:[text],address:Address{zip:text,number:i16}?,"
        "counts:{text:i8},small:u8,colour:enum(u8)}");
  CHECK(schema_text<Everything>() ==
        "Everything{flag:bool,i8:i8,u32:u32,f64:f64,time:time,duration:duration,"
        "seconds:duration(1/1),decimal:decimal,bytes:bytes,array:[i32*3],pair:(text,(i64,bool)),"
        "map:{i32:[text]?}}");
  CHECK(schema_text<WithOpaque>() == "WithOpaque{opaque:opaque(opaque-v1),after:i32}");
  CHECK(schema_text<std::pair<Text, long long>>() == "(text,i64)");
  CHECK(schema_text<unsigned char>() == "u8");
}

TEST_CASE("schema: a parsed text is the tree it was printed from") {
  const auto check = [](const TypeSchema& schema) {
    const auto parsed = parse_schema(to_text(schema));
    REQUIRE(parsed.is_ok());
    CHECK(*parsed == schema);
  };
  check(schema_of<before::Person>());
  check(schema_of<after::Human>());
  check(schema_of<Everything>());
  check(schema_of<WithOpaque>());
  check(schema_of<std::tuple<>>());
  check(schema_of<std::optional<std::optional<bool>>>());
}

TEST_CASE("schema: malformed texts are refused, never read past their end") {
  for (const char* text :
       {"",         "i7",        "i32 ",       "[i32", "[i32*]",     "[i32*99999999999999999999]",
        "{text}",   "{text:i32", "(i32,",      "(i32", "P{",         "P{a}",
        "P{a:i32",  "P{a:i32,}", "P{:i32}",    "enum", "enum(text)", "enum(i32",
        "opaque()", "opaque(",   "duration()", "i32]", "?"}) {
    CAPTURE(text);
    const auto parsed = parse_schema(text);
    CHECK(!parsed.is_ok());
    CHECK(parsed.status().code() == StatusCode::kCorruption);
  }
  CHECK(!parse_schema(std::string(100'000, '[')).is_ok());
}

TEST_CASE("schema: fields may be added, removed, reordered and widened") {
  CHECK(problem("P{a:i32}", "P{}") == "");
  CHECK(problem("P{a:i32}", "P{a:i32,b:text}") == "");
  CHECK(problem("P{a:i32,b:text}", "P{b:text,a:i32}") == "");
  CHECK(problem("P{a:i32}", "Q{a:i32}") == "");
  for (const char* kind : {"i", "u"}) {
    const std::string k = kind;
    CHECK(problem(k + "8", k + "16") == "");
    CHECK(problem(k + "8", k + "64") == "");
    CHECK(problem(k + "16", k + "32") == "");
    CHECK(problem(k + "32", k + "64") == "");
  }
  CHECK(problem("f32", "f64") == "");
  CHECK(problem("P{a:[Q{b:{text:i8}}?]}", "P{a:[Q{b:{text:i64}}?]}") == "");
  CHECK(problem("enum(u8)", "enum(u16)") == "");
}

TEST_CASE("schema: an incompatible change names the field by its path") {
  CHECK(problem("i64", "i32") == "value: stored as i64, now i32");
  CHECK(problem("P{a:i64}", "P{a:i32}") == "a: stored as i64, now i32");
  CHECK(problem("P{a:i32}", "P{a:u32}") == "a: stored as i32, now u32");
  CHECK(problem("P{a:i32}", "P{a:f64}") == "a: stored as i32, now f64");
  CHECK(problem("P{a:f64}", "P{a:f32}") == "a: stored as f64, now f32");
  CHECK(problem("P{a:text}", "P{a:bytes}") == "a: stored as text, now bytes");
  CHECK(problem("P{a:i32}", "P{a:i32?}") == "a: stored as i32, now i32?");
  CHECK(problem("P{x:Q{zip:text}}", "P{x:Q{zip:i32}}") == "x.zip: stored as text, now i32");
  CHECK(problem("P{x:Q{zip:text}}", "P{x:text}") == "x: stored as record Q, now text");
  CHECK(problem("P{x:[Q{z:text}]}", "P{x:[Q{z:i8}]}") == "x[].z: stored as text, now i8");
  CHECK(problem("P{x:{text:i32}}", "P{x:{i8:i32}}") == "x{key}: stored as text, now i8");
  CHECK(problem("P{x:{text:i32}}", "P{x:{text:i8}}") == "x{value}: stored as i32, now i8");
  CHECK(problem("(i32,text)", "(i32,i32)") == "value(1): stored as text, now i32");
  CHECK(problem("(i32,text)", "(i32)") == "value: stored as (i32,text), now (i32)");
  CHECK(problem("[i32*3]", "[i32*4]") == "value: stored as [i32*3], now [i32*4]");
  CHECK(problem("duration", "duration(1/1)") == "value: stored as duration, now duration(1/1)");
  CHECK(problem("P{o:opaque(a)}", "P{o:opaque(b)}") == "o: stored as opaque(a), now opaque(b)");
  CHECK(problem("P{o:opaque(a)}", "P{}") == "o: a removed field of opaque type cannot be skipped");
  CHECK(problem("P{a:", "P{}").find("stored schema: malformed") == 0);
}

before::Person random_person(Random& random) {
  before::Person person;
  const auto text = [&] { return Text(std::string(random.below(40), 'x')); };
  person.id = static_cast<int32_t>(random.next());
  person.score = static_cast<float>(random.real());
  person.name = text();
  person.tags.resize(random.below(4), text());
  if (random.one_in(2))
    person.address = before::Address{text(), static_cast<int16_t>(random.next())};
  for (uint64_t i = random.below(4); i > 0; --i) {
    person.counts[text()] = static_cast<int8_t>(random.next());
  }
  person.small = static_cast<uint8_t>(random.next());
  if (random.one_in(2)) person.colour = Colour::kBlue;
  return person;
}

TEST_CASE("schema: old bytes decode into the new record") {
  const TypeSchema stored = parse_schema(schema_text<before::Person>()).value();
  REQUIRE(describe_incompatibility(stored, schema_of<after::Human>()) == "");
  Random random(7);
  for (int i = 0; i < 200; ++i) {
    const before::Person old = random_person(random);
    const std::string bytes = encode_to_string(old) + "rest";
    ByteReader reader(bytes);
    after::Human now;
    now.added = 1;
    decode_with_schema(reader, stored, now);
    REQUIRE(!reader.failed());
    CHECK(reader.remaining() == 4);
    CHECK(now.id == old.id);
    CHECK(now.score == old.score);
    CHECK(now.name == old.name);
    CHECK(now.added == 42);
    CHECK(now.small == old.small);
    CHECK(now.colour == old.colour);
    REQUIRE(now.address.has_value() == old.address.has_value());
    if (now.address) {
      CHECK(now.address->zip == old.address->zip);
      CHECK(now.address->number == old.address->number);
      CHECK(now.address->country == "unknown");
    }
    REQUIRE(now.counts.size() == old.counts.size());
    for (const auto& [key, count] : old.counts) CHECK(now.counts.at(key.str()) == count);
  }
}

TEST_CASE("schema: every kind of value decodes under its own schema") {
  Everything value;
  value.flag = true;
  value.i8 = -1;
  value.f64 = std::nan("");
  value.time = EventTime{-5};
  value.duration = Duration(17);
  value.seconds = std::chrono::seconds(3);
  value.decimal = Decimal::of(-1234, 2);
  value.bytes.data = std::string("\0\xff", 2);
  value.array = {1, 2, 3};
  value.pair = {"some text that is long", {7, true}};
  value.map[3] = std::nullopt;
  value.map[4] = std::vector<Text>{"a", ""};
  const std::string bytes = encode_to_string(value);
  ByteReader reader(bytes);
  Everything copy;
  decode_with_schema(reader, schema_of<Everything>(), copy);
  CHECK(!reader.failed());
  CHECK(reader.at_end());
  CHECK(std::isnan(copy.f64));
  CHECK(copy.seconds == value.seconds);
  CHECK(copy.pair == value.pair);
  CHECK(copy.map == value.map);
  CHECK(copy.array == value.array);
  CHECK(copy.bytes == value.bytes);
  CHECK(copy.decimal == value.decimal);
  ByteReader skipped(bytes);
  skip_value(skipped, schema_of<Everything>());
  CHECK(skipped.at_end());
}

TEST_CASE("schema: a type with a codec of its own is read by it") {
  const WithOpaque value{{5}, 6};
  const std::string bytes = encode_to_string(value);
  ByteReader reader(bytes);
  WithOpaque copy;
  decode_with_schema(reader, schema_of<WithOpaque>(), copy);
  CHECK(copy.opaque.value == 5);
  CHECK(copy.after == 6);
}

TEST_CASE("schema: truncated and damaged bytes fail without reading outside") {
  const TypeSchema stored = schema_of<before::Person>();
  Random random(9);
  for (int i = 0; i < 100; ++i) {
    const std::string bytes = encode_to_string(random_person(random));
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      const std::string truncated = bytes.substr(0, cut);
      ByteReader reader(truncated);
      after::Human now;
      decode_with_schema(reader, stored, now);
      CHECK(reader.failed());
    }
    std::string damaged = bytes;
    damaged[random.below(damaged.size())] ^= static_cast<char>(1U << random.below(8));
    ByteReader reader(damaged);
    after::Human now;
    decode_with_schema(reader, stored, now);
    CHECK(reader.remaining() <= damaged.size());
  }
}

}  // namespace
}  // namespace sluice
