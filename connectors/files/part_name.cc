#include "connectors/files/part_name.h"

#include <charconv>

namespace sluice {
namespace {

constexpr std::string_view kPrefix = "part-";
constexpr std::string_view kInProgressMark = ".inprogress.";
constexpr std::string_view kFinishedMark = ".finished";

template <class Number>
bool take_number(std::string_view& text, Number& number) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(stop - text.data()));
  return true;
}

bool take(std::string_view& text, std::string_view what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

}  // namespace

std::string PartName::to_text() const {
  std::string text = state == State::kVisible ? "" : ".";
  text.append(kPrefix).append(std::to_string(subtask)).append("-");
  text.append(std::to_string(counter)).append(suffix);
  if (state == State::kFinished) text.append(kFinishedMark);
  if (state == State::kInProgress) {
    text.append(kInProgressMark).append(std::to_string(epoch)).append(".");
    text.append(std::to_string(attempt));
  }
  return text;
}

std::optional<PartName> PartName::parse(std::string_view name) {
  PartName part;
  const bool hidden = take(name, ".");
  if (!take(name, kPrefix) || !take_number(name, part.subtask) || !take(name, "-") ||
      !take_number(name, part.counter)) {
    return std::nullopt;
  }
  size_t suffix_size = name.size();
  if (hidden) {
    const size_t mark = name.rfind(kInProgressMark);
    if (mark != std::string_view::npos) {
      part.state = State::kInProgress;
      suffix_size = mark;
      std::string_view rest = name.substr(mark + kInProgressMark.size());
      if (!take_number(rest, part.epoch) || !take(rest, ".") || !take_number(rest, part.attempt) ||
          !rest.empty()) {
        return std::nullopt;
      }
    } else if (name.ends_with(kFinishedMark)) {
      part.state = State::kFinished;
      suffix_size = name.size() - kFinishedMark.size();
    } else {
      return std::nullopt;
    }
  }
  part.suffix = name.substr(0, suffix_size);
  if (!part.suffix.empty() && part.suffix.front() != '.') return std::nullopt;
  return part;
}

PartName PartName::with_state(State other) const {
  PartName copy = *this;
  copy.state = other;
  return copy;
}

}  // namespace sluice
