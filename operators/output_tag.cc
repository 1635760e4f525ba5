#include "operators/output_tag.h"

#include <map>
#include <mutex>
#include <tuple>

namespace sluice {

int output_tag_id(std::string_view name, const RecordType& type) {
  // Lives for ever: tags are often constants that are destroyed at the end of the process.
  static auto& mutex = *new std::mutex();
  static auto& ids = *new std::map<std::pair<std::string, std::string>, int>();
  const std::lock_guard lock(mutex);
  const auto next = static_cast<int>(ids.size()) + 1;
  return ids.try_emplace({std::string(name), type.name}, next).first->second;
}

}  // namespace sluice
