// Everything a job author includes: `#include "api/stream.h"`.
//
// Connectors (files, sockets, generators with a rate) are included by the jobs that use them.
#pragma once

#include "api/arguments.h"
#include "api/async.h"
#include "api/connected_streams.h"
#include "api/data_stream.h"
#include "api/environment.h"
#include "api/fused_stream.h"
#include "api/interval_join.h"
#include "api/job_registry.h"
#include "api/joined_streams.h"
#include "api/keyed_stream.h"
#include "api/windowed_stream.h"
#include "core/decimal.h"
#include "core/record.h"
#include "operators/generator.h"
#include "operators/output_tag.h"
#include "operators/process_function.h"
#include "operators/runtime_context.h"
#include "operators/trigger_continuous.h"
#include "operators/watermark_strategy.h"
