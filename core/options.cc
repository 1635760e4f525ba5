#include "core/options.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace sluice {
namespace {

/// The shortest number of letters to change, add or drop to get from a to b.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

Status unknown_option(std::string_view key) {
  const OptionSpec* nearest = nullptr;
  size_t nearest_distance = std::numeric_limits<size_t>::max();
  for (const auto& spec : option_table()) {
    const size_t distance = edit_distance(key, spec.key);
    if (distance < nearest_distance) {
      nearest = &spec;
      nearest_distance = distance;
    }
  }
  std::string message = "unknown option '" + std::string(key) + "'";
  if (nearest != nullptr && nearest_distance <= std::max<size_t>(3, key.size() / 3)) {
    message += "; did you mean '" + std::string(nearest->key) + "'?";
  }
  return Status::invalid_argument(message);
}

bool is_word_of(std::string_view words, std::string_view value) {
  while (!words.empty()) {
    const size_t end = std::min(words.find('|'), words.size());
    if (words.substr(0, end) == value) return true;
    words.remove_prefix(std::min(words.size(), end + 1));
  }
  return false;
}

std::optional<int64_t> parse_count(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> parse_bool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

/// The number behind a count, size or duration (ms); nothing when it is not one.
std::optional<int64_t> parse_number(const OptionSpec& spec, std::string_view text) {
  switch (spec.type) {
    case OptionType::kCount:
      if (spec.words[0] != '\0' && text == spec.words) return 0;
      return parse_count(text);
    case OptionType::kBytes: {
      const auto bytes = parse_bytes(text);
      if (!bytes.is_ok()) return std::nullopt;
      return *bytes;
    }
    case OptionType::kDuration: {
      const auto duration = parse_duration(text);
      if (!duration) return std::nullopt;
      return duration->count();
    }
    case OptionType::kBool:
    case OptionType::kText:
    case OptionType::kChoice:
      break;
  }
  return std::nullopt;
}

std::string bounds_text(const OptionSpec& spec) {
  const auto bound = [&](int64_t value) {
    if (spec.type == OptionType::kDuration) return to_text(Duration(value));
    return std::to_string(value);
  };
  std::string text = spec.max == std::numeric_limits<int64_t>::max()
                         ? "at least " + bound(spec.min)
                         : "in " + bound(spec.min) + ".." + bound(spec.max);
  if (spec.words[0] != '\0') text += " or '" + std::string(spec.words) + "'";
  return text;
}

Status check_value(const OptionSpec& spec, std::string_view value) {
  const auto refuse = [&](const std::string& reason) {
    return Status::invalid_argument(std::string(spec.key) + ": '" + std::string(value) + "' " +
                                    reason);
  };
  switch (spec.type) {
    case OptionType::kText:
      return Status::ok();
    case OptionType::kBool:
      return parse_bool(value) ? Status::ok() : refuse("is neither true nor false");
    case OptionType::kChoice:
      return is_word_of(spec.words, value) ? Status::ok()
                                           : refuse("is none of " + std::string(spec.words));
    case OptionType::kCount:
    case OptionType::kBytes:
    case OptionType::kDuration:
      break;
  }
  const auto number = parse_number(spec, value);
  if (!number) {
    const char* example = spec.type == OptionType::kBytes      ? "a size such as 64kb"
                          : spec.type == OptionType::kDuration ? "a duration such as 10s"
                                                               : "a whole number";
    return refuse("is not " + std::string(example));
  }
  const bool is_word = spec.words[0] != '\0' && value == spec.words;
  if (!is_word && (*number < spec.min || *number > spec.max)) {
    return refuse("must be " + bounds_text(spec));
  }
  return Status::ok();
}

}  // namespace

const OptionSpec* find_option(std::string_view key) {
  for (const auto& spec : option_table()) {
    if (key == spec.key) return &spec;
  }
  return nullptr;
}

const char* option_type_name(OptionType type) {
  switch (type) {
    case OptionType::kBool:
      return "true or false";
    case OptionType::kCount:
      return "count";
    case OptionType::kBytes:
      return "bytes";
    case OptionType::kDuration:
      return "duration";
    case OptionType::kText:
      return "text";
    case OptionType::kChoice:
      return "choice";
  }
  return "?";
}

Result<int64_t> parse_bytes(std::string_view text) {
  const auto refuse = [&] {
    return Status::invalid_argument("'" + std::string(text) + "' is not a size such as 64kb");
  };
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return refuse();
  std::string unit(end, text.data() + text.size());
  while (!unit.empty() && unit.front() == ' ') unit.erase(0, 1);
  for (char& c : unit) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  int shift = -1;
  if (unit.empty() || unit == "b" || unit == "bytes") shift = 0;
  if (unit == "k" || unit == "kb" || unit == "kib") shift = 10;
  if (unit == "m" || unit == "mb" || unit == "mib") shift = 20;
  if (unit == "g" || unit == "gb" || unit == "gib") shift = 30;
  if (unit == "t" || unit == "tb" || unit == "tib") shift = 40;
  if (shift < 0 || value > (std::numeric_limits<int64_t>::max() >> shift)) return refuse();
  return value << shift;
}

Status Options::set(std::string_view key, std::string_view value) {
  const OptionSpec* spec = find_option(key);
  if (spec == nullptr) return unknown_option(key);
  SLUICE_RETURN_IF_ERROR(check_value(*spec, value));
  values_[spec->key] = std::string(value);
  return Status::ok();
}

Status Options::set_assignment(std::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Status::invalid_argument("'" + std::string(assignment) + "' is not key=value");
  }
  return set(assignment.substr(0, equals), assignment.substr(equals + 1));
}

void Options::must_set(const char* key, const std::string& value) {
  const Status status = set(key, value);
  SLUICE_CHECK_MSG(status.is_ok(), status.to_string().c_str());
}

std::string Options::text_of(const char* key, OptionType type, OptionType other) const {
  const OptionSpec* spec = find_option(key);
  SLUICE_CHECK_MSG(spec != nullptr, key);
  SLUICE_CHECK_MSG(spec->type == type || spec->type == other, key);
  const auto found = values_.find(key);
  return found != values_.end() ? found->second : spec->default_value;
}

bool Options::get(OptionKey<bool> key) const {
  return text_of(key.name, OptionType::kBool, OptionType::kBool) == "true";
}

int64_t Options::get(OptionKey<int64_t> key) const {
  const std::string text = text_of(key.name, OptionType::kCount, OptionType::kBytes);
  return *parse_number(*find_option(key.name), text);
}

Duration Options::get(OptionKey<Duration> key) const {
  const std::string text = text_of(key.name, OptionType::kDuration, OptionType::kDuration);
  return Duration(*parse_number(*find_option(key.name), text));
}

std::string Options::get(OptionKey<std::string> key) const {
  return text_of(key.name, OptionType::kText, OptionType::kChoice);
}

void Options::merge(const Options& other) {
  for (const auto& [key, value] : other.values_) values_[key] = value;
}

}  // namespace sluice
