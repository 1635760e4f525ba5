#include "tools/cli/terminal.h"

#include <cerrno>
#include <cstdio>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace sluice {

void pause(Duration time) { (void)::poll(nullptr, 0, static_cast<int>(time.count())); }

Terminal::Terminal()
    : is_screen_(::isatty(STDOUT_FILENO) != 0), has_keys_(::isatty(STDIN_FILENO) != 0) {
  if (has_keys_ && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios raw = before_;
    // Ctrl-C still ends the program; then the shell puts the terminal right.
    raw.c_lflag &= static_cast<tcflag_t>(~(ICANON | ECHO));
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    (void)::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  if (is_screen_) std::fputs("\x1b[?1049h\x1b[?25l", stdout);
}

Terminal::~Terminal() {
  if (is_screen_) std::fputs("\x1b[?25h\x1b[?1049l", stdout);
  std::fflush(stdout);
  if (has_keys_) (void)::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

Terminal::Size Terminal::size() const {
  winsize found{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) == 0 && found.ws_col > 0 && found.ws_row > 0) {
    return {found.ws_col, found.ws_row};
  }
  return {120, 1000};
}

void Terminal::show(const std::vector<std::string>& lines) {
  std::string screen = is_screen_ ? "\x1b[H" : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    // Each line clears what was behind it, the end what was below: nothing flickers.
    screen += lines[i] + (is_screen_ ? "\x1b[K" : "");
    if (i + 1 < lines.size() || !is_screen_) screen += "\n";
  }
  if (is_screen_) screen += "\x1b[J";
  is_gone_ = std::fputs(screen.c_str(), stdout) < 0 || std::fflush(stdout) != 0;
}

std::optional<char> Terminal::key(Duration time) {
  if (is_gone_) return 'q';
  if (!has_keys_) {
    pause(time);
    return std::nullopt;
  }
  pollfd input{STDIN_FILENO, POLLIN, 0};
  const int ready = ::poll(&input, 1, static_cast<int>(time.count()));
  // A new size of the window interrupts the wait: draw again.
  if (ready <= 0) return std::nullopt;
  char key = 0;
  const ssize_t got = ::read(STDIN_FILENO, &key, 1);
  if (got == 0 && (input.revents & (POLLHUP | POLLERR)) != 0) return 'q';
  return got == 1 ? std::optional<char>(key) : std::nullopt;
}

}  // namespace sluice
