#include "actors/job_identity.h"

#include <array>
#include <cstdio>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/check.h"
#include "core/stable_hash.h"

namespace sluice {
namespace {

std::string hex64(uint64_t value) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(value));
  return text.data();
}

std::string read_build_id() {
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (file < 0) return "unknown";
  std::string id = "unknown";
  struct stat info {};
  if (fstat(file, &info) == 0 && info.st_size > 0) {
    const auto size = static_cast<size_t>(info.st_size);
    void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes != MAP_FAILED) {
      id = hex64(XXH3_64bits(bytes, size));
      munmap(bytes, size);
    }
  }
  close(file);
  return id;
}

}  // namespace

std::string program_build_id() {
  static const std::string id = read_build_id();
  return id;
}

std::string topology_fingerprint(const LogicalGraph& graph) {
  uint64_t hash = 1;
  const auto add = [&](const auto& value) { hash = combine_hashes(hash, stable_hash(value)); };
  for (const auto& node : graph.nodes()) {
    add(node->name);
    add(node->uid);
    add(static_cast<int64_t>(node->kind));
    add(node->slot_sharing_group);
    add(static_cast<int64_t>(node->side_outputs.size()));
    for (const LogicalEdge& edge : node->inputs) {
      add(static_cast<int64_t>(edge.from.value));
      add(static_cast<int64_t>(edge.from_output));
      add(static_cast<int64_t>(edge.to_input));
      add(static_cast<int64_t>(edge.partitioning));
      add(std::string(edge.type == nullptr ? "" : edge.type->name));
    }
  }
  return hex64(hash);
}

JobIdentity identity_of(const LogicalGraph& graph, const std::vector<std::string>& job_words) {
  JobIdentity identity;
  identity.build_id = program_build_id();
  identity.topology = topology_fingerprint(graph);
  for (const std::string& word : job_words) {
    identity.arguments += (identity.arguments.empty() ? "" : " ") + word;
  }
  return identity;
}

std::string JobIdentity::to_text() const {
  return "build " + build_id + ", topology " + topology + ", arguments '" + arguments + "'";
}

std::string make_incarnation() {
  std::array<uint64_t, 2> words{};
  const ssize_t got = getrandom(words.data(), sizeof words, 0);
  SLUICE_CHECK_MSG(got == static_cast<ssize_t>(sizeof words), "no random bytes from the system");
  return hex64(words[0]) + hex64(words[1]);
}

}  // namespace sluice
