// One connection to a control endpoint or a session's JobManager, plain or TLS, and what its
// answers mean. For clients of this project only: httplib shows.
#pragma once

#include <memory>
#include <string>

#include <httplib.h>

#include "control/endpoint_file.h"
#include "core/status.h"
#include "core/time.h"

namespace sluice {

/// Nothing is sent yet. With TLS both sides must show a certificate of the endpoint's CA, the
/// server's for its own name.
std::unique_ptr<httplib::ClientImpl> connect_to(const ControlEndpoint& endpoint,
                                                Duration answer_within);

/// The body of a good answer; else what went wrong, in the words of the other side if it had any.
Result<std::string> body_of(const ControlEndpoint& endpoint, const httplib::Result& result);

}  // namespace sluice
