// Running a job from a program of one's own: the one part of the API that needs the engine.
//
//   StreamEnvironment env;
//   env.from_sequence(1, 3).print();
//   const Result<JobResult> result = env.execute("three");
//
// Blocks the calling thread until the job has ended. Link //api:execute.
#pragma once

#include "actors/cluster_client.h"
#include "api/stream.h"
