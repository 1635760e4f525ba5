// The flags of a job, declared where they are used.
//
//   SLUICE_JOB(flight_delays) {
//     const auto input = args.path("input", "CSV file, directory or glob");            // required
//     const auto window = args.duration("window", 1h, "length of a window", at_least(1ms));
//     const bool verbose = args.flag("verbose", "print every alert");
//     args.require(window <= 24h, "--window must not be longer than a day");
//     ...
//   }
//
// Each call declares a flag and returns its value, so a job's flags and their texts stand in one
// place. On the command line: `--name value`, `--name=value`; a bool flag stands alone or takes
// true/false. What is wrong (a required flag that is missing, text that does not parse, a value out
// of bounds) leaves the builder by ArgumentError, which build_job() turns into one line and exit
// status 2. With --help the builder runs with defaults only, to learn the declarations: a flag that
// is declared only under a condition is listed only when the defaults fulfil it.
//
// Owned by the job's entry point; used by one thread.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/status.h"
#include "core/time.h"

namespace sluice {

/// What leaves a job builder when an argument is wrong; caught by build_job().
class ArgumentError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Both ends are allowed values.
template <class T>
struct Bounds {
  std::optional<T> min;
  std::optional<T> max;
};
template <class T>
Bounds<T> at_least(T min) {
  return {min, std::nullopt};
}
template <class T>
Bounds<T> between(T min, T max) {
  return {min, max};
}

class Arguments {
 public:
  Arguments() = default;

  /// Splits command-line words into flags. Words that are no flag are an error.
  static Result<Arguments> parse(const std::vector<std::string>& words);

  /// A number, bool, std::string or Duration that must be given.
  template <class T>
  T get(std::string_view name, std::string_view help) const;
  /// The same with a default and bounds: `args.get<int>("rounds", 10, "how often", at_least(1))`.
  template <class T>
  T get(std::string_view name, std::type_identity_t<T> default_value, std::string_view help,
        Bounds<std::type_identity_t<T>> bounds = {}) const;

  /// A file, directory or glob; must be given and not be empty.
  std::string path(std::string_view name, std::string_view help = "a file or directory") const;
  /// A path that may be left out.
  std::string path_or(std::string_view name, std::string_view default_value,
                      std::string_view help) const;
  /// "250ms", "10s", "5m", "2h", "1d"; a plain number is milliseconds.
  Duration duration(std::string_view name, Duration default_value, std::string_view help,
                    Bounds<Duration> bounds = {}) const {
    return get<Duration>(name, default_value, help, bounds);
  }
  std::string text(std::string_view name, std::string_view default_value,
                   std::string_view help) const {
    return get<std::string>(name, std::string(default_value), help);
  }
  /// One of several words.
  std::string choice(std::string_view name, const std::vector<std::string>& words,
                     std::string_view default_value, std::string_view help) const;
  /// False unless given.
  bool flag(std::string_view name, std::string_view help) const {
    return get<bool>(name, false, help);
  }

  /// Refuses the arguments with `message` unless `condition` holds.
  void require(bool condition, const std::string& message) const;
  /// Whether the flag was given on the command line.
  bool is_given(std::string_view name) const { return find_given(name) != nullptr; }

  // -- for the entry point --

  struct Declaration {
    std::string name;
    std::string type;           // "PATH", "DURATION", "INT", ...; empty for bool flags.
    std::string default_value;  // Empty for required flags and bool flags.
    std::string help;
    bool required = false;
  };
  /// Flags asked for so far, in the order of their first use.
  const std::vector<Declaration>& declarations() const { return declarations_; }
  /// One line per declared flag, aligned.
  std::string help_text() const;
  /// Invalid argument when a flag was given that no call asked for; names it and the known ones.
  Status check_unknown() const;
  /// The words given to parse().
  const std::vector<std::string>& words() const { return words_; }
  /// The same flags for a pass that only collects declarations: values are defaults or, for
  /// required flags, harmless placeholders, and require() lets everything pass.
  Arguments for_description() const;

 private:
  struct Given {
    std::string name;
    std::optional<std::string> value;  // Nothing for a flag that stands alone.
  };
  const Given* find_given(std::string_view name) const;
  void declare(Declaration declaration) const;
  /// The text to parse, or nothing when the default holds.
  const Given* take(Declaration declaration) const;
  template <class T>
  static std::string type_name();
  template <class T>
  static std::string show(const T& value);
  template <class T>
  static T placeholder();
  template <class T>
  static T parse_value(std::string_view name, const Given& given);
  template <class T>
  static void check_bounds(std::string_view name, const T& value, const Bounds<T>& bounds);

  static int64_t parse_integer(std::string_view name, std::string_view text, int64_t min,
                               uint64_t max);
  static double parse_real(std::string_view name, std::string_view text);
  static bool parse_bool(std::string_view name, std::string_view text);
  static Duration parse_duration_flag(std::string_view name, std::string_view text);
  static std::string show_real(double value);
  [[noreturn]] static void refuse(std::string_view name, const std::string& what);

  std::vector<std::string> words_;
  std::vector<Given> given_;
  bool describing_ = false;
  // Declaring is what reading does: a job sees the arguments as a constant.
  mutable std::vector<Declaration> declarations_;
};

// ---- implementation -----------------------------------------------------------------------------

template <class T>
T Arguments::get(std::string_view name, std::string_view help) const {
  const Given* given = take({.name = std::string(name),
                             .type = type_name<T>(),
                             .default_value = "",
                             .help = std::string(help),
                             .required = true});
  if (describing_) return placeholder<T>();
  if (given == nullptr) refuse(name, "is missing: " + std::string(help));
  return parse_value<T>(name, *given);
}

template <class T>
T Arguments::get(std::string_view name, std::type_identity_t<T> default_value,
                 std::string_view help, Bounds<std::type_identity_t<T>> bounds) const {
  const Given* given = take({.name = std::string(name),
                             .type = type_name<T>(),
                             .default_value = std::is_same_v<T, bool> ? "" : show(default_value),
                             .help = std::string(help),
                             .required = false});
  if (given == nullptr) return default_value;
  T value = parse_value<T>(name, *given);
  check_bounds<T>(name, value, bounds);
  return value;
}

template <class T>
std::string Arguments::type_name() {
  if constexpr (std::is_same_v<T, bool>) {
    return "";
  } else if constexpr (std::is_same_v<T, Duration>) {
    return "DURATION";
  } else if constexpr (std::is_integral_v<T>) {
    return "INT";
  } else if constexpr (std::is_floating_point_v<T>) {
    return "NUMBER";
  } else {
    static_assert(std::is_same_v<T, std::string>,
                  "an argument is a number, bool, std::string or Duration");
    return "TEXT";
  }
}

template <class T>
std::string Arguments::show(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_same_v<T, Duration>) {
    return to_text(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return show_real(value);
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else {
    return value;
  }
}

template <class T>
T Arguments::placeholder() {
  if constexpr (std::is_same_v<T, std::string>) {
    return "-";
  } else {
    return T(1);
  }
}

template <class T>
T Arguments::parse_value(std::string_view name, const Given& given) {
  if constexpr (std::is_same_v<T, bool>) {
    return !given.value || parse_bool(name, *given.value);
  } else {
    if (!given.value) refuse(name, "needs a value");
    if constexpr (std::is_same_v<T, Duration>) {
      return parse_duration_flag(name, *given.value);
    } else if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(parse_real(name, *given.value));
    } else if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(parse_integer(name, *given.value,
                                          static_cast<int64_t>(std::numeric_limits<T>::min()),
                                          static_cast<uint64_t>(std::numeric_limits<T>::max())));
    } else {
      return *given.value;
    }
  }
}

template <class T>
void Arguments::check_bounds(std::string_view name, const T& value, const Bounds<T>& bounds) {
  if (bounds.min && value < *bounds.min) {
    refuse(name, "must be at least " + show(*bounds.min) + ", not " + show(value));
  }
  if (bounds.max && *bounds.max < value) {
    refuse(name, "must be at most " + show(*bounds.max) + ", not " + show(value));
  }
}

}  // namespace sluice
