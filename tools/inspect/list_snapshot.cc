#include "tools/inspect/list_snapshot.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/time.h"
#include "state/snapshot_reader.h"

namespace sluice {
namespace {

const char* redistribution_name(Redistribution mode) {
  switch (mode) {
    case Redistribution::kSplit:
      return "split list";
    case Redistribution::kUnion:
      return "union list";
    case Redistribution::kBroadcast:
      return "broadcast";
  }
  return "?";
}

Result<Json> list_keyed_state(ChainedSnapshotReader& reader, const std::string& name) {
  struct Size {
    uint64_t entries = 0;
    uint64_t bytes = 0;
  };
  Size all;
  std::map<int, Size> groups;
  SLUICE_RETURN_IF_ERROR(
      reader.visit_keyed_state(name, [&](int group, std::string_view key, std::string_view value) {
        for (Size* size : {&all, &groups[group]}) {
          ++size->entries;
          size->bytes += key.size() + value.size();
        }
        return Status::ok();
      }));
  Json by_group = Json::array();
  for (const auto& [group, size] : groups) {
    by_group.push_back({{"group", group}, {"entries", size.entries}, {"bytes", size.bytes}});
  }
  return Json{{"name", name},           {"kind", "keyed"},    {"schema", reader.schema_of(name)},
              {"entries", all.entries}, {"bytes", all.bytes}, {"key_groups", std::move(by_group)}};
}

Json list_item_states(const ChainedSnapshotReader& reader) {
  std::map<std::string, Json> states;
  for (const SnapshotItem& item : reader.all_items()) {
    Json& state = states[item.name];
    if (state.is_null()) {
      state = {{"name", item.name},
               {"kind", redistribution_name(item.mode)},
               {"entries", uint64_t{0}},
               {"bytes", uint64_t{0}}};
    }
    state["entries"] = state["entries"].get<uint64_t>() + 1;
    state["bytes"] = state["bytes"].get<uint64_t>() + item.item.size();
  }
  Json list = Json::array();
  for (auto& [name, state] : states) list.push_back(std::move(state));
  return list;
}

Json list_files(const OperatorState& op) {
  Json list = Json::array();
  for (size_t subtask = 0; subtask < op.chains.subtasks.size(); ++subtask) {
    for (const SnapshotFile& file : op.chains.subtasks[subtask].files) {
      const KeyGroupRange groups = file.identity.key_groups();
      Json entry = {{"subtask", subtask},
                    {"path", file.is_inline() ? Json(nullptr) : Json(file.path)},
                    {"bytes", file.size},
                    {"checkpoint", file.identity.checkpoint.value},
                    {"delta", file.identity.is_delta},
                    {"entries", file.entries},
                    {"key_groups", {groups.first, groups.last}}};
      list.push_back(std::move(entry));
    }
  }
  return list;
}

Result<Json> list_operator(FileSystem& files, const OperatorState& op) {
  SLUICE_ASSIGN_OR_RETURN(const auto reader, ChainedSnapshotReader::open(files, op.chains, 0, 1));
  Json states = Json::array();
  for (const std::string& name : reader->keyed_state_names()) {
    SLUICE_ASSIGN_OR_RETURN(Json state, list_keyed_state(*reader, name));
    states.push_back(std::move(state));
  }
  for (Json& state : list_item_states(*reader)) states.push_back(std::move(state));
  return Json{{"uid", op.chains.uid},
              {"name", op.name},
              {"parallelism", op.parallelism()},
              {"max_parallelism", op.chains.max_parallelism},
              {"finished", op.is_finished()},
              {"bytes", op.bytes()},
              {"states", std::move(states)},
              {"files", list_files(op)}};
}

}  // namespace

Result<Json> list_snapshot(FileSystem& files, const FoundSnapshot& found) {
  const CheckpointMetadata& metadata = found.metadata;
  Json listing = {
      {"kind", metadata.purpose == SnapshotPurpose::kSavepoint ? "savepoint" : "checkpoint"},
      {"directory", found.directory},
      {"job", metadata.job_name},
      {"id", metadata.id.value},
      {"triggered", to_iso8601({metadata.triggered_ms})},
      {"duration_ms", metadata.duration_ms},
      {"drained", metadata.drained},
      {"sluice_version", metadata.sluice_version},
      {"full_bytes", metadata.full_bytes()},
      {"new_bytes", metadata.incremental_bytes()}};
  Json operators = Json::array();
  for (const OperatorState& op : metadata.operators) {
    auto listed = list_operator(files, op);
    if (!listed.is_ok()) return listed.status().with_prefix("operator '" + op.chains.uid + "': ");
    operators.push_back(std::move(listed).value());
  }
  listing["operators"] = std::move(operators);
  Json coordinators = Json::array();
  for (const CoordinatorState& state : metadata.coordinators) {
    coordinators.push_back(
        {{"uid", state.operator_uid}, {"kind", state.kind}, {"bytes", state.state.size()}});
  }
  listing["coordinators"] = std::move(coordinators);
  listing["options"] = metadata.options;
  return listing;
}

// ---- for people ---------------------------------------------------------------------------------

namespace {

std::string text_of(const Json& json) { return json.get<std::string>(); }
uint64_t number_of(const Json& json) { return json.get<uint64_t>(); }

std::string state_text(const Json& state) {
  std::string text =
      fmt::format("    {:<20} {:<10} {:>9} entries {:>11} bytes", text_of(state["name"]),
                  text_of(state["kind"]), number_of(state["entries"]), number_of(state["bytes"]));
  if (state.contains("key_groups") && !state["key_groups"].empty()) {
    const Json& groups = state["key_groups"];
    const auto largest = std::max_element(
        groups.begin(), groups.end(),
        [](const Json& a, const Json& b) { return number_of(a["bytes"]) < number_of(b["bytes"]); });
    text += fmt::format(" in {} key groups, largest {} with {} entries, {} bytes", groups.size(),
                        (*largest)["group"].get<int>(), number_of((*largest)["entries"]),
                        number_of((*largest)["bytes"]));
  }
  text += "\n";
  if (state.contains("schema")) text += "      " + text_of(state["schema"]) + "\n";
  return text;
}

std::string files_text(const Json& files) {
  size_t in_metadata = 0;
  std::string text;
  for (const Json& file : files) {
    if (file["path"].is_null()) {
      ++in_metadata;
      continue;
    }
    text += fmt::format("    file {} subtask {} checkpoint {} {} {} bytes\n", text_of(file["path"]),
                        number_of(file["subtask"]), file["checkpoint"].get<int64_t>(),
                        file["delta"].get<bool>() ? "delta" : "base", number_of(file["bytes"]));
  }
  if (in_metadata > 0) {
    text += fmt::format("    {} small piece{} in the metadata\n", in_metadata,
                        in_metadata == 1 ? "" : "s");
  }
  return text;
}

}  // namespace

std::string listing_text(const Json& listing) {
  std::string text = fmt::format(
      "{} {} of job {}, triggered {}, {} ms, Sluice {}{}\n{}: {} bytes, {} of them new\n",
      text_of(listing["kind"]), listing["id"].get<int64_t>(), text_of(listing["job"]),
      text_of(listing["triggered"]), listing["duration_ms"].get<int64_t>(),
      text_of(listing["sluice_version"]), listing["drained"].get<bool>() ? ", drained" : "",
      text_of(listing["directory"]), number_of(listing["full_bytes"]),
      number_of(listing["new_bytes"]));
  for (const Json& op : listing["operators"]) {
    text += fmt::format("  {}  uid '{}'  parallelism {} of at most {}  {} bytes{}\n",
                        text_of(op["name"]), text_of(op["uid"]), op["parallelism"].get<int>(),
                        op["max_parallelism"].get<int>(), number_of(op["bytes"]),
                        op["finished"].get<bool>() ? "  finished" : "");
    for (const Json& state : op["states"]) text += state_text(state);
    text += files_text(op["files"]);
  }
  for (const Json& state : listing["coordinators"]) {
    text += fmt::format("  {} of '{}': {} bytes\n", text_of(state["kind"]), text_of(state["uid"]),
                        number_of(state["bytes"]));
  }
  return text;
}

}  // namespace sluice
