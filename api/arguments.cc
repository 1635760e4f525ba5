#include "api/arguments.h"

#include <algorithm>
#include <charconv>

namespace sluice {

Result<Arguments> Arguments::parse(const std::vector<std::string>& words) {
  Arguments arguments;
  arguments.words_ = words;
  const auto is_flag = [](const std::string& word) {
    return word.size() > 2 && word.starts_with("--");
  };
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!is_flag(word)) {
      return Status::invalid_argument("unexpected argument '" + word +
                                      "': flags are written --name value");
    }
    Given given;
    const size_t equals = word.find('=');
    if (equals != std::string::npos) {
      given.name = word.substr(2, equals - 2);
      given.value = word.substr(equals + 1);
    } else {
      given.name = word.substr(2);
      if (i + 1 < words.size() && !is_flag(words[i + 1])) given.value = words[++i];
    }
    if (arguments.find_given(given.name) != nullptr) {
      return Status::invalid_argument("--" + given.name + " is given twice");
    }
    arguments.given_.push_back(std::move(given));
  }
  return arguments;
}

const Arguments::Given* Arguments::find_given(std::string_view name) const {
  for (const auto& given : given_) {
    if (given.name == name) return &given;
  }
  return nullptr;
}

void Arguments::declare(Declaration declaration) const {
  for (const auto& known : declarations_) {
    if (known.name == declaration.name) return;
  }
  declarations_.push_back(std::move(declaration));
}

const Arguments::Given* Arguments::take(Declaration declaration) const {
  const std::string name = declaration.name;
  declare(std::move(declaration));
  return describing_ ? nullptr : find_given(name);
}

void Arguments::refuse(std::string_view name, const std::string& what) {
  throw ArgumentError("--" + std::string(name) + " " + what);
}

std::string Arguments::path(std::string_view name, std::string_view help) const {
  const Given* given = take({.name = std::string(name),
                             .type = "PATH",
                             .default_value = "",
                             .help = std::string(help),
                             .required = true});
  if (describing_) return "-";
  if (given == nullptr) refuse(name, "is missing: " + std::string(help));
  if (!given->value || given->value->empty()) refuse(name, "needs a path");
  return *given->value;
}

std::string Arguments::path_or(std::string_view name, std::string_view default_value,
                               std::string_view help) const {
  const Given* given = take({.name = std::string(name),
                             .type = "PATH",
                             .default_value = std::string(default_value),
                             .help = std::string(help),
                             .required = false});
  if (given == nullptr) return std::string(default_value);
  if (!given->value || given->value->empty()) refuse(name, "needs a path");
  return *given->value;
}

std::string Arguments::choice(std::string_view name, const std::vector<std::string>& words,
                              std::string_view default_value, std::string_view help) const {
  std::string all;
  for (const auto& word : words) all += (all.empty() ? "" : "|") + word;
  const Given* given = take({.name = std::string(name),
                             .type = all,
                             .default_value = std::string(default_value),
                             .help = std::string(help),
                             .required = false});
  if (given == nullptr) return std::string(default_value);
  if (!given->value || std::find(words.begin(), words.end(), *given->value) == words.end()) {
    refuse(name, "must be one of " + all + (given->value ? ", not '" + *given->value + "'" : ""));
  }
  return *given->value;
}

void Arguments::require(bool condition, const std::string& message) const {
  if (!condition && !describing_) throw ArgumentError(message);
}

std::string Arguments::help_text() const {
  std::vector<std::string> heads;
  size_t width = 0;
  for (const auto& declaration : declarations_) {
    heads.push_back("  --" + declaration.name +
                    (declaration.type.empty() ? "" : " " + declaration.type));
    width = std::max(width, heads.back().size());
  }
  std::string text;
  for (size_t i = 0; i < heads.size(); ++i) {
    const auto& declaration = declarations_[i];
    text += heads[i] + std::string(width + 2 - heads[i].size(), ' ') + declaration.help;
    if (declaration.required) text += " (required)";
    if (!declaration.default_value.empty()) text += " (default " + declaration.default_value + ")";
    text += "\n";
  }
  return text;
}

Status Arguments::check_unknown() const {
  for (const auto& given : given_) {
    const auto is_it = [&](const Declaration& known) { return known.name == given.name; };
    if (std::any_of(declarations_.begin(), declarations_.end(), is_it)) continue;
    std::string known;
    for (const auto& declaration : declarations_) {
      known += (known.empty() ? "--" : ", --") + declaration.name;
    }
    return Status::invalid_argument(
        "unknown flag --" + given.name +
        (known.empty() ? ": this job has no flags" : "; this job knows " + known));
  }
  return Status::ok();
}

Arguments Arguments::for_description() const {
  Arguments copy;
  copy.words_ = words_;
  copy.given_ = given_;
  copy.describing_ = true;
  return copy;
}

int64_t Arguments::parse_integer(std::string_view name, std::string_view text, int64_t min,
                                 uint64_t max) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) {
    refuse(name, "is out of range: '" + std::string(text) + "'");
  }
  if (error != std::errc() || end != text.data() + text.size()) {
    refuse(name, "must be a whole number, not '" + std::string(text) + "'");
  }
  if (value < min || (value > 0 && static_cast<uint64_t>(value) > max)) {
    refuse(name, "is out of range: '" + std::string(text) + "'");
  }
  return value;
}

double Arguments::parse_real(std::string_view name, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    refuse(name, "must be a number, not '" + std::string(text) + "'");
  }
  return value;
}

bool Arguments::parse_bool(std::string_view name, std::string_view text) {
  if (text == "true" || text == "1" || text == "yes") return true;
  if (text == "false" || text == "0" || text == "no") return false;
  refuse(name, "must be true or false, not '" + std::string(text) + "'");
}

Duration Arguments::parse_duration_flag(std::string_view name, std::string_view text) {
  const auto value = parse_duration(text);
  if (!value) {
    refuse(name,
           "must be a duration like 500ms, 10s, 5m, 2h or 1d, not '" + std::string(text) + "'");
  }
  return *value;
}

std::string Arguments::show_real(double value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return error == std::errc() ? std::string(buffer, end) : "?";
}

}  // namespace sluice
