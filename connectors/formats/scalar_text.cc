#include "connectors/formats/scalar_text.h"

#include <cstdlib>
#include <limits>

namespace sluice {
namespace {

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
    if (c != lower[i]) return false;
  }
  return true;
}

// A literal beyond the range is a number all the same: tiny ones are zero, huge ones infinity, as
// every IEEE reader rounds them.
template <class Float>
bool parse_out_of_range(std::string_view text, Float& value) {
  Float ignored = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, ignored);
  if (error != std::errc::result_out_of_range || stop != end) return false;
  const std::string copy(text);
  if constexpr (std::is_same_v<Float, float>) {
    value = std::strtof(copy.c_str(), nullptr);
  } else {
    value = std::strtod(copy.c_str(), nullptr);
  }
  return true;
}

int two_digits(const char* p) { return (p[0] - '0') * 10 + (p[1] - '0'); }

// The form that append_iso8601() writes, without a branch per character.
bool parse_plain_time(const char* p, EventTime& value) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00Z";
  bool fits = true;
  for (size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = static_cast<unsigned char>(p[i] - '0') < 10;
    fits &= kShape[i] == '0' ? digit : p[i] == kShape[i];
  }
  if (!fits) return false;
  const std::chrono::year_month_day date(
      std::chrono::year(two_digits(p) * 100 + two_digits(p + 2)),
      std::chrono::month(static_cast<unsigned>(two_digits(p + 5))),
      std::chrono::day(static_cast<unsigned>(two_digits(p + 8))));
  const int hour = two_digits(p + 11);
  const int minute = two_digits(p + 14);
  const int second = two_digits(p + 17);
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return false;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  value.ms = days * 86'400'000 + ((hour * 60 + minute) * 60 + second) * int64_t{1000};
  return true;
}

constexpr int64_t kFirstMs = -62'167'219'200'000;  // 0000-01-01
constexpr int64_t kEndMs = 253'402'300'800'000;    // 10000-01-01

}  // namespace

void append_time(EventTime time, std::string& out) {
  if ((time.ms >= kFirstMs && time.ms < kEndMs) || time == kMinTime || time == kMaxTime) {
    append_iso8601(time, out);
  } else {
    append_number(time.ms, out);
  }
}

bool parse_bool(std::string_view text, bool& value) {
  value = text == "1" || equals_ignoring_case(text, "true");
  return value || text == "0" || equals_ignoring_case(text, "false");
}

bool parse_time(std::string_view text, EventTime& value) {
  if (text.size() == 20 && parse_plain_time(text.data(), value)) return true;
  if (const auto time = parse_iso8601(text)) {
    value = *time;
    return true;
  }
  if (text == "-inf" || text == "+inf") {
    value = text == "-inf" ? kMinTime : kMaxTime;
    return true;
  }
  return parse_number(text, value.ms);
}

bool parse_float_slow(std::string_view text, double& value) {
  return parse_out_of_range(text, value);
}
bool parse_float_slow(std::string_view text, float& value) {
  return parse_out_of_range(text, value);
}

}  // namespace sluice
