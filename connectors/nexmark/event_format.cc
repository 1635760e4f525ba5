#include "connectors/nexmark/event_format.h"

#include <cmath>
#include <optional>

#include "connectors/formats/json_writer.h"
#include "connectors/formats/scalar_text.h"

namespace sluice::nexmark {

namespace {

bool read_null(JsonCursor& in) { return in.peek() == 'n' && in.read_literal("null"); }

/// The characters of a number or of a string, without blanks around them.
bool read_number_or_string(JsonCursor& in, std::string_view& text) {
  if (in.peek() != '"') return in.read_number(text);
  if (!in.read_string(text)) return false;
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return true;
}

bool parse_whole_number(std::string_view text, int64_t& value) {
  if (parse_number(text, value)) return true;
  // "1500.0" and "1.5e3" are whole numbers too; beyond 2^53 a double would not be exact.
  constexpr double kExactMax = 9007199254740992.0;
  double real = 0;
  if (!parse_number(text, real) || std::trunc(real) != real || std::fabs(real) > kExactMax) {
    return false;
  }
  value = static_cast<int64_t>(real);
  return true;
}

bool read_field(JsonCursor& in, int64_t& value, TextArena& /*arena*/) {
  std::string_view text;
  if (!read_number_or_string(in, text)) return in.fail("not a number");
  return parse_whole_number(text, value) ||
         in.fail(std::string(text.substr(0, 40)) + " is not an integer of 64 bits");
}

bool read_field(JsonCursor& in, EventTime& value, TextArena& /*arena*/) {
  std::string_view text;
  if (!read_number_or_string(in, text)) return in.fail("not a time");
  int64_t ms = 0;
  if (parse_whole_number(text, ms)) {
    value = EventTime{ms};
    return true;
  }
  const auto parsed = parse_iso8601(text);
  if (!parsed) {
    return in.fail(std::string(text.substr(0, 40)) + " is not a time (ISO 8601 or milliseconds)");
  }
  value = *parsed;
  return true;
}

bool read_field(JsonCursor& in, Text& value, TextArena& arena) {
  if (read_null(in)) {
    value = Text();
    return true;
  }
  std::string_view text;
  // Numbers and flags where a text is expected are taken as they are written.
  const bool good = in.peek() == '"' ? in.read_string(text) : in.read_number(text);
  if (!good) return in.fail("not a text");
  value = Text::copy_to(text, arena);
  return true;
}

/// Reads the members of an object: on_member(name) takes the value of one.
template <class F>
bool read_members(JsonCursor& in, F&& on_member) {
  if (!in.take('{')) return in.fail("not an object");
  if (!in.enter()) return false;
  if (!in.take('}')) {
    do {
      std::string_view view;
      if (in.peek() != '"') return in.fail("a field name is missing");
      if (!in.read_string(view)) return false;
      // The view ends with the next call; names of fields are short, so this does not allocate.
      const std::string name(view);
      if (!in.take(':')) return in.fail("a ':' is missing");
      if (!on_member(std::string_view(name))) return false;
    } while (in.take(','));
    if (!in.take('}')) return in.fail("an object does not end");
  }
  in.leave();
  return true;
}

template <class T>
bool read_record(JsonCursor& in, std::optional<T>& result, TextArena& arena) {
  if (read_null(in)) {
    result.reset();
    return true;
  }
  T& record = result.emplace();
  uint32_t seen = 0;
  const bool good = read_members(in, [&](std::string_view name) {
    bool known = false;
    bool read = true;
    uint32_t bit = 1;
    for_each_field(record, [&](const char* field_name, auto& field) {
      if (!known && name == field_name) {
        known = true;
        // Numbers and times may not be null: then they are not there.
        if (read_null(in)) {
          seen &= ~bit;
          field = {};
        } else {
          read = read_field(in, field, arena);
          seen |= bit;
        }
        if (!read) in.fail_in(field_name);
      }
      bit <<= 1;
    });
    if (!known) return in.skip_value();
    return read;
  });
  if (!good) return false;
  uint32_t bit = 1;
  std::string_view missing;
  for_each_field(record, [&](const char* name, auto& field) {
    constexpr bool kMayMiss = std::is_same_v<std::remove_cvref_t<decltype(field)>, Text>;
    if (!kMayMiss && (seen & bit) == 0 && missing.empty()) missing = name;
    bit <<= 1;
  });
  return missing.empty() || in.fail("missing field " + std::string(missing));
}

}  // namespace

void append_event_line(const Event& event, std::string& out) {
  out += "{\"event_type\":";
  out += static_cast<char>('0' + static_cast<int>(event.type()));
  switch (event.type()) {
    case EventType::kPerson:
      out += ",\"person\":";
      append_json(event.person(), out);
      break;
    case EventType::kAuction:
      out += ",\"auction\":";
      append_json(event.auction(), out);
      break;
    case EventType::kBid:
      out += ",\"bid\":";
      append_json(event.bid(), out);
      break;
  }
  out += "}\n";
}

LineOutcome EventFormat::Parser::parse(std::string_view line, Event& event, TextArena& arena) {
  cursor_.reset(line);
  if (cursor_.at_end()) return LineOutcome::kSkip;
  Line content;
  if (!read_line(content, arena)) return LineOutcome::kBad;
  if (!cursor_.at_end()) {
    cursor_.fail("text after the JSON value");
    return LineOutcome::kBad;
  }
  return choose(content, event) ? LineOutcome::kRecord : LineOutcome::kBad;
}

bool EventFormat::Parser::read_line(Line& line, TextArena& arena) {
  // Once the type is known, the records of the others need not even be well-formed ones.
  const auto is_wanted = [&](EventType type) {
    return !line.type || *line.type == static_cast<int64_t>(type);
  };
  return read_members(cursor_, [&](std::string_view name) {
    bool good = false;
    if (name == "event_type") {
      int64_t type = 0;
      good = read_field(cursor_, type, arena);
      if (good) line.type = type;
    } else if (name == "person" && is_wanted(EventType::kPerson)) {
      good = read_record(cursor_, line.person, arena);
    } else if (name == "auction" && is_wanted(EventType::kAuction)) {
      good = read_record(cursor_, line.auction, arena);
    } else if (name == "bid" && is_wanted(EventType::kBid)) {
      good = read_record(cursor_, line.bid, arena);
    } else {
      return cursor_.skip_value();
    }
    return good || cursor_.fail_in(name);
  });
}

bool EventFormat::Parser::choose(const Line& line, Event& event) {
  if (!line.type) {
    const int records = (line.person ? 1 : 0) + (line.auction ? 1 : 0) + (line.bid ? 1 : 0);
    if (records != 1) return cursor_.fail("missing field event_type");
    if (line.person) event = *line.person;
    if (line.auction) event = *line.auction;
    if (line.bid) event = *line.bid;
    return true;
  }
  if (*line.type == static_cast<int64_t>(EventType::kPerson)) {
    if (!line.person) return cursor_.fail("missing field person");
    event = *line.person;
  } else if (*line.type == static_cast<int64_t>(EventType::kAuction)) {
    if (!line.auction) return cursor_.fail("missing field auction");
    event = *line.auction;
  } else if (*line.type == static_cast<int64_t>(EventType::kBid)) {
    if (!line.bid) return cursor_.fail("missing field bid");
    event = *line.bid;
  } else {
    return cursor_.fail("field event_type: " + std::to_string(*line.type) + " is not 0, 1 or 2");
  }
  return true;
}

}  // namespace sluice::nexmark
