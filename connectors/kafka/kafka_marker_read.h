// Reads the marker of a transactional id from the brokers. Blocks.
#pragma once

#include <string>

#include "connectors/kafka/kafka_client.h"
#include "connectors/kafka/kafka_marker.h"
#include "core/status.h"

namespace sluice {

/// What to do about a transaction that would move the marker: wait for its end, or look at what
/// stands before it.
enum class KafkaMarkerView { kSettled, kBeforeOpen };

/// Empty when nothing was ever committed under the id, or the brokers have forgotten it. `kafka`
/// may be any client.
Result<KafkaMarker> read_kafka_marker(KafkaClient& kafka, const std::string& id,
                                      const std::string& topic,
                                      KafkaMarkerView view = KafkaMarkerView::kSettled);

}  // namespace sluice
