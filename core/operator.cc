#include "core/operator.h"

namespace sluice {

void Operator::add_side_output(int /*tag_id*/, std::unique_ptr<OutputBase> /*output*/) {
  SLUICE_CHECK_MSG(false, "this operator has no side outputs");
}

}  // namespace sluice
