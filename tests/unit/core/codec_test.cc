// The binary form of every field type, from seeds: what is written reads back, and no prefix and no
// damaged byte is read outside the buffer.
#include "core/codec.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include "core/decimal.h"
#include "core/random.h"

namespace sluice {

enum class Mood : int16_t { kCalm = -3, kWild = 300 };
struct Inner {
  Text name;
  std::optional<double> weight;
  friend bool operator==(const Inner&, const Inner&) = default;
};
SLUICE_RECORD(Inner, name, weight);
struct AllFields {
  bool flag = false;
  int8_t i8 = 0;
  int16_t i16 = 0;
  int32_t i32 = 0;
  int64_t i64 = 0;
  uint64_t u64 = 0;
  float f32 = 0;
  double f64 = 0;
  Decimal decimal;
  Text text;
  std::string string;
  Bytes bytes;
  EventTime time;
  Duration duration{0};
  Mood mood = Mood::kCalm;
  std::optional<Text> maybe;
  std::vector<Inner> list;
  std::map<Text, std::vector<int64_t>> map;
  std::pair<int32_t, Text> pair;
  std::tuple<bool, Inner, EventTime> tuple;
  Inner nested;
};
SLUICE_RECORD(AllFields, flag, i8, i16, i32, i64, u64, f32, f64, decimal, text, string, bytes, time,
              duration, mood, maybe, list, map, pair, tuple, nested);

namespace {

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  AllFields make() {
    AllFields all;
    all.flag = random_.one_in(2);
    all.i8 = static_cast<int8_t>(number());
    all.i16 = static_cast<int16_t>(number());
    all.i32 = static_cast<int32_t>(number());
    all.i64 = number();
    all.u64 = static_cast<uint64_t>(number());
    all.f32 = static_cast<float>(real());
    all.f64 = real();
    all.decimal = Decimal::of(number(), static_cast<int>(random_.between(0, 38)));
    all.text = Text(characters());
    all.string = characters();
    all.bytes.data = characters();
    all.time = EventTime{number()};
    all.duration = Duration(number());
    all.mood = random_.one_in(2) ? Mood::kCalm : Mood::kWild;
    if (random_.one_in(2)) all.maybe = Text(characters());
    for (int64_t i = random_.between(0, 4); i > 0; --i) all.list.push_back(inner());
    for (int64_t i = random_.between(0, 4); i > 0; --i) {
      all.map[Text(characters())] = std::vector<int64_t>(random_.below(5), number());
    }
    all.pair = {static_cast<int32_t>(number()), Text(characters())};
    all.tuple = {random_.one_in(2), inner(), EventTime{number()}};
    all.nested = inner();
    return all;
  }

  int64_t number() {
    switch (random_.below(5)) {
      case 0:
        return std::numeric_limits<int64_t>::min();
      case 1:
        return std::numeric_limits<int64_t>::max();
      case 2:
        return 0;
      default:
        return random_.between(-1'000'000'000'000, 1'000'000'000'000);
    }
  }
  double real() {
    constexpr double kSpecial[] = {0.0,
                                   -0.0,
                                   std::numeric_limits<double>::infinity(),
                                   -std::numeric_limits<double>::infinity(),
                                   std::numeric_limits<double>::quiet_NaN(),
                                   std::numeric_limits<double>::denorm_min(),
                                   std::numeric_limits<double>::max()};
    if (random_.one_in(2)) return kSpecial[random_.below(std::size(kSpecial))];
    return static_cast<double>(random_.between(-1'000'000, 1'000'000)) / 7;
  }
  std::string characters() {
    // Empty, around the inline limit of Text, and long; any byte.
    constexpr size_t kSizes[] = {0, 1, 11, 12, 13, 40, 3000};
    std::string out(kSizes[random_.below(std::size(kSizes))], '\0');
    for (char& c : out) c = static_cast<char>(random_.below(256));
    return out;
  }

 private:
  Inner inner() {
    Inner result;
    result.name = Text(characters());
    if (random_.one_in(2)) result.weight = real();
    return result;
  }
  Random random_;
};

TEST_CASE("codec: records of every field type come back bit for bit") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    const TextArenaRef arena(new TextArena());
    const ArenaScope scope(arena.get());
    Maker maker(seed);
    const AllFields value = maker.make();
    const std::string bytes = encode_to_string(value);
    ByteReader reader(bytes);
    const auto copy = decode<AllFields>(reader);
    CHECK_FALSE(reader.failed());
    CHECK(reader.at_end());
    // NaN is not equal to itself, its bytes are.
    CHECK(encode_to_string(copy) == bytes);
    CHECK(copy.text == value.text);
    CHECK(copy.decimal == value.decimal);
    CHECK(copy.map == value.map);
    CHECK(std::signbit(copy.f64) == std::signbit(value.f64));
    CHECK(std::isnan(copy.f64) == std::isnan(value.f64));
    CHECK(copy.mood == value.mood);
  }
}

TEST_CASE("codec: a text of megabytes comes back") {
  const TextArenaRef arena(new TextArena());
  const ArenaScope scope(arena.get());
  const std::string huge(5'000'000, 'x');
  const std::string bytes = encode_to_string(Inner{Text(huge), std::nullopt});
  ByteReader reader(bytes);
  CHECK(decode<Inner>(reader).name == std::string_view(huge));
}

TEST_CASE("codec: encodings follow each other without marks between them") {
  const TextArenaRef arena(new TextArena());
  const ArenaScope scope(arena.get());
  Maker maker(5);
  std::string bytes;
  ByteWriter writer(bytes);
  std::vector<AllFields> values;
  for (int i = 0; i < 20; ++i) {
    values.push_back(maker.make());
    encode(values.back(), writer);
  }
  ByteReader reader(bytes);
  for (const AllFields& value : values) CHECK(decode<AllFields>(reader).string == value.string);
  CHECK(reader.at_end());
}

TEST_CASE("codec: truncated and damaged bytes never lead outside the buffer") {
  const TextArenaRef arena(new TextArena());
  const ArenaScope scope(arena.get());
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Maker maker(seed);
    AllFields value = maker.make();
    value.string.resize(std::min<size_t>(value.string.size(), 20));
    const std::string bytes = encode_to_string(value);
    Random random(seed);
    for (int i = 0; i < 200; ++i) {
      // Of exactly that size on the heap, so that a sanitizer sees one byte too many.
      const std::string prefix(bytes.substr(0, random.below(bytes.size())));
      ByteReader shorter(prefix);
      (void)decode<AllFields>(shorter);
      CHECK(shorter.failed());
      std::string damaged = bytes;
      damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
      ByteReader reader(damaged);
      (void)decode<AllFields>(reader);
    }
  }
}

}  // namespace
TEST_CASE("codec: an EncodeBuffer holds what a writer would have appended to a string") {
  Random random(3);
  EncodeBuffer buffer;
  CHECK(buffer.view().empty());
  for (int round = 0; round < 200; ++round) {
    std::string expected;
    ByteWriter writer(expected);
    buffer.clear();
    for (uint64_t left = random.below(40); left > 0; --left) {
      const auto number = static_cast<int64_t>(random.next());
      const std::string text(random.below(random.one_in(10) ? 2000 : 20), 'x');
      writer.fixed(number);
      writer.text(text);
      buffer.fixed(number);
      buffer.text(text);
      CHECK(buffer.size() == writer.size());
    }
    if (!expected.empty()) {
      std::memcpy(expected.data(), "12345678", 8);
      buffer.overwrite(0, std::array{'1', '2', '3', '4', '5', '6', '7', '8'});
    }
    CHECK(buffer.view() == expected);
  }
}

TEST_CASE("codec: what was written is taken out of an EncodeBuffer whole, which then goes on") {
  EncodeBuffer buffer;
  CHECK(buffer.take().empty());
  // Full enough to be handed over, and so empty that it is not.
  for (const size_t room : {size_t{0}, size_t{100}, size_t{100'000}}) {
    for (const size_t size : {1, 99, 5000}) {
      const std::string text(size, 'x');
      buffer.clear(room).bytes(text.data(), size);
      const ByteBlock taken = buffer.take();
      CHECK(taken.view() == text);
      CHECK(taken.capacity() <= 2 * size + 512);
      CHECK(buffer.view().empty());
    }
  }
}

TEST_CASE("codec: texts that stay put point into what was read, others are copies") {
  const std::string text(40, 't');
  const std::string bytes = encode_to_string(Text(text));
  const auto lies_in = [&](const char* at) {
    return at >= bytes.data() && at < bytes.data() + bytes.size();
  };
  ByteReader staying(bytes, TextBytes::kStayPut);
  const auto view = decode<Text>(staying);
  CHECK(view.view() == text);
  CHECK(lies_in(view.data()));
  ByteReader copying(bytes);
  const auto copy = decode<Text>(copying);
  CHECK(copy.view() == text);
  CHECK_FALSE(lies_in(copy.data()));
}

TEST_CASE("text: of every length it has the characters, and equal texts have equal words") {
  std::string characters;
  for (int i = 0; i < 40; ++i) characters += static_cast<char>(i * 37);
  for (size_t size = 0; size <= characters.size(); ++size) {
    // In a block of its own, so that a read beyond the end is seen.
    const ByteBlock exact(characters.substr(0, size));
    const Text text(exact.view());
    CHECK(text.view() == exact.view());
    CHECK(text.is_inline() == (size <= Text::kInlineBytes));
    CHECK(text == Text::view(exact.view()));
    CHECK(text == exact.view());
    if (size > 0) {
      std::string other(exact.view());
      other.back() = static_cast<char>(other.back() ^ 1);
      CHECK_FALSE(text == Text(other));
      CHECK_FALSE(text == Text(other.substr(0, size - 1)));
    }
    if (!text.is_inline()) continue;
    std::array<char, sizeof(Text)> expected{};
    expected[0] = static_cast<char>(size);
    if (size > 0) std::memcpy(expected.data() + 4, exact.data(), size);
    CHECK(std::memcmp(&text, expected.data(), sizeof(Text)) == 0);
  }
}

TEST_CASE("record: the texts of a row move to an arena one behind the other") {
  Inner inner;
  const std::string name(30, 'n');
  inner.name = Text(name);
  std::pair<Inner, std::vector<Text>> row{inner, {Text("short"), Text(std::string(50, 'v'))}};
  const TextArenaRef arena(new TextArena());
  move_texts_to(row, *arena);
  CHECK(arena->used_bytes() == 80);
  CHECK(row.first.name.view() == name);
  CHECK(row.second[0] == "short");
  CHECK(row.second[1].view() == std::string(50, 'v'));
  CHECK(row.second[1].data() == row.first.name.data() + 30);
  CHECK(text_bytes_of(row) == 80);
}

}  // namespace sluice
