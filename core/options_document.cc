#include "core/options_document.h"

#include <limits>

#include "core/options.h"

namespace sluice {
namespace {

std::string code(const std::string& text) { return "`" + text + "`"; }

std::string options_document_bounds(const OptionSpec& spec) {
  if (spec.type == OptionType::kChoice) {
    std::string words = code(spec.words);
    for (size_t at = 0; (at = words.find('|', at)) != std::string::npos; at += 4) {
      words.replace(at, 1, "`, `");
    }
    return words;
  }
  if (spec.type == OptionType::kBool || spec.type == OptionType::kText) {
    return option_type_name(spec.type);
  }
  const auto bound = [&](int64_t value) {
    return spec.type == OptionType::kDuration ? to_text(Duration(value)) : std::to_string(value);
  };
  std::string text = std::string(option_type_name(spec.type)) + ", ";
  text += spec.max == std::numeric_limits<int64_t>::max()
              ? "at least " + bound(spec.min)
              : bound(spec.min) + " to " + bound(spec.max);
  if (spec.words[0] != '\0') text += ", or " + code(spec.words);
  return text;
}

}  // namespace

std::string options_document() {
  std::string text =
      "# Options\n\n"
      "Every setting of the engine. `-D KEY=VALUE` sets one, `--config FILE` many: the file has\n"
      "`key: value` lines, whole or nested by indentation, and `#` comments. A flag of its own "
      "wins\n"
      "over `-D`, which wins over the file; what a job sets in its code wins over all of them.\n"
      "Durations are `250ms`, `10s`, `5m`, `2h`, `1d`; sizes `64kb`, `1mb`, `2gb` (powers of "
      "1024).\n\n"
      "This file is printed by `bazel run //tools:print_options`; change "
      "`core/options_table.cc`.\n\n"
      "| Option | Default | Values | Meaning |\n"
      "|---|---|---|---|\n";
  for (const auto& spec : option_table()) {
    const std::string standard(spec.default_value);
    text += "| " + code(spec.key) + " | " + (standard.empty() ? "(none)" : code(standard)) + " | " +
            options_document_bounds(spec) + " | " + spec.text;
    text += spec.needs_restart ? " |\n" : " Takes effect while the job runs. |\n";
  }
  return text;
}

}  // namespace sluice
