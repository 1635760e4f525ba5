// A file system for databases that never outlive their process: nothing is synced.
//
// Whoever reads what this process wrote reads it from the system's memory, so leaving syncs out
// changes nothing but time: each would hold up a flush, a compaction or a restore until the disk
// has answered. Errors of writes are told as ever.
//
// Thread-safe; the Env must outlive the databases that use it.
#pragma once

#include <memory>

#include <rocksdb/env.h>

namespace sluice {

/// The machine's files, without syncs.
std::unique_ptr<rocksdb::Env> make_unsynced_files();

}  // namespace sluice
