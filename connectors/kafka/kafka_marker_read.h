// Reads the marker of a transactional id from the brokers. Blocks.
#pragma once

#include <memory>
#include <string>

#include "connectors/kafka/kafka_client.h"
#include "connectors/kafka/kafka_marker.h"
#include "core/status.h"

namespace sluice {

/// What to do about a transaction that would move the marker: wait for its end, or look at what
/// stands before it.
enum class KafkaMarkerView { kSettled, kBeforeOpen };

/// A client to read markers with. librdkafka 2.0.2 ends the process when a client without a group,
/// as every producer is, hears that a group's coordinator is still being found or loaded.
Result<std::unique_ptr<KafkaClient>> open_marker_client(const KafkaProperties& properties);

/// Empty when nothing was ever committed under the id, or the brokers have forgotten it. `kafka` is
/// one of open_marker_client(). A coordinator that is on its way is waited for.
Result<KafkaMarker> read_kafka_marker(KafkaClient& kafka, const std::string& id,
                                      const std::string& topic,
                                      KafkaMarkerView view = KafkaMarkerView::kSettled);

}  // namespace sluice
