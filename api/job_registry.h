// SLUICE_JOB: a job by name, found by the program's entry point.
//
//   SLUICE_JOB(word_count) {
//     env.from_source(text_files(args.path("input", "file or directory")))...
//   }
//
// The body is a function of `StreamEnvironment& env` and `const Arguments& args` that only builds:
// it runs once in every process of the job and must make the same graph from the same arguments. It
// must not read files or clocks; sources and sinks do that later.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/arguments.h"
#include "api/environment.h"

namespace sluice {

using JobBuilder = void (*)(StreamEnvironment& env, const Arguments& args);

struct RegisteredJob {
  std::string name;
  JobBuilder build = nullptr;
};

/// All jobs of this program, in the order of their registration.
const std::vector<RegisteredJob>& registered_jobs();
/// Null when there is none of that name.
const RegisteredJob* find_job(std::string_view name);

/// Runs the builder. Invalid argument (one line) when a flag is unknown, missing or wrong, or when
/// the builder made a mistake such as a window of 0; env then holds nothing of use.
Status build_job(const RegisteredJob& job, const Arguments& arguments, StreamEnvironment& env);
/// The flags of the job with their texts, one per line.
std::string job_help(const RegisteredJob& job);

namespace detail {
bool register_job(const char* name, JobBuilder build);
}  // namespace detail

}  // namespace sluice

/// Defines and registers a job; the body follows in braces.
#define SLUICE_JOB(job_name)                                                           \
  static void sluice_job_##job_name([[maybe_unused]] ::sluice::StreamEnvironment& env, \
                                    [[maybe_unused]] const ::sluice::Arguments& args); \
  [[maybe_unused]] static const bool kSluiceJobRegistered_##job_name =                 \
      ::sluice::detail::register_job(#job_name, &sluice_job_##job_name);               \
  static void sluice_job_##job_name([[maybe_unused]] ::sluice::StreamEnvironment& env, \
                                    [[maybe_unused]] const ::sluice::Arguments& args)
