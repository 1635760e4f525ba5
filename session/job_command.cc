#include "session/job_command.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace sluice {
namespace {

/// Flags of the engine that the session sets, or that would take a process out of its hands.
constexpr std::array<std::string_view, 14> kSessionFlags = {
    "--role",    "--bind",     "--jobmanager", "--slots",    "--cluster-id",
    "--ha-dir",  "--tls-cert", "--tls-key",    "--tls-ca",   "--insecure",
    "--summary", "--explain",  "--help",       "--port-file"};

constexpr std::array<std::string_view, 8> kSecretNames = {
    "password", "passwd", "secret", "token", "credential", "api-key", "apikey", "private-key"};

/// "--flag" of "--flag=value".
std::string_view flag_of(std::string_view word) { return word.substr(0, word.find('=')); }

Status check_word(const std::string& word, const std::string& next) {
  for (const std::string_view flag : kSessionFlags) {
    if (flag_of(word) == flag || word == "-h") {
      return Status::invalid_argument(std::string(flag_of(word)) +
                                      " is the session's to say, not a job's");
    }
  }
  const std::string option = word == "-D" ? next : word.starts_with("-D") ? word.substr(2) : "";
  if (option.starts_with("rest.")) {
    return Status::invalid_argument("the session steers its jobs: " + std::string(flag_of(option)) +
                                    " cannot be given");
  }
  if (word.find('\0') != std::string::npos) {
    return Status::invalid_argument("a flag of the job has a zero byte in it");
  }
  return Status::ok();
}

bool names_secret(std::string_view flag) {
  std::string lower(flag);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c == '_' || c == '.' ? '-' : std::tolower(c); });
  return std::any_of(kSecretNames.begin(), kSecretNames.end(),
                     [&](std::string_view name) { return lower.find(name) != std::string::npos; });
}

void add(std::vector<std::string>& words, const char* flag, const std::string& value) {
  if (value.empty()) return;
  words.emplace_back(flag);
  words.push_back(value);
}

void append(std::vector<std::string>& words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
}

}  // namespace

Status check_job_words(const std::vector<std::string>& words) {
  for (size_t i = 0; i < words.size(); ++i) {
    SLUICE_RETURN_IF_ERROR(check_word(words[i], i + 1 < words.size() ? words[i + 1] : ""));
  }
  return Status::ok();
}

std::vector<std::string> master_command(const std::vector<std::string>& words,
                                        const MasterPlace& place) {
  // The user's words come last: whatever they are, they cannot hide ours.
  std::vector<std::string> command = {"--role", "jobmaster", "--summary", "json"};
  add(command, "--bind", place.bind_host + ":0");
  add(command, "--cluster-id", place.cluster_id);
  add(command, "--ha-dir", place.ha_directory);
  add(command, "--port-file", place.port_file);
  for (const char* option : {"rest.enabled=true", "rest.port=any", "rest.bind-address=127.0.0.1"}) {
    add(command, "-D", option);
  }
  append(command, agent_words("", place.tls, place.insecure));
  append(command, words);
  return command;
}

std::vector<std::string> worker_command(const std::vector<std::string>& words,
                                        const std::string& master, const std::string& cluster_id) {
  std::vector<std::string> command = {"--role", "taskmanager"};
  add(command, "--jobmanager", master);
  add(command, "--cluster-id", cluster_id);
  append(command, words);
  return command;
}

std::vector<std::string> agent_words(const std::string& bind_host, const TlsFiles& tls,
                                     bool insecure) {
  std::vector<std::string> words;
  if (!bind_host.empty()) add(words, "--bind", bind_host + ":0");
  add(words, "--tls-cert", tls.certificate);
  add(words, "--tls-key", tls.key);
  add(words, "--tls-ca", tls.ca);
  if (insecure) words.emplace_back("--insecure");
  return words;
}

std::vector<std::string> without_secrets(const std::vector<std::string>& words) {
  std::vector<std::string> masked;
  bool hides_next = false;
  for (const std::string& word : words) {
    if (hides_next && !word.starts_with("-")) {
      masked.emplace_back("***");
      hides_next = false;
      continue;
    }
    const std::string_view flag = flag_of(word);
    const bool is_secret = names_secret(flag);
    hides_next = is_secret && flag.size() == word.size() && word.starts_with("-");
    masked.push_back(is_secret && flag.size() < word.size() ? std::string(flag) + "=***" : word);
  }
  return masked;
}

std::string one_line_of(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return line;
}

}  // namespace sluice
