// Stored values as JSON and CSV, by their schema alone: the types that wrote them are not needed.
//
// In JSON records are objects, maps with text keys too; vectors, tuples and other maps are arrays,
// event times ISO 8601 texts, decimals texts, durations their counts, NaN and the infinities texts,
// bytes and opaque values base64 texts. A line of CSV has one column for each field of a record
// ("value.count"), at any depth; what has no fixed fields is its JSON text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/schema.h"

namespace sluice {

using Json = nlohmann::ordered_json;

/// Bytes that do not fit the schema set the reader's failure flag. An opaque value takes all that
/// is left.
Json stored_value_to_json(ByteReader& reader, const TypeSchema& schema);

/// One line; bytes that are no UTF-8 become U+FFFD.
std::string to_line(const Json& json);

/// The columns of values of `schema`, which as a whole is called `name`.
void append_csv_names(const std::string& name, const TypeSchema& schema,
                      std::vector<std::string>& names);
/// One text for each of them.
void append_csv_fields(const Json& json, const TypeSchema& schema,
                       std::vector<std::string>& fields);
/// Quoted where needed, without a line end.
std::string csv_line(const std::vector<std::string>& fields);

}  // namespace sluice
