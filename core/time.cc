#include "core/time.h"

#include <array>
#include <charconv>
#include <cstdio>

namespace sluice {
namespace {

constexpr int64_t kMsPerDay = 86'400'000;

// Days since 1970-01-01 of a civil date and back: Howard Hinnant's algorithms ("chrono-Compatible
// Low-Level Date Algorithms"), valid over the whole int64 range used here.
constexpr int64_t days_from_civil(int64_t year, unsigned month, unsigned day) {
  year -= month <= 2;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto year_of_era = static_cast<unsigned>(year - era * 400);
  const unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + static_cast<int64_t>(day_of_era) - 719468;
}

struct CivilDate {
  int64_t year;
  unsigned month;
  unsigned day;
};

constexpr CivilDate civil_from_days(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const auto day_of_era = static_cast<unsigned>(days - era * 146097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const unsigned day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned mp = (5 * day_of_year + 2) / 153;
  const unsigned month = mp < 10 ? mp + 3 : mp - 9;
  return {static_cast<int64_t>(year_of_era) + era * 400 + (month <= 2), month,
          day_of_year - (153 * mp + 2) / 5 + 1};
}

constexpr unsigned days_in_month(int64_t year, unsigned month) {
  constexpr std::array<unsigned, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

// Reads exactly `count` digits.
bool take_digits(std::string_view& text, int count, int64_t& value) {
  if (text.size() < static_cast<size_t>(count)) return false;
  value = 0;
  for (int i = 0; i < count; ++i) {
    const char c = text[static_cast<size_t>(i)];
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(static_cast<size_t>(count));
  return true;
}

bool take_char(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

void put2(char* out, unsigned value) {
  out[0] = static_cast<char>('0' + value / 10);
  out[1] = static_cast<char>('0' + value % 10);
}

}  // namespace

void append_iso8601(EventTime time, std::string& out) {
  if (time == kMinTime) {
    out += "-inf";
    return;
  }
  if (time == kMaxTime) {
    out += "+inf";
    return;
  }
  int64_t days = time.ms / kMsPerDay;
  int64_t rest = time.ms % kMsPerDay;
  if (rest < 0) {
    rest += kMsPerDay;
    --days;
  }
  const CivilDate date = civil_from_days(days);
  if (date.year < 0 || date.year > 9999) {
    std::array<char, 32> year{};
    std::snprintf(year.data(), year.size(), "%+05lld", static_cast<long long>(date.year));
    out += year.data();
  } else {
    std::array<char, 4> year{};
    put2(year.data(), static_cast<unsigned>(date.year / 100));
    put2(year.data() + 2, static_cast<unsigned>(date.year % 100));
    out.append(year.data(), year.size());
  }
  std::array<char, 20> text{};
  char* p = text.data();
  const auto ms_of_day = static_cast<unsigned>(rest);
  *p++ = '-';
  put2(p, date.month);
  p += 2;
  *p++ = '-';
  put2(p, date.day);
  p += 2;
  *p++ = 'T';
  put2(p, ms_of_day / 3'600'000);
  p += 2;
  *p++ = ':';
  put2(p, ms_of_day / 60'000 % 60);
  p += 2;
  *p++ = ':';
  put2(p, ms_of_day / 1000 % 60);
  p += 2;
  if (const unsigned ms = ms_of_day % 1000; ms != 0) {
    *p++ = '.';
    *p++ = static_cast<char>('0' + ms / 100);
    put2(p, ms % 100);
    p += 2;
  }
  *p++ = 'Z';
  out.append(text.data(), static_cast<size_t>(p - text.data()));
}

std::string to_iso8601(EventTime time) {
  std::string out;
  append_iso8601(time, out);
  return out;
}

std::optional<EventTime> parse_iso8601(std::string_view text) {
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  if (!take_digits(text, 4, year) || !take_char(text, '-') || !take_digits(text, 2, month) ||
      !take_char(text, '-') || !take_digits(text, 2, day)) {
    return std::nullopt;
  }
  if (month < 1 || month > 12 || day < 1 ||
      day > days_in_month(year, static_cast<unsigned>(month))) {
    return std::nullopt;
  }
  int64_t ms =
      days_from_civil(year, static_cast<unsigned>(month), static_cast<unsigned>(day)) * kMsPerDay;
  if (text.empty()) return EventTime{ms};
  if (!take_char(text, 'T') && !take_char(text, 't') && !take_char(text, ' ')) return std::nullopt;
  int64_t hour = 0;
  int64_t minute = 0;
  int64_t second = 0;
  if (!take_digits(text, 2, hour) || !take_char(text, ':') || !take_digits(text, 2, minute)) {
    return std::nullopt;
  }
  if (take_char(text, ':') && !take_digits(text, 2, second)) return std::nullopt;
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
  ms += (hour * 60 + minute) * 60'000 + second * 1000;
  if (take_char(text, '.')) {
    int64_t scale = 100;
    bool any = false;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      ms += (text.front() - '0') * scale;
      scale /= 10;
      any = true;
      text.remove_prefix(1);
    }
    if (!any) return std::nullopt;
  }
  if (text.empty() || text == "Z" || text == "z") return EventTime{ms};
  const bool plus = text.front() == '+';
  if (!plus && text.front() != '-') return std::nullopt;
  text.remove_prefix(1);
  int64_t zone_hour = 0;
  int64_t zone_minute = 0;
  if (!take_digits(text, 2, zone_hour)) return std::nullopt;
  if (!text.empty()) {
    take_char(text, ':');
    if (!take_digits(text, 2, zone_minute)) return std::nullopt;
  }
  if (!text.empty() || zone_hour > 18 || zone_minute > 59) return std::nullopt;
  const int64_t offset = (zone_hour * 60 + zone_minute) * 60'000;
  return EventTime{plus ? ms - offset : ms + offset};
}

std::optional<Duration> parse_duration(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  int64_t scale = 0;
  if (unit.empty() || unit == "ms") scale = 1;
  if (unit == "s" || unit == "sec") scale = 1000;
  if (unit == "m" || unit == "min") scale = 60'000;
  if (unit == "h") scale = 3'600'000;
  if (unit == "d") scale = kMsPerDay;
  int64_t result = 0;
  if (scale == 0 || __builtin_mul_overflow(number, scale, &result)) return std::nullopt;
  return Duration(result);
}

std::string to_text(Duration duration) {
  const int64_t ms = duration.count();
  if (ms != 0 && ms % kMsPerDay == 0) return std::to_string(ms / kMsPerDay) + "d";
  if (ms != 0 && ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
  if (ms != 0 && ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
  if (ms != 0 && ms % 1000 == 0) return std::to_string(ms / 1000) + "s";
  return std::to_string(ms) + "ms";
}

}  // namespace sluice
