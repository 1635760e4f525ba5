// One HTTP server listening on a thread of its own, until the listener goes.
//
// Started once. The server outlives the listener: declare it before. One owner; requests are
// answered on the server's own threads.
#pragma once

#include <string>
#include <thread>

#include "core/status.h"

namespace httplib {
class Server;
}

namespace sluice {

class HttpListener {
 public:
  HttpListener() = default;
  /// Stops the server and waits for the requests it is answering.
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  /// Port 0: any that is free. When it returns, a connection is accepted and a stop is heard.
  Status start(httplib::Server& server, const std::string& host, int port);
  /// Where it listens; 0 before start().
  int port() const { return port_; }

 private:
  httplib::Server* server_ = nullptr;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace sluice
