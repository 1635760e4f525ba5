#include "actors/wire.h"

namespace sluice {

void register_wire_types(caf::actor_system_config& config) {
  for_each_wire_type(
      [&]<class T>(const char* name) { config.add_message_type<T>(std::string(name)); });
}

}  // namespace sluice
