#include "connectors/formats/json_lines.h"

#include <cmath>
#include <limits>

#include <boost/describe/enum.hpp>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "connectors/formats/text.h"
#include "core/random.h"

namespace sluice {
namespace {

enum class Mood { kGood = 1, kBad = 2 };
BOOST_DESCRIBE_ENUM(Mood, kGood, kBad);

struct Point {
  int32_t x = 0;
  std::optional<int32_t> y;
  friend bool operator==(const Point&, const Point&) = default;
};
SLUICE_RECORD(Point, x, y);

struct Document {
  int64_t id = 0;
  uint64_t size = 0;
  double score = 0;
  float weight = 0;
  bool flag = false;
  Text title;
  std::string body;
  Bytes raw;
  EventTime time;
  Duration length{0};
  Mood mood = Mood::kGood;
  std::optional<Text> note;
  std::vector<Point> points;
  std::map<Text, std::vector<int64_t>> by_name;
  std::map<int32_t, Text> by_number;
  std::unordered_map<std::string, double> loose;
  std::map<std::pair<int32_t, int32_t>, bool> by_pair;
  std::pair<Text, int32_t> pair;
  std::tuple<bool, Text, double> tuple;
  std::array<int16_t, 3> array{};
  std::vector<bool> bits;
};
SLUICE_RECORD(Document, id, size, score, weight, flag, title, body, raw, time, length, mood, note,
              points, by_name, by_number, loose, by_pair, pair, tuple, array, bits);

template <class T>
std::string json_of(const T& value) {
  std::string out;
  append_json(value, out);
  return out;
}

// "" when `line` was read into `value`.
template <class T>
std::string read(std::string_view line, T& value) {
  static const TextArenaRef kArena(new TextArena);
  typename JsonLinesFormat<T>::Parser parser{JsonLinesFormat<T>()};
  switch (parser.parse(line, value, *kArena)) {
    case LineOutcome::kRecord:
      return "";
    case LineOutcome::kSkip:
      return "skipped";
    default:
      return parser.reason();
  }
}

TEST_CASE("json: fields are found by name, unknown ones are passed over") {
  Point point;
  CHECK(read(R"({"x":1,"y":2})", point) == "");
  CHECK(point == Point{1, 2});
  CHECK(read(R"( { "y" : null , "z":{"a":[1,{"b":"}"}],"c":"\"]"}, "x" : -3 } )", point) == "");
  CHECK(point == Point{-3, std::nullopt});
  CHECK(read(R"({"x":1,"x":7})", point) == "");
  CHECK(point == Point{7, std::nullopt});
  CHECK(read(R"({"\u0078":5})", point) == "");
  CHECK(point.x == 5);
  CHECK(read("", point) == "skipped");
  CHECK(read(" \t", point) == "skipped");
}

TEST_CASE("json: what is wrong is told with the field's path") {
  Point point;
  CHECK(read(R"({"y":2})", point) == "missing field x");
  CHECK(read(R"({})", point) == "missing field x");
  CHECK(read(R"({"x":"1"})", point) == "field x: not an integer of 32 bits");
  CHECK(read(R"({"x":null})", point) == "field x: not an integer of 32 bits");
  CHECK(read(R"({"x":1.5})", point) == "field x: 1.5 is not an integer of 32 bits");
  CHECK(read(R"({"x":2147483648})", point) == "field x: 2147483648 is not an integer of 32 bits");
  CHECK(read(R"({"x":01})", point) == "field x: not an integer of 32 bits");
  CHECK(read(R"({"x":1)", point) == "an object does not end");
  CHECK(read(R"({"x":1}})", point) == "text after the JSON value");
  CHECK(read(R"({"x":1,})", point) == "a field name is missing");
  CHECK(read(R"({x:1})", point) == "a field name is missing");
  CHECK(read(R"({"x" 1})", point) == "a ':' is missing");
  CHECK(read(R"([1])", point) == "not an object");
  CHECK(read(R"(nothing)", point) == "not an object");
  Document document;
  const std::string good = json_of(document);
  nlohmann::json tree = nlohmann::json::parse(good);
  tree["points"] = nlohmann::json::array({{{"x", 1}}, {{"x", "no"}}});
  CHECK(read(tree.dump(), document) == "field points.x: not an integer of 32 bits");
  tree = nlohmann::json::parse(good);
  tree["array"] = {1, 2};
  CHECK(read(tree.dump(), document) == "field array: an array is too short");
  tree["array"] = {1, 2, 3, 4};
  CHECK(read(tree.dump(), document) == "field array: an array is too long");
  tree = nlohmann::json::parse(good);
  tree["raw"] = "not base64!";
  CHECK(read(tree.dump(), document) == "field raw: not base64");
}

TEST_CASE("json: strings with escapes") {
  Text text;
  CHECK(read(R"("a\"\\\/\b\f\n\r\tz")", text) == "");
  CHECK(text == "a\"\\/\b\f\n\r\tz");
  CHECK(read(R"("\u00e9\u20ac\ud83d\ude00")", text) == "");
  CHECK(text == "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  CHECK(read("\"\\u0000\"", text) == "");
  CHECK(text == std::string_view("\0", 1));
  CHECK(read(R"("\ud83d")", text) == "half a surrogate pair in a string");
  CHECK(read(R"("\ude00")", text) == "half a surrogate pair in a string");
  CHECK(read(R"("\ud83d\u0041")", text) == "half a surrogate pair in a string");
  CHECK(read(R"("\u12g4")", text) == "an unknown escape in a string");
  CHECK(read(R"("\x")", text) == "an unknown escape in a string");
  CHECK(read(R"("open)", text) == "a string does not end");
  CHECK(read(R"("open\)", text) == "a string does not end");
  CHECK(read(R"("open\")", text) == "a string does not end");
  CHECK(read("\"a\x01\"", text) == "a control character in a string");
  CHECK(json_of(Text("a\"\\\n\t\r\x01\x1f/")) == "\"a\\\"\\\\\\n\\t\\r\\u0001\\u001f/\"");
}

TEST_CASE(
    "json: bytes that are not UTF-8 come back as they were, and what is written is ASCII or "
    "UTF-8") {
  const auto there_and_back = [](std::string_view bytes) {
    Text text;
    std::string json = json_of(Text(bytes));
    CHECK(read(json, text) == "");
    CHECK(text.str() == bytes);
    return json;
  };
  CHECK(there_and_back("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80") ==
        "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
  CHECK(there_and_back("a\xFFz") == "\"a\\udcffz\"");
  CHECK(there_and_back("\xC3") == "\"\\udcc3\"");
  CHECK(there_and_back("\xC0\x80") == "\"\\udcc0\\udc80\"");
  CHECK(there_and_back("\xED\xA0\x80") == "\"\\udced\\udca0\\udc80\"");
  CHECK(there_and_back("\xF4\x90\x80\x80") == "\"\\udcf4\\udc90\\udc80\\udc80\"");
  CHECK(there_and_back("\xE2\x82\"") == "\"\\udce2\\udc82\\\"\"");
  Random random(5);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random.below(12), '\0');
    for (char& c : bytes) c = static_cast<char>(random.next());
    std::string json = there_and_back(bytes);
    // Another reader takes it once the lone surrogates are replaced.
    for (size_t at = json.find("\\udc"); at != std::string::npos; at = json.find("\\udc")) {
      json.replace(at, 6, "?");
    }
    CHECK(nlohmann::json::accept(json));
  }
}

TEST_CASE("json: 64-bit integers keep all their digits") {
  for (const int64_t value :
       {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(),
        int64_t{9'007'199'254'740'993}}) {
    int64_t back = 0;
    CHECK(json_of(value) == std::to_string(value));
    CHECK(read(json_of(value), back) == "");
    CHECK(back == value);
  }
  uint64_t back = 0;
  CHECK(read("18446744073709551615", back) == "");
  CHECK(back == UINT64_MAX);
  CHECK(read("18446744073709551616", back) != "");
  CHECK(read("-1", back) != "");
}

TEST_CASE("json: NaN and the infinities are strings, and only they may be") {
  CHECK(json_of(std::nan("")) == "\"NaN\"");
  CHECK(json_of(std::numeric_limits<float>::infinity()) == "\"Infinity\"");
  CHECK(json_of(-std::numeric_limits<double>::infinity()) == "\"-Infinity\"");
  double value = 0;
  CHECK(read("\"NaN\"", value) == "");
  CHECK(std::isnan(value));
  CHECK(read("\"-Infinity\"", value) == "");
  CHECK(value == -std::numeric_limits<double>::infinity());
  CHECK(read("\"1.5\"", value) == "not a number");
  CHECK(read("NaN", value) == "not a number");
  for (const char* bad : {".5", "5.", "+5", "1e", "-", "0x10", "00"}) {
    CAPTURE(bad);
    CHECK(read(bad, value) != "");
  }
  CHECK(read("1E+2", value) == "");
  CHECK(value == 100);
}

TEST_CASE("json: times are ISO 8601 strings or milliseconds") {
  EventTime time;
  CHECK(read("\"2001-01-01T01:24:00Z\"", time) == "");
  CHECK(time.ms == 978'312'240'000);
  CHECK(read("978312240001", time) == "");
  CHECK(time.ms == 978'312'240'001);
  CHECK(json_of(time) == "\"2001-01-01T01:24:00.001Z\"");
  Duration duration{0};
  CHECK(read("\"90s\"", duration) == "");
  CHECK(duration.count() == 90'000);
  CHECK(json_of(duration) == "90000");
  Mood mood = Mood::kGood;
  CHECK(read("\"kBad\"", mood) == "");
  CHECK(mood == Mood::kBad);
  CHECK(read("1", mood) == "");
  CHECK(mood == Mood::kGood);
  CHECK(read("\"kUgly\"", mood) == "kUgly is not a value of the enum");
}

TEST_CASE("json: the text of each kind of value") {
  CHECK(json_of(std::map<int32_t, Text>{{1, "a"}, {-2, "b"}}) == R"({"-2":"b","1":"a"})");
  CHECK(json_of(std::map<std::pair<int32_t, bool>, Text>{{{1, true}, "a"}}) ==
        R"([[[1,true],"a"]])");
  CHECK(json_of(std::map<EventTime, int32_t>{{EventTime{0}, 5}}) ==
        R"({"1970-01-01T00:00:00Z":5})");
  CHECK(json_of(std::vector<std::optional<int32_t>>{1, std::nullopt}) == "[1,null]");
  CHECK(json_of(Bytes{std::string("\0\xff\x10", 3)}) == "\"AP8Q\"");
  CHECK(json_of(std::tuple<>()) == "[]");
  CHECK(json_of(Point{1, std::nullopt}) == R"({"x":1,"y":null})");
}

TEST_CASE("json: nesting of unknown fields is bounded") {
  Point point;
  const std::string deep = std::string(1'000'000, '[');
  CHECK(read(R"({"x":1,"z":)" + deep, point) == "nested too deeply");
}

std::string random_text(Random& random) {
  std::string text(random.one_in(20) ? random.below(3000) : random.below(20), '\0');
  // ASCII with control characters: nlohmann reads only UTF-8.
  for (char& c : text) c = static_cast<char>(random.below(128));
  return text;
}

Document random_document(Random& random) {
  Document d;
  d.id = static_cast<int64_t>(random.next());
  d.size = random.next();
  d.score = random.one_in(4) ? std::nan("") : std::bit_cast<double>(random.next());
  d.weight = static_cast<float>(random.real());
  d.flag = random.one_in(2);
  d.title = Text(random_text(random));
  d.body = random_text(random);
  d.raw.data = random_text(random);
  d.time.ms = random.between(-100'000'000'000'000, 100'000'000'000'000);
  d.length = Duration(static_cast<int64_t>(random.next()));
  d.mood = random.one_in(2) ? Mood::kGood : Mood::kBad;
  if (random.one_in(2)) d.note = Text(random_text(random));
  for (uint64_t i = random.below(4); i > 0; --i) {
    Point point{static_cast<int32_t>(random.next()), std::nullopt};
    if (random.one_in(2)) point.y = static_cast<int32_t>(random.next());
    d.points.push_back(point);
    d.by_name[Text(random_text(random))] = {static_cast<int64_t>(random.next())};
    d.by_number[static_cast<int32_t>(random.next())] = Text(random_text(random));
    d.loose[random_text(random)] = random.real();
    d.by_pair[{static_cast<int32_t>(random.next()), 1}] = random.one_in(2);
    d.bits.push_back(random.one_in(2));
  }
  d.pair = {Text(random_text(random)), static_cast<int32_t>(random.next())};
  d.tuple = {random.one_in(2), Text(random_text(random)), random.real()};
  d.array = {1, -2, static_cast<int16_t>(random.next())};
  return d;
}

TEST_CASE("json: random records read back, and another reader agrees on what they say") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Document document = random_document(random);
    const std::string line = json_of(document);
    CHECK(line.find('\n') == std::string::npos);
    Document back;
    REQUIRE(read(line, back) == "");
    // The order of an unordered map is nobody's business, so trees are compared.
    const nlohmann::json tree = nlohmann::json::parse(line);
    CHECK(bool(nlohmann::json::parse(json_of(back)) == tree));
    CHECK(back.points == document.points);
    CHECK(back.by_name == document.by_name);
    CHECK(back.by_pair == document.by_pair);
    CHECK(back.loose == document.loose);
    CHECK(back.tuple == document.tuple);
    CHECK(back.raw == document.raw);
    CHECK((back.score == document.score || std::isnan(back.score)));
    CHECK(tree["id"].get<int64_t>() == document.id);
    CHECK(tree["size"].get<uint64_t>() == document.size);
    CHECK(tree["title"].get<std::string>() == document.title.view());
    CHECK(tree["points"].size() == document.points.size());
    if (std::isfinite(document.score)) CHECK(tree["score"].get<double>() == document.score);
    // What the other writes (sorted, escaped in its own way) we read.
    Document again;
    REQUIRE(read(tree.dump(-1, ' ', true), again) == "");
    CHECK(bool(nlohmann::json::parse(json_of(again)) == tree));
    REQUIRE(read(tree.dump(2), again) == "");
    CHECK(bool(nlohmann::json::parse(json_of(again)) == tree));
  }
}

TEST_CASE("json: no prefix of a line is taken for a record, and none is read past its end") {
  Random random(11);
  const std::string line = json_of(random_document(random));
  for (size_t cut = 1; cut < line.size(); ++cut) {
    const std::string prefix = line.substr(0, cut);
    Document document;
    CHECK(read(prefix, document) != "");
  }
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = line;
    damaged[random.below(damaged.size())] = static_cast<char>(random.next());
    Document document;
    (void)read(damaged, document);
  }
}

TEST_CASE("text: a line is a record, byte for byte, the empty one too") {
  const TextArenaRef arena(new TextArena);
  TextFormat::Parser parser{TextFormat()};
  Text text;
  CHECK(parser.parse("", text, *arena) == LineOutcome::kRecord);
  CHECK(text == "");
  const std::string_view odd("\xff\0 \"x\" ", 7);
  CHECK(parser.parse(odd, text, *arena) == LineOutcome::kRecord);
  CHECK(text == odd);
  std::string out;
  TextFormat::Writer{TextFormat()}.append(text, out);
  CHECK(out == std::string(odd) + "\n");
}

}  // namespace
}  // namespace sluice
