// The Nexmark queries without an engine, one loop each, one thread.
#pragma once

#include <cstdint>

#include "connectors/nexmark/event_generator.h"

namespace sluice::nexmark {

void loop_q0(const EventGenerator& generator, int64_t count);
void loop_q1(const EventGenerator& generator, int64_t count);
void loop_q2(const EventGenerator& generator, int64_t count);
void loop_q3(const EventGenerator& generator, int64_t count);
void loop_q4(const EventGenerator& generator, int64_t count);
void loop_q5(const EventGenerator& generator, int64_t count);
void loop_q7(const EventGenerator& generator, int64_t count);
void loop_q8(const EventGenerator& generator, int64_t count);
void loop_q9(const EventGenerator& generator, int64_t count);
void loop_q10(const EventGenerator& generator, int64_t count);
void loop_q11(const EventGenerator& generator, int64_t count);
void loop_q12(const EventGenerator& generator, int64_t count);
void loop_q15(const EventGenerator& generator, int64_t count);
void loop_q17(const EventGenerator& generator, int64_t count);
void loop_q18(const EventGenerator& generator, int64_t count);
void loop_q19(const EventGenerator& generator, int64_t count);
void loop_q20(const EventGenerator& generator, int64_t count);

}  // namespace sluice::nexmark
