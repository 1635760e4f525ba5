#include "connectors/formats/csv.h"

#include <cmath>
#include <limits>

#include <boost/describe/enum.hpp>
#include <doctest/doctest.h>

#include "core/random.h"

namespace sluice {
namespace {

enum class Kind { kBuy = 1, kSell = 2 };
BOOST_DESCRIBE_ENUM(Kind, kBuy, kSell);
enum class Level : uint8_t { kLow = 1, kHigh = 9 };

struct Trade {
  EventTime time;
  Text symbol;
  int32_t amount = 0;
  std::optional<double> price;
};
SLUICE_RECORD(Trade, time, symbol, amount, price);

struct Nested {
  Text name;
  int32_t number = 0;
  friend bool operator==(const Nested&, const Nested&) = default;
};
SLUICE_RECORD(Nested, name, number);

struct Wide {
  bool flag = false;
  int8_t i8 = 0;
  uint8_t u8 = 0;
  int64_t i64 = 0;
  uint64_t u64 = 0;
  float f32 = 0;
  double f64 = 0;
  EventTime time;
  Duration duration{0};
  Kind kind = Kind::kBuy;
  Level level = Level::kLow;
  Text text;
  std::string string;
  Bytes bytes;
  std::optional<Text> maybe_text;
  std::optional<int32_t> maybe_number;
  std::vector<Nested> list;
  std::map<Text, int64_t> counts;
};
SLUICE_RECORD(Wide, flag, i8, u8, i64, u64, f32, f64, time, duration, kind, level, text, string,
              bytes, maybe_text, maybe_number, list, counts);

struct OneText {
  Text text;
};
SLUICE_RECORD(OneText, text);
struct OneOptional {
  std::optional<Text> text;
};
SLUICE_RECORD(OneOptional, text);

// Reads rows of one record type, as a file reader would.
template <class T>
class CsvTable {
 public:
  explicit CsvTable(CsvOptions options = {})
      : parser_(CsvFormat<T>(options)), arena_(new TextArena) {}

  std::string header(std::string_view line) { return parser_.parse_header(line).message(); }
  /// "" for a row that was read into `record`, else what became of it.
  std::string row(std::string_view line) {
    switch (parser_.parse(line, record, *arena_)) {
      case LineOutcome::kRecord:
        return "";
      case LineOutcome::kSkip:
        return "skipped";
      case LineOutcome::kUnclosed:
        return "unclosed";
      case LineOutcome::kBad:
        return parser_.reason();
    }
    return "?";
  }

  T record{};

 private:
  typename CsvFormat<T>::Parser parser_;
  TextArenaRef arena_;
};

template <class T>
std::string written(const T& record, CsvOptions options = {}) {
  typename CsvFormat<T>::Writer writer{CsvFormat<T>(options)};
  std::string out;
  writer.append(record, out);
  REQUIRE(out.ends_with('\n'));
  out.pop_back();
  return out;
}

TEST_CASE("csv: columns are found by name, in any order and among others") {
  CsvTable<Trade> table;
  CHECK(table.header("venue,amount,symbol,note,price,time") == "");
  CHECK(table.row("NYSE,-5,IBM,x,1.5,2001-01-01T00:00:00Z") == "");
  CHECK(table.record.amount == -5);
  CHECK(table.record.symbol == "IBM");
  CHECK(table.record.price == 1.5);
  CHECK(table.record.time.ms == 978'307'200'000);
}

TEST_CASE("csv: missing columns are named, optional ones may be missing") {
  CsvTable<Trade> table;
  CHECK(table.header("symbol,amount,time") == "");
  CHECK(table.row("IBM,1,0") == "");
  CHECK(!table.record.price.has_value());
  CHECK(table.header("symbol,price") ==
        "missing columns time, amount (the header has: symbol, price)");
  CHECK(table.header("symbol,price,time") ==
        "missing column amount (the header has: symbol, price, time)");
  CHECK(table.header("") == "missing columns time, symbol, amount (the header has: )");
  CHECK(table.header("time,symbol,amount,time") == "the header names a column twice: time");
  CHECK(table.header("time,\"symbol,amount") == "the header line is not CSV");
  CHECK(table.header("\"time\",\"symbol\",amount") == "");
}

TEST_CASE("csv: without a header the columns are the fields") {
  CsvTable<Trade> table(CsvOptions{.header = false});
  CHECK(table.row("5,IBM,7,") == "");
  CHECK(table.record.time.ms == 5);
  CHECK(table.record.amount == 7);
  CHECK(!table.record.price);
  CHECK(table.row("5,IBM,7") == "3 columns instead of 4");
}

TEST_CASE("csv: quotes, corner cases of RFC 4180") {
  CsvTable<Nested> table;
  REQUIRE(table.header("name,number") == "");
  const auto name_of = [&](std::string_view line) {
    const std::string problem = table.row(line);
    return problem.empty() ? table.record.name.str() : "! " + problem;
  };
  CHECK(name_of("plain,1") == "plain");
  CHECK(name_of(",1") == "");
  CHECK(name_of(" padded ,1") == " padded ");
  CHECK(name_of("\"\",1") == "");
  CHECK(name_of("\"a,b\",1") == "a,b");
  CHECK(name_of("\"a\"\"b\",1") == "a\"b");
  CHECK(name_of("\"\"\"\",1") == "\"");
  CHECK(name_of("\"\"\"a\"\"\",\"1\"") == "\"a\"");
  CHECK(name_of("\"a\nb\r\nc\",1") == "a\nb\r\nc");
  CHECK(name_of("\"a\" ,1") == "! column 1: text after a closing quote");
  CHECK(name_of("a\"b,1") == "! column 1: a quote inside a cell that is not quoted");
  CHECK(name_of("\"a,1") == "! unclosed");
  CHECK(name_of("\"a\"\",1") == "! unclosed");
  CHECK(name_of("") == "! skipped");
  CHECK(name_of(std::string_view("a\0b,1", 5)) == std::string("a\0b", 3));
  CHECK(name_of("a") == "! 1 column instead of 2");
  CHECK(name_of("a,1,") == "! 3 columns instead of 2");
  CHECK(name_of(std::string(100'000, 'x') + ",1") == std::string(100'000, 'x'));
}

TEST_CASE("csv: a cell that does not fit its field is told with column and value") {
  CsvTable<Trade> trades;
  REQUIRE(trades.header("time,symbol,amount,price") == "");
  CHECK(trades.row("0,a,12a,") == "column amount: \"12a\" is not an integer of 32 bits");
  CHECK(trades.row("0,a,,") == "column amount: empty is not an integer of 32 bits");
  CHECK(trades.row("0,a,2147483648,") ==
        "column amount: \"2147483648\" is not an integer of 32 bits");
  CHECK(trades.row("0,a, 1,") == "column amount: \" 1\" is not an integer of 32 bits");
  CHECK(trades.row("0,a,1.0,") == "column amount: \"1.0\" is not an integer of 32 bits");
  CHECK(trades.row("0,a,1,x") == "column price: \"x\" is not a number");
  CHECK(trades.row("2001-02-29T00:00:00Z,a,1,") ==
        "column time: \"2001-02-29T00:00:00Z\" is not a time (ISO 8601 or milliseconds)");
  CHECK(trades.row("0,a," + std::string(50, '9') + ",") ==
        "column amount: \"" + std::string(40, '9') + "...\" is not an integer of 32 bits");
}

TEST_CASE("csv: times are read as ISO 8601 and milliseconds, written as ISO 8601") {
  CsvTable<Trade> table;
  REQUIRE(table.header("time,symbol,amount") == "");
  const auto ms_of = [&](std::string_view text) {
    REQUIRE(table.row(std::string(text) + ",a,1") == "");
    return table.record.time.ms;
  };
  CHECK(ms_of("2001-01-01T01:24:00Z") == 978'312'240'000);
  CHECK(ms_of("2001-01-01 01:24:00") == 978'312'240'000);
  CHECK(ms_of("2001-01-01T01:24:00.250Z") == 978'312'240'250);
  CHECK(ms_of("2001-01-01T03:24:00+02:00") == 978'312'240'000);
  CHECK(ms_of("1969-12-31T23:59:59.999Z") == -1);
  CHECK(ms_of("-1") == -1);
  CHECK(ms_of("978312240000") == 978'312'240'000);
  CHECK(ms_of("-inf") == kMinTime.ms);
  for (const char* bad : {"2001-13-01T00:00:00Z", "2001-00-01T00:00:00Z", "2001-01-32T00:00:00Z",
                          "2001-01-01T24:00:00Z", "2001-01-01T00:60:00Z", "2001-01-01T00:00:60Z",
                          "2001-01-01T00:00:00X", "2001-01-01T0:00:00ZZ", "T", ""}) {
    CAPTURE(bad);
    CHECK(table.row(std::string(bad) + ",a,1") != "");
  }
  for (const int64_t ms :
       {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{978'312'240'000}, int64_t{-62'167'219'200'000},
        int64_t{-62'167'219'200'001}, int64_t{253'402'300'799'999}, int64_t{253'402'300'800'000},
        kMinTime.ms, kMinTime.ms + 1, kMaxTime.ms, kMaxTime.ms - 1}) {
    std::string text;
    append_scalar(EventTime{ms}, text);
    EventTime back;
    CAPTURE(text);
    REQUIRE(parse_scalar(text, back));
    CHECK(back.ms == ms);
  }
}

TEST_CASE("csv: an enum is its name or its number") {
  Kind kind = Kind::kSell;
  CHECK(parse_scalar("kBuy", kind));
  CHECK(kind == Kind::kBuy);
  CHECK(parse_scalar("2", kind));
  CHECK(kind == Kind::kSell);
  CHECK(!parse_scalar("kHold", kind));
  std::string text;
  append_scalar(Kind::kSell, text);
  CHECK(text == "kSell");
  Level level = Level::kLow;
  CHECK(parse_scalar("9", level));
  CHECK(level == Level::kHigh);
  CHECK(!parse_scalar("256", level));
}

TEST_CASE("csv: other delimiters") {
  const CsvOptions options{.delimiter = '\t'};
  CsvTable<Nested> table(options);
  REQUIRE(table.header("number\tname") == "");
  CHECK(table.row("1\ta,b") == "");
  CHECK(table.record.name == "a,b");
  CHECK(written(Nested{"a,b", 1}, options) == "a,b\t1");
  CHECK(written(Nested{"a\tb", 1}, options) == "\"a\tb\"\t1");
}

TEST_CASE("csv: writing quotes only what needs it") {
  CHECK(written(Nested{"plain text", 1}) == "plain text,1");
  CHECK(written(Nested{"", -1}) == ",-1");
  CHECK(written(Nested{"a,b", 1}) == "\"a,b\",1");
  CHECK(written(Nested{"a\"b", 1}) == "\"a\"\"b\",1");
  CHECK(written(Nested{"\"", 1}) == "\"\"\"\",1");
  CHECK(written(Nested{"a\nb", 1}) == "\"a\nb\",1");
  CHECK(written(Nested{"a\r", 1}) == "\"a\r\",1");
  CHECK(written(OneText{""}) == "\"\"");
  CHECK(written(OneOptional{}) == "");
  CHECK(written(OneOptional{Text()}) == "\"\"");
  std::string header;
  CsvFormat<Nested>::Writer{CsvFormat<Nested>()}.append_header(header);
  CHECK(header == "name,number\n");
  header.clear();
  const CsvFormat<Nested> bare(CsvOptions{.header = false});
  CsvFormat<Nested>::Writer{bare}.append_header(header);
  CHECK(header == "");
}

TEST_CASE("csv: numbers are the shortest text that reads back, special ones by name") {
  const auto text_of = [](auto value) {
    std::string text;
    append_scalar(value, text);
    return text;
  };
  CHECK(text_of(0.1) == "0.1");
  CHECK(text_of(0.1F) == "0.1");
  CHECK(text_of(1e300) == "1e+300");
  CHECK(text_of(-0.0) == "-0");
  CHECK(text_of(std::nan("")) == "NaN");
  CHECK(text_of(-std::numeric_limits<double>::infinity()) == "-Infinity");
  CHECK(text_of(Decimal::of(-1990, 2)) == "-19.9");
  Decimal decimal;
  CHECK(parse_scalar("12345678901234567890123456789012345678", decimal));
  CHECK(text_of(decimal) == "12345678901234567890123456789012345678");
  CHECK(!parse_scalar("1,5", decimal));
  double value = 0;
  CHECK(parse_scalar("1e999", value));
  CHECK(std::isinf(value));
  CHECK(parse_scalar("1e-999", value));
  CHECK(value == 0);
  CHECK(!parse_scalar("1e999x", value));
}

std::string random_text(Random& random) {
  static constexpr std::string_view kSpecial = "\",\n\r\t;\\ ";
  std::string text(random.one_in(20) ? random.below(5000) : random.below(24), '\0');
  for (char& c : text) {
    c = random.one_in(3) ? kSpecial[random.below(kSpecial.size())]
                         : static_cast<char>(random.next());
  }
  return text;
}

Wide random_wide(Random& random) {
  static constexpr double kOdd[] = {0.0,
                                    -0.0,
                                    1e-310,
                                    std::numeric_limits<double>::infinity(),
                                    -std::numeric_limits<double>::infinity(),
                                    std::numeric_limits<double>::quiet_NaN(),
                                    std::numeric_limits<double>::max()};
  Wide wide;
  wide.flag = random.one_in(2);
  wide.i8 = static_cast<int8_t>(random.next());
  wide.u8 = static_cast<uint8_t>(random.next());
  wide.i64 =
      random.one_in(4) ? std::numeric_limits<int64_t>::min() : static_cast<int64_t>(random.next());
  wide.u64 = random.one_in(4) ? std::numeric_limits<uint64_t>::max() : random.next();
  wide.f32 = static_cast<float>(random.real() * 1e10);
  wide.f64 =
      random.one_in(3) ? kOdd[random.below(std::size(kOdd))] : std::bit_cast<double>(random.next());
  wide.time.ms = random.one_in(2) ? static_cast<int64_t>(random.next())
                                  : random.between(-5'000'000'000'000, 5'000'000'000'000);
  wide.duration = Duration(static_cast<int64_t>(random.next()));
  wide.kind = random.one_in(2) ? Kind::kBuy : Kind::kSell;
  wide.level = random.one_in(2) ? Level::kLow : Level::kHigh;
  wide.text = Text(random_text(random));
  wide.string = random_text(random);
  wide.bytes.data = random_text(random);
  if (random.one_in(2)) wide.maybe_text = Text(random_text(random));
  if (random.one_in(2)) wide.maybe_number = static_cast<int32_t>(random.next());
  for (uint64_t i = random.below(3); i > 0; --i) {
    wide.list.push_back({Text(random_text(random)), static_cast<int32_t>(random.next())});
  }
  for (uint64_t i = random.below(3); i > 0; --i) {
    wide.counts[Text(random_text(random))] = static_cast<int64_t>(random.next());
  }
  return wide;
}

TEST_CASE("csv: random records read back as they were written") {
  CsvTable<Wide> table(CsvOptions{.header = false});
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Wide wide = random_wide(random);
    const std::string line = written(wide);
    // A row ends exactly where it should.
    const std::string more = line + "\nnext";
    CHECK(find_csv_row_end(more.data(), more.data() + more.size(), ',') ==
          more.data() + line.size());
    REQUIRE(table.row(line) == "");
    const Wide& back = table.record;
    CHECK(back.flag == wide.flag);
    CHECK(back.i8 == wide.i8);
    CHECK(back.u8 == wide.u8);
    CHECK(back.i64 == wide.i64);
    CHECK(back.u64 == wide.u64);
    CHECK(back.f32 == wide.f32);
    CHECK((back.f64 == wide.f64 || (std::isnan(back.f64) && std::isnan(wide.f64))));
    CHECK(std::signbit(back.f64 == 0 ? back.f64 : 1) == std::signbit(wide.f64 == 0 ? wide.f64 : 1));
    CHECK(back.time == wide.time);
    CHECK(back.duration == wide.duration);
    CHECK(back.kind == wide.kind);
    CHECK(back.level == wide.level);
    CHECK(back.text == wide.text);
    CHECK(back.string == wide.string);
    CHECK(back.bytes == wide.bytes);
    CHECK(back.maybe_text == wide.maybe_text);
    CHECK(back.maybe_number == wide.maybe_number);
    CHECK(back.list == wide.list);
    CHECK(back.counts == wide.counts);
  }
}

TEST_CASE("csv: records of one column tell nothing, empty and null apart") {
  CsvTable<OneText> texts;
  REQUIRE(texts.header("text") == "");
  CHECK(texts.row("") == "skipped");
  CHECK(texts.row(written(OneText{""})) == "");
  CHECK(texts.record.text == "");
  CsvTable<OneOptional> optionals;
  REQUIRE(optionals.header("text") == "");
  CHECK(optionals.row(written(OneOptional{})) == "");
  CHECK(!optionals.record.text.has_value());
  CHECK(optionals.row(written(OneOptional{Text()})) == "");
  CHECK(optionals.record.text == Text(""));
}

TEST_CASE("csv: the end of a row is found behind quoted line ends") {
  const auto end_of = [](std::string_view text) -> int64_t {
    const char* end = find_csv_row_end(text.data(), text.data() + text.size(), ',');
    return end == nullptr ? -1 : end - text.data();
  };
  CHECK(end_of("a,b\nc") == 3);
  CHECK(end_of("a,b") == -1);
  CHECK(end_of("\"a\nb\",c\nd") == 7);
  CHECK(end_of("\"a\n\"\"b\n\",\"\n\"\nd") == 12);
  CHECK(end_of("\"a\nb") == -1);
  CHECK(end_of("\"a\nb\"") == -1);
  CHECK(end_of("\"a\nb\"\r") == -1);
  CHECK(end_of("\"a\nb\"\r\nx") == 6);
  // Misplaced quotes: the first line end, so that one line is lost and not the file.
  CHECK(end_of("a\"b\nc\"\nd") == 3);
  CHECK(end_of("\"a\"b\nc\nd") == 4);
}

}  // namespace
}  // namespace sluice
