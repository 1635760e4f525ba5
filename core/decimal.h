// Decimal: an exact decimal number of up to 38 digits, such as an amount of money.
//
//   const auto price = Decimal::parse("19.90");          // nothing on text that is no number
//   const Decimal total = *price * 3 + Decimal::of(5, 2);   // 59.75
//   total.rounded(1).to_text()                              // "59.8"
//
// Invariant: value = unscaled / 10^scale with |unscaled| < 10^38 and 0 <= scale <= 38, without
// zeros at the end of the fraction: equal numbers have equal bytes, so they are equal keys. 1.50
// is 1.5; where a fixed number of digits is wanted there is to_text(scale).
//
// Sums, differences and products are exact or throw std::overflow_error, which ends the job with
// the name of the operator: no digit is lost silently. Division rounds, to a scale that is given.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/codec.h"

namespace sluice {

class Decimal {
 public:
  static constexpr int kDigitsMax = 38;

  constexpr Decimal() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): whole numbers are Decimals.
  constexpr Decimal(int64_t value)
      : high_(value < 0 ? -1 : 0), low_(static_cast<uint64_t>(value)) {}

  /// unscaled / 10^scale: of(1990, 2) is 19.9. 0 <= scale <= 38.
  static Decimal of(int64_t unscaled, int scale);
  /// "-12.50", "+3", ".5", "7.", "1e-3". Nothing when it is no number or has more than 38 digits.
  static std::optional<Decimal> parse(std::string_view text);

  /// Digits behind the point.
  int scale() const { return scale_; }
  bool is_negative() const { return high_ < 0; }
  bool is_zero() const { return high_ == 0 && low_ == 0; }

  /// "19.9".
  std::string to_text() const;
  /// With exactly `scale` digits behind the point, rounded: "19.90". 0 <= scale <= 38.
  std::string to_text(int scale) const;
  /// The nearest double.
  double to_double() const;

  /// To at most `scale` digits behind the point, half away from zero.
  Decimal rounded(int scale) const;
  /// Rounded like that. Throws std::domain_error when `divisor` is zero.
  Decimal divided_by(const Decimal& divisor, int scale) const;

  friend Decimal operator+(const Decimal& a, const Decimal& b);
  friend Decimal operator-(const Decimal& a, const Decimal& b) { return a + -b; }
  friend Decimal operator*(const Decimal& a, const Decimal& b);
  Decimal operator-() const;
  Decimal& operator+=(const Decimal& other) { return *this = *this + other; }
  Decimal& operator-=(const Decimal& other) { return *this = *this - other; }
  Decimal& operator*=(const Decimal& other) { return *this = *this * other; }

  friend constexpr bool operator==(const Decimal&, const Decimal&) = default;
  friend std::strong_ordering operator<=>(const Decimal& a, const Decimal& b);

  /// See core/stable_hash.h.
  uint64_t stable_hash() const;

 private:
  using Wide = __int128;
  friend struct Codec<Decimal>;

  Wide unscaled() const {
    return static_cast<Wide>(static_cast<unsigned __int128>(high_) << 64 | low_);
  }
  /// Takes zeros away from the end of the fraction; throws when there are too many digits.
  static Decimal checked(Wide unscaled, int scale, const char* what);
  static Decimal normalized(Wide unscaled, int scale);

  // Two halves, because a 128-bit integer would be aligned to 16 bytes.
  int64_t high_ = 0;
  uint64_t low_ = 0;
  int64_t scale_ = 0;
};

template <>
struct Codec<Decimal> {
  static constexpr size_t kBytes = 17;
  static void encode(const Decimal& value, ByteWriter& writer) {
    writer.fixed(static_cast<uint8_t>(value.scale_));
    writer.fixed(value.low_);
    writer.fixed(value.high_);
  }
  /// Fails on what is no Decimal.
  static void decode(ByteReader& reader, Decimal& value);
};

}  // namespace sluice
