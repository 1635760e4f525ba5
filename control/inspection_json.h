// core/inspection.h as JSON: what `sluice --json` prints and the control endpoint answers.
//
// Decoding is lenient: fields that are missing keep their defaults and unknown ones are passed
// over, so that tools and jobs of neighbouring versions understand each other. Text that is no
// JSON, or has a value of another type, is kCorruption. For the types of core/inspection.h and
// vectors of them.
#pragma once

#include <string>
#include <string_view>

#include "core/inspection.h"
#include "core/status.h"

namespace sluice {

/// On one line, or indented by `indent` columns.
template <class T>
std::string to_json(const T& value, int indent = -1);

template <class T>
Result<T> from_json(std::string_view text);

}  // namespace sluice
