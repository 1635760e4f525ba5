#include "core/decimal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

#include "core/check.h"
#include "core/stable_hash.h"

namespace sluice {
namespace {

using Wide = __int128;

constexpr std::array<Wide, Decimal::kDigitsMax + 1> make_powers() {
  std::array<Wide, Decimal::kDigitsMax + 1> powers{};
  powers[0] = 1;
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}
constexpr auto kPowers = make_powers();
constexpr Wide kLimit = kPowers[Decimal::kDigitsMax];

Wide power(int exponent) { return kPowers[static_cast<size_t>(exponent)]; }
Wide magnitude(Wide value) { return value < 0 ? -value : value; }
bool fits(Wide value) { return value < kLimit && value > -kLimit; }

/// value = value · 10 + digit; false when that has too many digits.
bool append_digit(Wide& value, int digit) {
  if (value > (kLimit - 1 - digit) / 10) return false;
  value = value * 10 + digit;
  return true;
}

std::string digits_of(Wide value) {
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

/// "12.50" of 1250 and 2.
std::string with_point(bool negative, Wide value, int scale) {
  std::string digits = digits_of(value);
  const auto behind = static_cast<size_t>(scale);
  if (digits.size() <= behind) digits.insert(0, behind + 1 - digits.size(), '0');
  if (scale > 0) digits.insert(digits.size() - behind, 1, '.');
  return negative ? "-" + digits : digits;
}

/// value / divisor, half away from zero; both positive.
Wide divide_rounded(Wide value, Wide divisor) {
  const Wide quotient = value / divisor;
  const Wide rest = value % divisor;
  return rest >= divisor - rest ? quotient + 1 : quotient;
}

void require_scale(int scale) { SLUICE_CHECK(scale >= 0 && scale <= Decimal::kDigitsMax); }

}  // namespace

Decimal Decimal::normalized(Wide unscaled, int scale) {
  while (scale > 0 && unscaled % 10 == 0) {
    unscaled /= 10;
    --scale;
  }
  Decimal result;
  result.high_ = static_cast<int64_t>(unscaled >> 64);
  result.low_ = static_cast<uint64_t>(unscaled);
  result.scale_ = scale;
  return result;
}

Decimal Decimal::checked(Wide unscaled, int scale, const char* what) {
  const auto too_long = [&] {
    return std::overflow_error(std::string("decimal: ") + what + " of more than 38 digits");
  };
  while (scale > kDigitsMax && unscaled % 10 == 0) {
    unscaled /= 10;
    --scale;
  }
  if (scale > kDigitsMax) throw too_long();
  const Decimal result = normalized(unscaled, scale);
  if (!fits(result.unscaled())) throw too_long();
  return result;
}

Decimal Decimal::of(int64_t unscaled, int scale) {
  require_scale(scale);
  return normalized(unscaled, scale);
}

std::optional<Decimal> Decimal::parse(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative || (!text.empty() && text.front() == '+')) text.remove_prefix(1);
  int exponent = 0;
  if (const size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view power = text.substr(e + 1);
    if (power.size() > 1 && power.front() == '+' && power[1] != '-') power.remove_prefix(1);
    const char* end = power.data() + power.size();
    const auto [stop, error] = std::from_chars(power.data(), end, exponent);
    if (error != std::errc() || stop != end) return std::nullopt;
    if (exponent > 1000 || exponent < -1000) return std::nullopt;
    text = text.substr(0, e);
  }
  // Zeros at the end may belong to a fraction and are counted before they are multiplied in.
  Wide value = 0;
  int scale = 0;
  int zeros = 0;
  bool seen_point = false;
  bool seen_digit = false;
  for (const char c : text) {
    if (c == '.' && !seen_point) {
      seen_point = true;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    seen_digit = true;
    if (seen_point) ++scale;
    if (c == '0') {
      ++zeros;
      continue;
    }
    for (; zeros > 0; --zeros) {
      if (!append_digit(value, 0)) return std::nullopt;
    }
    if (!append_digit(value, c - '0')) return std::nullopt;
  }
  if (!seen_digit) return std::nullopt;
  if (value == 0) return Decimal();
  scale -= exponent + zeros;
  for (; scale < 0; ++scale) {
    if (!append_digit(value, 0)) return std::nullopt;
  }
  if (scale > kDigitsMax) return std::nullopt;
  return normalized(negative ? -value : value, scale);
}

std::string Decimal::to_text() const {
  return with_point(is_negative(), magnitude(unscaled()), scale());
}

std::string Decimal::to_text(int scale) const {
  const Decimal value = rounded(scale);
  std::string text = value.to_text();
  const int missing = scale - value.scale();
  if (value.scale_ == 0 && missing > 0) text += '.';
  return text.append(static_cast<size_t>(missing), '0');
}

double Decimal::to_double() const {
  double value = 0;
  const std::string text = to_text();
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Decimal Decimal::rounded(int scale) const {
  require_scale(scale);
  if (scale_ <= scale) return *this;
  const Wide kept = divide_rounded(magnitude(unscaled()), power(this->scale() - scale));
  return normalized(is_negative() ? -kept : kept, scale);
}

Decimal Decimal::divided_by(const Decimal& divisor, int scale) const {
  require_scale(scale);
  if (divisor.is_zero()) throw std::domain_error("decimal: division by zero");
  // Long division, digit by digit: no intermediate value is larger than the divisor.
  const Wide by = magnitude(divisor.unscaled());
  Wide quotient = magnitude(unscaled()) / by;
  Wide rest = magnitude(unscaled()) % by;
  int at = this->scale() - divisor.scale();
  const auto next_digit = [&] {
    Wide ten_times = 0;
    int digit = 0;
    for (int i = 0; i < 10; ++i) {
      if (ten_times >= by - rest) {
        ten_times -= by - rest;
        ++digit;
      } else {
        ten_times += rest;
      }
    }
    rest = ten_times;
    return digit;
  };
  for (; at < scale; ++at) {
    if (!append_digit(quotient, next_digit())) {
      throw std::overflow_error("decimal: a quotient of more than 38 digits");
    }
  }
  if (at == scale) {
    if (rest >= by - rest) ++quotient;
  } else {
    // More digits than wanted were there at once: `rest` only matters when it breaks a tie, and
    // half rounds away from zero anyway.
    quotient = divide_rounded(quotient, power(at - scale));
  }
  return checked(is_negative() != divisor.is_negative() ? -quotient : quotient, scale,
                 "a quotient");
}

Decimal operator+(const Decimal& a, const Decimal& b) {
  const int scale = std::max(a.scale(), b.scale());
  Wide left = 0;
  Wide right = 0;
  Wide sum = 0;
  if (__builtin_mul_overflow(a.unscaled(), power(scale - a.scale()), &left) ||
      __builtin_mul_overflow(b.unscaled(), power(scale - b.scale()), &right) ||
      __builtin_add_overflow(left, right, &sum)) {
    throw std::overflow_error("decimal: a sum of more than 38 digits");
  }
  return Decimal::checked(sum, scale, "a sum");
}

Decimal operator*(const Decimal& a, const Decimal& b) {
  Wide product = 0;
  if (__builtin_mul_overflow(a.unscaled(), b.unscaled(), &product)) {
    throw std::overflow_error("decimal: a product of more than 38 digits");
  }
  return Decimal::checked(product, a.scale() + b.scale(), "a product");
}

Decimal Decimal::operator-() const { return normalized(-unscaled(), scale()); }

std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) {
  const auto order = [](Wide x, Wide y) {
    return x < y ? std::strong_ordering::less
                 : (x > y ? std::strong_ordering::greater : std::strong_ordering::equal);
  };
  if (a.is_negative() != b.is_negative()) return order(a.unscaled(), b.unscaled());
  if (a.scale_ == b.scale_) return order(a.unscaled(), b.unscaled());
  // The whole parts first: they cannot overflow.
  const auto whole = order(a.unscaled() / power(a.scale()), b.unscaled() / power(b.scale()));
  if (whole != 0) return whole;
  const int scale = std::max(a.scale(), b.scale());
  return order(a.unscaled() % power(a.scale()) * power(scale - a.scale()),
               b.unscaled() % power(b.scale()) * power(scale - b.scale()));
}

uint64_t Decimal::stable_hash() const {
  return combine_hashes(combine_hashes(static_cast<uint64_t>(scale_), static_cast<uint64_t>(high_)),
                        low_);
}

void Codec<Decimal>::decode(ByteReader& reader, Decimal& value) {
  const auto scale = reader.fixed<uint8_t>();
  const auto low = reader.fixed<uint64_t>();
  const auto high = reader.fixed<int64_t>();
  Decimal read;
  read.high_ = high;
  read.low_ = low;
  read.scale_ = std::min<int64_t>(scale, Decimal::kDigitsMax);
  const bool good = scale <= Decimal::kDigitsMax && fits(read.unscaled()) &&
                    Decimal::normalized(read.unscaled(), scale) == read;
  if (!good) reader.fail();
  value = good && !reader.failed() ? read : Decimal();
}

}  // namespace sluice
