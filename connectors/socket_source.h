// Lines of text from a TCP server: connects as a client, one line is one record.
//
//   env.from_source(socket_text("127.0.0.1", 9999).reconnect(10, Duration(500)))
//
// One subtask reads; a thread of its own takes the bytes off the socket into a bounded queue, so a
// slow job slows the sender down. The source ends when the server closes the connection, or with
// reconnect() after the last attempt to reach it again.
//
// A socket cannot be read twice: what had been received when a job failed and was not in a
// completed checkpoint is lost. Everything after that comes at least once. Use it for trying things
// out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/source.h"

namespace sluice {

struct SocketOptions {
  std::string host;
  int port = 0;
  /// Attempts in a row to reach the server again; -1 = for ever.
  int reconnects_max = 0;
  Duration reconnect_delay{500};
  /// Bytes received and not yet taken by the job.
  size_t queue_bytes_max = 1024 * 1024;
  /// Longer lines are bad records.
  size_t line_bytes_max = 1024 * 1024;

  std::string address() const { return host + ":" + std::to_string(port); }
};

class SocketSource final : public Source<Text> {
 public:
  explicit SocketSource(SocketOptions options) : options_(std::move(options)) {}

  /// Tries again after `delay` when the connection cannot be made or ends, at most `attempts` times
  /// in a row (-1 = for ever).
  SocketSource reconnect(int attempts, Duration delay) const {
    SocketOptions options = options_;
    options.reconnects_max = attempts;
    options.reconnect_delay = delay;
    return SocketSource(std::move(options));
  }

  bool is_bounded() const override { return false; }
  int parallelism_max() const override { return 1; }
  std::string name() const override { return "socket_text(" + options_.address() + ")"; }
  std::unique_ptr<SplitEnumerator> create_enumerator() const override;
  std::unique_ptr<SourceReader<Text>> create_reader() const override;

 private:
  SocketOptions options_;
};

inline SocketSource socket_text(std::string host, int port) {
  SocketOptions options;
  options.host = std::move(host);
  options.port = port;
  return SocketSource(std::move(options));
}

}  // namespace sluice
