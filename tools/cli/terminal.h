// A terminal that shows whole screens and takes single keys. Everything is put back at the end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <termios.h>

#include "core/time.h"

namespace sluice {

/// Waits; no key ends it.
void pause(Duration time);

class Terminal {
 public:
  /// Switches to the alternate screen when stdout is a terminal; keys come one by one when stdin
  /// is.
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  struct Size {
    size_t width = 80;
    size_t height = 24;
  };
  Size size() const;
  void show(const std::vector<std::string>& lines);
  /// The key pressed within `time`, nothing otherwise; 'q' when the input or the output is gone.
  std::optional<char> key(Duration time);

 private:
  bool is_screen_ = false;
  bool has_keys_ = false;
  bool is_gone_ = false;
  termios before_{};
};

}  // namespace sluice
