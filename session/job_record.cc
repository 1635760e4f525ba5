#include "session/job_record.h"

#include <nlohmann/json.hpp>

#include "control/inspection_json.h"

namespace sluice {
namespace {

using nlohmann::json;

template <class Read>
auto reading(std::string_view text, Read read) -> Result<decltype(read(json()))> {
  try {
    return read(json::parse(text));
  } catch (const json::exception& error) {
    return Status::corruption(std::string("not the JSON that was expected: ") + error.what());
  }
}

}  // namespace

std::string to_json(const JobRecord& record) {
  return json{{"format", 1},
              {"id", record.id},
              {"submission", to_json(record.submission)},
              {"caller", record.caller},
              {"submitted", record.submitted},
              {"summary", to_json(record.summary)},
              {"checkpointing", record.checkpointing},
              {"cancel_wanted", record.cancel_wanted},
              {"savepoint", record.savepoint},
              {"ended", record.ended}}
      .dump(1, ' ', false, json::error_handler_t::replace);
}

Result<JobRecord> job_record_from_json(std::string_view text) {
  std::string submission;
  std::string summary;
  SLUICE_ASSIGN_OR_RETURN(JobRecord record, reading(text, [&](const json& stored) {
                            JobRecord read;
                            stored.at("id").get_to(read.id);
                            stored.at("submission").get_to(submission);
                            stored.at("summary").get_to(summary);
                            stored.at("caller").get_to(read.caller);
                            stored.at("submitted").get_to(read.submitted);
                            stored.at("checkpointing").get_to(read.checkpointing);
                            stored.at("cancel_wanted").get_to(read.cancel_wanted);
                            stored.at("savepoint").get_to(read.savepoint);
                            stored.at("ended").get_to(read.ended);
                            return read;
                          }));
  SLUICE_ASSIGN_OR_RETURN(record.submission, submission_from_json(submission));
  SLUICE_ASSIGN_OR_RETURN(record.summary, from_json<JobSummary>(summary));
  if (!is_job_id(record.id)) return Status::corruption("the record's job has no id");
  return record;
}

Result<MasterSummary> master_summary_from_json(std::string_view line) {
  return reading(line, [](const json& said) {
    MasterSummary summary;
    said.at("job").get_to(summary.name);
    said.at("status").get_to(summary.status);
    summary.error = said.value("error", "");
    summary.savepoint = said.value("savepoint", "");
    summary.records_in = said.value("records_in", int64_t{0});
    summary.records_out = said.value("records_out", int64_t{0});
    summary.restarts = said.value("restarts", int64_t{0});
    return summary;
  });
}

}  // namespace sluice
