// Exact decimal numbers, against calculations with strings of digits.
#include "core/decimal.h"

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/random.h"
#include "core/schema.h"
#include "core/stable_hash.h"

namespace sluice {
namespace {

Decimal dec(std::string_view text) {
  const auto value = Decimal::parse(text);
  REQUIRE_MESSAGE(value.has_value(), std::string(text));
  return *value;
}
std::string nines(size_t count) { return std::string(count, '9'); }

TEST_CASE("decimal: texts are read and written without loss") {
  for (const char* text :
       {"0", "1", "-1", "19.9", "-0.05", "0.00000000000000000000000000000000000001",
        "99999999999999999999999999999999999999", "-99999999999999999999999999999999999999",
        "1234567890123456789.0123456789012345678"}) {
    CHECK(dec(text).to_text() == text);
  }
  CHECK(dec("1.50").to_text() == "1.5");
  CHECK(dec("+007.").to_text() == "7");
  CHECK(dec(".5").to_text() == "0.5");
  CHECK(dec("-0.00").to_text() == "0");
  CHECK(dec("12e3").to_text() == "12000");
  CHECK(dec("1.25e-3").to_text() == "0.00125");
  CHECK(dec("1.25E+1").to_text() == "12.5");
  CHECK(dec("0e999").to_text() == "0");
  // Zeros that say nothing do not count as digits.
  CHECK(dec("1" + std::string(200, '0') + "e-200").to_text() == "1");
  CHECK(dec("0." + std::string(30, '0') + "1" + std::string(90, '0')).scale() == 31);
}

TEST_CASE("decimal: what is no number, or has too many digits, is refused") {
  const std::string zeros(38, '0');
  for (const std::string& text : std::vector<std::string>{
           "", "-", ".", "1.2.3", "1,5", " 1", "1 ", "0x10", "1e", "1e+-3", "--1", "NaN", "1e5000",
           nines(39), "1" + zeros, "0." + zeros + "1", "1e38", "1e-39"}) {
    CAPTURE(text);
    CHECK_FALSE(Decimal::parse(text).has_value());
  }
}

TEST_CASE("decimal: equal numbers have one form, so they are one key") {
  CHECK(dec("1.50") == dec("1.5"));
  CHECK(Decimal::of(150, 2) == dec("1.5"));
  CHECK(dec("100e-2") == Decimal(1));
  CHECK(dec("1.50").stable_hash() == dec("1.5").stable_hash());
  CHECK(stable_hash(dec("-0")) == stable_hash(Decimal()));
  CHECK(stable_hash(dec("1.5")) != stable_hash(dec("15")));
  CHECK(encode_to_string(dec("2.000")) == encode_to_string(dec("2")));
}

TEST_CASE("decimal: arithmetic is exact") {
  CHECK(dec("0.1") + dec("0.2") == dec("0.3"));
  CHECK(dec("19.90") * 3 + Decimal::of(5, 2) == dec("59.75"));
  CHECK(dec("1") - dec("0.00000000000000000000000000000000000001") == dec("0." + nines(38)));
  CHECK(-dec("5.5") == dec("-5.5"));
  CHECK(dec("-3") * dec("-0.5") == dec("1.5"));
  Decimal sum;
  for (int i = 0; i < 1000; ++i) sum += dec("0.001");
  CHECK(sum == 1);
  CHECK(Decimal(std::numeric_limits<int64_t>::min()).to_text() == "-9223372036854775808");
}

TEST_CASE("decimal: a result that cannot be exact is an exception") {
  CHECK_THROWS_AS(dec(nines(38)) + 1, std::overflow_error);
  CHECK_THROWS_AS(dec("1e37") + dec("1e-10"), std::overflow_error);
  CHECK_THROWS_AS(dec("1e20") * dec("1e20"), std::overflow_error);
  CHECK_THROWS_AS(dec("1e-20") * dec("1e-20"), std::overflow_error);
  CHECK_THROWS_AS(Decimal(1).divided_by(0, 2), std::domain_error);
  CHECK_THROWS_AS(dec("1e37").divided_by(dec("1e-5"), 0), std::overflow_error);
}

TEST_CASE("decimal: rounding is half away from zero") {
  CHECK(dec("2.5").rounded(0) == 3);
  CHECK(dec("-2.5").rounded(0) == -3);
  CHECK(dec("2.4999999999999999999").rounded(0) == 2);
  CHECK(dec("0.005").rounded(2) == dec("0.01"));
  CHECK(dec("0.005").rounded(5) == dec("0.005"));
  CHECK(dec("59.75").rounded(1).to_text() == "59.8");
  CHECK(dec("19.9").to_text(2) == "19.90");
  CHECK(dec("7").to_text(3) == "7.000");
  CHECK(dec("0.996").to_text(2) == "1.00");
  CHECK(dec("0").to_text(0) == "0");
}

TEST_CASE("decimal: division gives as many digits as asked for") {
  CHECK(Decimal(10).divided_by(3, 4) == dec("3.3333"));
  CHECK(Decimal(20).divided_by(3, 4) == dec("6.6667"));
  CHECK(Decimal(-20).divided_by(3, 0) == -7);
  CHECK(Decimal(1).divided_by(8, 2) == dec("0.13"));
  CHECK(dec("0.123456789").divided_by(1, 3) == dec("0.123"));
  CHECK(dec("0.0005").divided_by(1, 3) == dec("0.001"));
  CHECK(dec("1e-38").divided_by(dec("3"), 2) == 0);
  CHECK(dec(nines(38)).divided_by(dec(nines(38)), 37) == 1);
  CHECK(Decimal(1).divided_by(dec(nines(38)), 38) == dec("1e-38"));
}

TEST_CASE("decimal: the order is that of the numbers") {
  const char* rising[] = {"-99999999999999999999999999999999999999",
                          "-2",
                          "-1.5",
                          "-1.25",
                          "-1e-38",
                          "0",
                          "1e-38",
                          "0.1",
                          "0.11",
                          "1.25",
                          "1.3",
                          "2",
                          "10",
                          "99999999999999999999999999999999999999"};
  for (size_t i = 0; i < std::size(rising); ++i) {
    for (size_t j = 0; j < std::size(rising); ++j) {
      CHECK((dec(rising[i]) <=> dec(rising[j])) == (i <=> j));
    }
  }
}

TEST_CASE("decimal: random sums, products and comparisons agree with 64-bit arithmetic") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    for (int i = 0; i < 500; ++i) {
      // Thousandths, so that the integers say what comes out.
      const int64_t a = random.between(-2'000'000, 2'000'000);
      const int64_t b = random.between(-2'000'000, 2'000'000);
      const Decimal x = Decimal::of(a, 3);
      const Decimal y = Decimal::of(b, 3);
      CHECK(x + y == Decimal::of(a + b, 3));
      CHECK(x - y == Decimal::of(a - b, 3));
      CHECK(x * y == Decimal::of(a * b, 6));
      CHECK((x <=> y) == (a <=> b));
      CHECK(x.to_double() == doctest::Approx(static_cast<double>(a) / 1000));
      CHECK(Decimal::parse(x.to_text()) == x);
      if (b != 0) {
        const int64_t scaled = a * 100;
        int64_t expected = std::abs(scaled) / std::abs(b);
        if (std::abs(scaled) % std::abs(b) * 2 >= std::abs(b)) ++expected;
        CHECK(x.divided_by(y, 2) == Decimal::of((a < 0) != (b < 0) ? -expected : expected, 2));
      }
    }
  }
}

TEST_CASE("decimal: the codec gives back what was written and refuses other bytes") {
  for (const char* text : {"0", "-1", "19.9", "-99999999999999999999999999999999999999", "1e-38"}) {
    const std::string bytes = encode_to_string(dec(text));
    CHECK(bytes.size() == Codec<Decimal>::kBytes);
    ByteReader reader(bytes);
    CHECK(decode<Decimal>(reader) == dec(text));
    CHECK_FALSE(reader.failed());
    ByteReader shorter(std::string_view(bytes).substr(1));
    (void)decode<Decimal>(shorter);
    CHECK(shorter.failed());
    ByteReader skipped(bytes);
    skip_value(skipped, schema_of<Decimal>());
    CHECK(skipped.at_end());
  }
  std::string bytes = encode_to_string(dec("1"));
  bytes[0] = 39;  // Too many digits behind the point.
  ByteReader scale(bytes);
  (void)decode<Decimal>(scale);
  CHECK(scale.failed());
  bytes = encode_to_string(dec("10"));
  bytes[0] = 1;  // 1.0 has a shorter form.
  ByteReader zeros(bytes);
  (void)decode<Decimal>(zeros);
  CHECK(zeros.failed());
  bytes = std::string(17, '\x7f');
  bytes[0] = 0;  // 10^38 and more.
  ByteReader large(bytes);
  (void)decode<Decimal>(large);
  CHECK(large.failed());
  CHECK(schema_text<std::optional<Decimal>>() == "decimal?");
}

}  // namespace
}  // namespace sluice
