#include "connectors/nexmark/event_format.h"

#include <string>

#include <doctest/doctest.h>

#include "connectors/nexmark/event_generator.h"

namespace sluice::nexmark {
namespace {

struct Parsed {
  LineOutcome outcome;
  Event event;
  std::string reason;
};

Parsed parse(std::string_view line) {
  const EventFormat format;
  EventFormat::Parser parser(format);
  Parsed parsed;
  parsed.outcome = parser.parse(line, parsed.event, current_text_arena());
  if (parsed.outcome == LineOutcome::kBad) parsed.reason = parser.reason();
  return parsed;
}

std::string bid_line(const std::string& fields) {
  return R"({"event_type":2,"bid":{"auction":1,"bidder":2,"price":3,)" + fields + "}}";
}

TEST_CASE("event_format: what is written reads back the same") {
  const EventGenerator generator{GeneratorConfig{}};
  for (int64_t number = 0; number < 500; ++number) {
    std::string line;
    append_event_line(generator.event_at(number), line);
    REQUIRE(line.back() == '\n');
    line.pop_back();
    const Parsed parsed = parse(line);
    REQUIRE(parsed.outcome == LineOutcome::kRecord);
    CHECK(parsed.event == generator.event_at(number));
  }
}

TEST_CASE("event_format: times are ISO 8601 in any form or milliseconds") {
  const EventTime expected{1'436'918'400'123};
  for (const char* time :
       {R"("2015-07-15T00:00:00.123Z")", R"("2015-07-15T00:00:00.123")",
        R"("2015-07-15 00:00:00.123")", R"("2015-07-15T02:00:00.123+02:00")",
        R"("2015-07-15t00:00:00.123z")", R"(" 2015-07-15T00:00:00.123Z ")", "1436918400123",
        R"("1436918400123")", R"(" 1436918400123")", "1.436918400123e12"}) {
    CAPTURE(time);
    const Parsed parsed = parse(bid_line(std::string("\"dateTime\":") + time));
    REQUIRE(parsed.outcome == LineOutcome::kRecord);
    CHECK(parsed.event.bid().dateTime == expected);
  }
}

TEST_CASE("event_format: texts keep quotes, escapes and other alphabets; missing ones are empty") {
  const Parsed parsed = parse(
      bid_line(R"("dateTime":0,"channel":"a\"b\\c","url":"\u00fc\ud83d\ude00 日本","extra":null)"));
  REQUIRE(parsed.outcome == LineOutcome::kRecord);
  CHECK(parsed.event.bid().channel == "a\"b\\c");
  CHECK(parsed.event.bid().url == "ü😀 日本");
  CHECK(parsed.event.bid().extra == "");
  std::string line;
  append_event_line(parsed.event, line);
  line.pop_back();
  CHECK(parse(line).event == parsed.event);
}

TEST_CASE("event_format: the other records of the row may be null or anything else") {
  const Parsed parsed = parse(
      R"({"event_type":2,"person":null,"auction":{"id":null},"extra":[1,{"a":2}],"bid":{)"
      R"("auction":"17","bidder":2.0,"price":-3,"dateTime":5,"unknown":{"x":[]}},"dateTime":"?"})");
  REQUIRE(parsed.outcome == LineOutcome::kRecord);
  CHECK(parsed.event.bid().auction == 17);
  CHECK(parsed.event.bid().bidder == 2);
  CHECK(parsed.event.bid().price == -3);
  CHECK(parsed.event.bid().dateTime == EventTime{5});
  const Parsed untyped = parse(R"({"person":{"id":1,"dateTime":1},"bid":null})");
  REQUIRE(untyped.outcome == LineOutcome::kRecord);
  CHECK(untyped.event.person().id == 1);
}

TEST_CASE("event_format: a bad line says what is wrong") {
  CHECK(parse("").outcome == LineOutcome::kSkip);
  CHECK(parse("  ").outcome == LineOutcome::kSkip);
  const auto reason = [](std::string_view line) {
    const Parsed parsed = parse(line);
    CHECK(parsed.outcome == LineOutcome::kBad);
    return parsed.reason;
  };
  CHECK(reason(R"({"event_type":2})") == "missing field bid");
  CHECK(reason(R"({"event_type":3,"bid":null})") == "field event_type: 3 is not 0, 1 or 2");
  CHECK(reason(R"({})") == "missing field event_type");
  CHECK(reason(bid_line(R"("channel":"x")")) == "field bid: missing field dateTime");
  CHECK(reason(bid_line(R"("dateTime":null)")) == "field bid: missing field dateTime");
  CHECK(reason(bid_line(R"("dateTime":"yesterday")")) ==
        "field bid.dateTime: yesterday is not a time (ISO 8601 or milliseconds)");
  CHECK(reason(R"({"event_type":2,"bid":{"auction":1.5}})") ==
        "field bid.auction: 1.5 is not an integer of 64 bits");
  CHECK(reason("not json").find("not an object") != std::string::npos);
  CHECK(reason(bid_line(R"("dateTime":1)") + " x").find("text after") != std::string::npos);
  CHECK(!reason(R"({"event_type":2,"bid":{"auction":1)").empty());
}

}  // namespace
}  // namespace sluice::nexmark
