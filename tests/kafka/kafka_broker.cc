#include "tests/kafka/kafka_broker.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sluice {
namespace {

constexpr const char* kScript = "tools/kafka";
// Its exit status when there is no Java, no Maven or no way to the jars.
constexpr int kCannotBeHad = 3;

// Records carry event times of long ago; a broker that deletes by time shows it at once.
constexpr const char* kEagerDeletion =
    " --property log.initial.task.delay.ms=500 --property log.retention.check.interval.ms=500";

std::string& broker_why_not() {
  static std::string why;
  return why;
}

bool is_free(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return bound;
}

// Neighbours: for clients, for the controller, for clients with a login, for clients with TLS.
// Below the ports that the system gives to outgoing connections.
int free_ports() {
  for (int tried = 0; tried < 1000; ++tried) {
    const int port = 20000 + ((static_cast<int>(::getpid()) + tried) % 2500) * 4;
    if (is_free(port) && is_free(port + 1) && is_free(port + 2) && is_free(port + 3)) return port;
  }
  return 0;
}

}  // namespace

bool KafkaBroker::had = false;

std::string run_command(const std::string& command, int* status) {
  std::string output;
  FILE* pipe = ::popen(command.c_str(), "r");
  // Also called when the program ends, where doctest is gone.
  SLUICE_CHECK(pipe != nullptr);
  std::array<char, 4096> part{};
  for (size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;) {
    output.append(part.data(), n);
  }
  const int ended = ::pclose(pipe);
  if (status != nullptr) *status = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
  return output;
}

KafkaBroker* KafkaBroker::shared() {
  static const std::unique_ptr<KafkaBroker> broker = [] {
    std::unique_ptr<KafkaBroker> made(new KafkaBroker);
    if (!made->try_start(broker_why_not())) made.reset();
    return made;
  }();
  return broker.get();
}

const std::string& KafkaBroker::why_not() { return broker_why_not(); }

bool KafkaBroker::may_skip() { return !had && std::getenv("SLUICE_REQUIRE_KAFKA") == nullptr; }

std::string KafkaBroker::listeners() const {
  const std::string pem = directory_ / "broker.pem";
  if (!std::ifstream(pem)) {
    run_command("cd " + directory_.path() +
                " && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem"
                " -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>/dev/null"
                " && cat key.pem certificate.pem > broker.pem");
  }
  const auto at = [&](const char* name, int offset) {
    return std::string(name) + "://127.0.0.1:" + std::to_string(port_ + offset);
  };
  const std::string open = at("PLAINTEXT", 0);
  const std::string guarded = at("SASL_PLAINTEXT", 2) + "," + at("SSL", 3);
  std::string options;
  const auto property = [&](const std::string& text) { options += " --property '" + text + "'"; };
  property("listeners=" + open + "," + at("CONTROLLER", 1) + "," + guarded);
  property("advertised.listeners=" + open + "," + guarded);
  property(
      "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
      "SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL");
  property("sasl.enabled.mechanisms=PLAIN");
  property(
      "listener.name.sasl_plaintext.plain.sasl.jaas.config="
      "org.apache.kafka.common.security.plain.PlainLoginModule required "
      "user_alice=\"alice-secret\";");
  property("ssl.keystore.type=PEM");
  property("ssl.keystore.location=" + pem);
  return options;
}

bool KafkaBroker::try_start(std::string& why) {
  // A broker that was stopped keeps its address.
  if (port_ == 0) port_ = free_ports();
  int status = 0;
  const std::string output =
      run_command(std::string(kScript) + " start --port " + std::to_string(port_) + " --dir " +
                      (directory_ / "broker") + " --owner " + std::to_string(::getpid()) +
                      kEagerDeletion + listeners() + " 2>&1",
                  &status);
  if (status != 0) {
    why =
        output.empty() ? "tools/kafka failed" : output.substr(0, output.find_last_not_of('\n') + 1);
    std::replace(why.begin(), why.end(), '\n', ' ');
    had = status != kCannotBeHad;
    return false;
  }
  bootstrap_ = "127.0.0.1:" + std::to_string(port_);
  return true;
}

KafkaBroker::~KafkaBroker() {
  cluster_.reset();
  if (!bootstrap_.empty()) stop(/*kill=*/true);
}

int KafkaBroker::pid() const {
  int pid = 0;
  std::ifstream file(directory_ / "broker/pid");
  file >> pid;
  return pid;
}

void KafkaBroker::stop(bool kill) {
  if (kill) {
    const int process = pid();
    if (process > 0) ::kill(process, SIGKILL);
  }
  run_command(std::string(kScript) + " stop --dir " + (directory_ / "broker"));
}

void KafkaBroker::start() {
  std::string why;
  REQUIRE_MESSAGE(try_start(why), why);
}

void KafkaBroker::restart(bool kill) {
  stop(kill);
  start();
}

void KafkaBroker::freeze() { ::kill(pid(), SIGSTOP); }
void KafkaBroker::thaw() { ::kill(pid(), SIGCONT); }

KafkaCluster& KafkaBroker::cluster() {
  if (!cluster_) {
    KafkaProperties properties;
    properties.set("bootstrap.servers", bootstrap_);
    auto opened = KafkaCluster::open(properties, Duration(30'000));
    REQUIRE(opened.is_ok());
    cluster_ = std::move(opened).value();
  }
  return *cluster_;
}

std::string KafkaBroker::new_topic(const std::string& stem, int32_t partitions) {
  std::string name = stem + "-" + std::to_string(++topics_);
  const Status made = cluster().create_topic(name, partitions);
  REQUIRE_MESSAGE(made.is_ok(), made.to_string());
  // The metadata follows a little later; each question waits for an answer, so this does not spin.
  for (int i = 0; i < 1000; ++i) {
    const auto found = cluster().topic(name);
    if (found.is_ok() && found->partitions == partitions) return name;
  }
  FAIL("topic " << name << " did not appear");
  return name;
}

std::string KafkaBroker::tool(const std::string& arguments, int* status) {
  return run_command(std::string(kScript) + " tool " + arguments + " 2>/dev/null", status);
}

}  // namespace sluice
