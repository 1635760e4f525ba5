#include "control/http_listener.h"

#include <httplib.h>

namespace sluice {

HttpListener::~HttpListener() {
  if (!thread_.joinable()) return;
  server_->stop();
  thread_.join();
}

Status HttpListener::start(httplib::Server& server, const std::string& host, int port) {
  server_ = &server;
  if (port == 0) {
    port_ = server.bind_to_any_port(host);
  } else if (server.bind_to_port(host, port)) {
    port_ = port;
  }
  if (port_ <= 0) {
    return Status::unavailable("cannot listen on " + host + ":" + std::to_string(port));
  }
  thread_ = std::thread([&server] { server.listen_after_bind(); });
  // Before that a stop would pass unheard.
  while (!server.is_running()) std::this_thread::yield();
  return Status::ok();
}

}  // namespace sluice
