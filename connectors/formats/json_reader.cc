#include "connectors/formats/json_reader.h"

#include <cstring>

namespace sluice {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

}  // namespace

bool JsonCursor::read_string(std::string_view& text) {
  if (!take('"')) return fail("not a string");
  const char* start = next_;
  for (; next_ != end_; ++next_) {
    const char c = *next_;
    if (c == '"') {
      text = {start, static_cast<size_t>(next_ - start)};
      ++next_;
      return true;
    }
    if (c == '\\') return read_escaped_string(start, text);
    if (static_cast<unsigned char>(c) < 0x20) return fail("a control character in a string");
  }
  return fail("a string does not end");
}

bool JsonCursor::read_escaped_string(const char* start, std::string_view& text) {
  scratch_.assign(start, next_);
  while (next_ != end_) {
    const char c = *next_++;
    if (c == '"') {
      text = scratch_;
      return true;
    }
    if (static_cast<unsigned char>(c) < 0x20) return fail("a control character in a string");
    if (c != '\\') {
      scratch_ += c;
    } else if (!read_escape()) {
      return false;
    }
  }
  return fail("a string does not end");
}

bool JsonCursor::read_escape() {
  static constexpr char kFrom[] = "\"\\/bfnrt";
  static constexpr char kTo[] = "\"\\/\b\f\n\r\t";
  if (next_ == end_) return fail("a string does not end");
  const char c = *next_++;
  if (c != 'u') {
    const char* found = c == '\0' ? nullptr : std::strchr(kFrom, c);
    if (found == nullptr) return fail("an unknown escape in a string");
    scratch_ += kTo[found - kFrom];
    return true;
  }
  uint32_t code = 0;
  if (!read_hex4(code)) return false;
  if (code >= 0xDC80 && code < 0xDD00) {
    scratch_ += static_cast<char>(code & 0xFF);
    return true;
  }
  if (code >= 0xDC00 && code < 0xE000) return fail("half a surrogate pair in a string");
  if (code >= 0xD800 && code < 0xDC00) {
    uint32_t low = 0;
    if (end_ - next_ < 2 || next_[0] != '\\' || next_[1] != 'u') {
      return fail("half a surrogate pair in a string");
    }
    next_ += 2;
    if (!read_hex4(low)) return false;
    if (low < 0xDC00 || low >= 0xE000) return fail("half a surrogate pair in a string");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  append_utf8(code, scratch_);
  return true;
}

bool JsonCursor::read_hex4(uint32_t& code) {
  if (end_ - next_ < 4) return fail("an unknown escape in a string");
  const auto [stop, error] = std::from_chars(next_, next_ + 4, code, 16);
  if (error != std::errc() || stop != next_ + 4) return fail("an unknown escape in a string");
  next_ += 4;
  return true;
}

bool JsonCursor::read_number(std::string_view& text) {
  (void)peek();
  const char* start = next_;
  const auto digits = [&] {
    const char* first = next_;
    while (next_ != end_ && is_digit(*next_)) ++next_;
    return next_ != first;
  };
  if (next_ != end_ && *next_ == '-') ++next_;
  const bool zero = next_ != end_ && *next_ == '0';
  if (zero) {
    ++next_;
  } else if (!digits()) {
    return false;
  }
  if (zero && next_ != end_ && is_digit(*next_)) return false;
  if (next_ != end_ && *next_ == '.') {
    ++next_;
    if (!digits()) return false;
  }
  if (next_ != end_ && (*next_ == 'e' || *next_ == 'E')) {
    ++next_;
    if (next_ != end_ && (*next_ == '+' || *next_ == '-')) ++next_;
    if (!digits()) return false;
  }
  text = {start, static_cast<size_t>(next_ - start)};
  return true;
}

bool JsonCursor::read_literal(std::string_view literal) {
  (void)peek();
  if (static_cast<size_t>(end_ - next_) < literal.size()) return false;
  if (std::memcmp(next_, literal.data(), literal.size()) != 0) return false;
  next_ += literal.size();
  return true;
}

bool JsonCursor::skip_value() {
  std::string_view ignored;
  switch (peek()) {
    case '"':
      return read_string(ignored);
    case '{':
    case '[': {
      const bool is_object = take('{');
      if (!is_object) (void)take('[');
      const char close = is_object ? '}' : ']';
      if (!enter()) return false;
      if (!take(close)) {
        do {
          if (is_object && (!read_string(ignored) || !take(':'))) return fail("not a JSON object");
          if (!skip_value()) return false;
        } while (take(','));
        if (!take(close)) return fail("an object or array does not end");
      }
      leave();
      return true;
    }
    case 't':
      return read_literal("true") || fail("not a JSON value");
    case 'f':
      return read_literal("false") || fail("not a JSON value");
    case 'n':
      return read_literal("null") || fail("not a JSON value");
    default:
      return read_number(ignored) || fail("not a JSON value");
  }
}

bool JsonCursor::fail_in(std::string_view field) {
  path_ = path_.empty() ? std::string(field) : std::string(field) + "." + path_;
  return false;
}

std::string JsonCursor::describe_error() const {
  return path_.empty() ? reason_ : "field " + path_ + ": " + reason_;
}

}  // namespace sluice
