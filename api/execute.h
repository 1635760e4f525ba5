// Running a job from a program of one's own: the one part of the API that needs the engine.
//
//   StreamEnvironment env;
//   env.from_sequence(1, 3).print();
//   const Result<JobResult> result = env.execute("three");
//
//   const auto squares = env.from_sequence(1, 3).map([](int64_t n) { return n * n; })
//                            .execute_and_collect();
//
// Blocks the calling thread until the job has ended. Link //api:execute.
#pragma once

#include "actors/cluster_client.h"
#include "api/collect_sink.h"
#include "api/stream.h"

namespace sluice {

namespace detail {

/// Runs the job; a job that did not finish is the Status.
Status execute_to_end(JobDraft& plan, std::string name);

}  // namespace detail

template <class T>
Result<std::vector<T>> DataStream<T>::execute_and_collect(std::string job_name) const {
  auto records = std::make_shared<CollectedRecords>();
  sink_to(CollectSink<T>(records));
  SLUICE_RETURN_IF_ERROR(detail::execute_to_end(*plan_, std::move(job_name)));
  return records->template decode_all<T>();
}

}  // namespace sluice
