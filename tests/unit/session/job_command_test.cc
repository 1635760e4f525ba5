#include "session/job_command.h"

#include <algorithm>

#include <doctest/doctest.h>

namespace sluice {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("job_command: flags that take a process out of the session's hands are refused") {
  for (const char* flag : {"--role", "--role=jobmanager", "--bind", "--ha-dir=/x", "--port-file",
                           "--insecure", "--tls-key", "--explain", "-h", "--cluster-id"}) {
    CHECK_MESSAGE(!check_job_words({"--input", "x", flag}).is_ok(), flag);
  }
  CHECK(!check_job_words({"-D", "rest.enabled=false"}).is_ok());
  CHECK(!check_job_words({"-Drest.port=1"}).is_ok());
  CHECK(!check_job_words({std::string("a\0b", 3)}).is_ok());
  CHECK(check_job_words({"--input", "x", "-p", "4", "-s", "latest", "-D", "state.backend=rocksdb"})
            .is_ok());
}

TEST_CASE("job_command: the session's flags come before the user's") {
  MasterPlace place;
  place.bind_host = "10.0.0.1";
  place.cluster_id = "0123456789ab";
  place.ha_directory = "/ha";
  place.port_file = "/port";
  place.tls = {"cert", "key", "ca"};
  const Words master = master_command({"--input", "x"}, place);
  CHECK(Words(master.end() - 2, master.end()) == Words{"--input", "x"});
  const auto value_of = [&](const std::string& flag) {
    const auto found = std::find(master.begin(), master.end(), flag);
    return found == master.end() ? "" : *(found + 1);
  };
  CHECK(value_of("--role") == "jobmaster");
  CHECK(value_of("--bind") == "10.0.0.1:0");
  CHECK(value_of("--tls-ca") == "ca");
  CHECK(value_of("--port-file") == "/port");
  CHECK(worker_command({"-p", "2"}, "10.0.0.1:7000", "0123456789ab") ==
        Words{"--role", "taskmanager", "--jobmanager", "10.0.0.1:7000", "--cluster-id",
              "0123456789ab", "-p", "2"});
}

TEST_CASE("job_command: values of secrets are left out of logs") {
  CHECK(without_secrets({"--db-password=hunter2", "--name", "x", "--token", "abc", "-D",
                         "kafka.sasl.password=p", "--secret", "--flag"}) ==
        Words{"--db-password=***", "--name", "x", "--token", "***", "-D", "kafka.sasl.password=***",
              "--secret", "--flag"});
  CHECK(one_line_of({"a\nb", "c"}) == "a?b c");
}

}  // namespace
}  // namespace sluice
