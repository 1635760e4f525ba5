// What is in a snapshot: its operators, their states with schema and size of each key group, and
// its files. Reads every entry, so a listing is also a check of the whole snapshot.
#pragma once

#include <string>

#include "core/file_system.h"
#include "tools/inspect/snapshot_place.h"
#include "tools/inspect/stored_json.h"

namespace sluice {

Result<Json> list_snapshot(FileSystem& files, const FoundSnapshot& found);

/// A listing for people.
std::string listing_text(const Json& listing);

}  // namespace sluice
