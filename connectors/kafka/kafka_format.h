// How the value of a message becomes a record and back: a type given as template parameter, so that
// the code per record is inlined.
//
// Any LineFormat (connectors/formats: JSON, CSV without header, text) serves as it is: one value
// per message, without its line end. A format of Kafka's own may look at the whole message:
//
//   struct Format {
//     using Record = T;
//     class Reader {
//       explicit Reader(const Format&);
//       KafkaRead read(const KafkaMessage&, Record&, TextArena&);  // Texts go to the arena.
//       std::string reason() const;                                // After kBad.
//     };
//     class Writer {
//       explicit Writer(const Format&);
//       void append(const Record&, std::string& out);              // The value's bytes.
//     };
//   };
//
// Only sources need Reader and only sinks need Writer. A record object may be given again and
// again.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "connectors/formats/csv.h"
#include "connectors/formats/json_lines.h"
#include "connectors/formats/line_format.h"
#include "connectors/formats/text.h"
#include "connectors/kafka/kafka_message.h"
#include "core/batch.h"
#include "core/codec.h"

namespace sluice {

enum class KafkaRead {
  kRecord,
  kDelete,  // A record that says "this key is gone" (RowKind::kDelete).
  kSkip,    // Nothing for the job.
  kBad,     // Reader::reason() says why: a dead letter.
};

namespace detail {

/// A LineFormat as a message format. A null value is skipped.
template <LineFormat F>
class KafkaLineReader {
 public:
  explicit KafkaLineReader(const F& format) : parser_(format) {
    // A message has no header line: columns stand in declared order.
    if constexpr (DescribedRecord<typename F::Record>) {
      if (parser_.expects_header()) header_ = parser_.parse_header(header_of_fields());
    }
  }
  KafkaRead read(const KafkaMessage& message, typename F::Record& record, TextArena& arena) {
    if (!message.has_value) return KafkaRead::kSkip;
    if (!header_.is_ok()) return KafkaRead::kBad;
    switch (parser_.parse(message.value, record, arena)) {
      case LineOutcome::kRecord:
        return KafkaRead::kRecord;
      case LineOutcome::kSkip:
        return KafkaRead::kSkip;
      case LineOutcome::kBad:
        return KafkaRead::kBad;
      case LineOutcome::kUnclosed:
        unclosed_ = true;
        return KafkaRead::kBad;
    }
    return KafkaRead::kBad;
  }
  std::string reason() {
    if (!header_.is_ok()) return header_.message();
    return std::exchange(unclosed_, false) ? "a quoted cell does not end" : parser_.reason();
  }

 private:
  static std::string header_of_fields() {
    std::string header;
    for (const std::string& name : field_names<typename F::Record>()) {
      header += (header.empty() ? "" : ",") + name;
    }
    return header;
  }
  typename F::Parser parser_;
  Status header_;
  bool unclosed_ = false;
};

template <LineFormat F>
class KafkaLineWriter {
 public:
  explicit KafkaLineWriter(const F& format) : writer_(format) {}
  /// Changelog formats write the kind, too.
  void append(const typename F::Record& record, RowKind kind, std::string& out) {
    if constexpr (requires { writer_.append(record, kind, out); }) {
      writer_.append(record, kind, out);
    } else {
      writer_.append(record, out);
    }
    if (!out.empty() && out.back() == '\n') out.pop_back();
  }

 private:
  typename F::Writer writer_;
};

template <class F>
struct KafkaReaderFor {
  using type = typename F::Reader;
};
template <LineFormat F>
struct KafkaReaderFor<F> {
  using type = KafkaLineReader<F>;
};
template <class F>
struct KafkaWriterFor {
  using type = typename F::Writer;
};
template <LineFormat F>
struct KafkaWriterFor<F> {
  using type = KafkaLineWriter<F>;
};

}  // namespace detail

template <class F>
using KafkaReaderOf = typename detail::KafkaReaderFor<F>::type;
template <class F>
using KafkaWriterOf = typename detail::KafkaWriterFor<F>::type;

/// The binary form of core/codec.h, as in state. Writer and reader must have the same record type.
template <class T>
struct KafkaBinaryFormat {
  using Record = T;
  class Reader {
   public:
    explicit Reader(const KafkaBinaryFormat& /*format*/) {}
    KafkaRead read(const KafkaMessage& message, T& record, TextArena& arena) {
      if (!message.has_value) return KafkaRead::kSkip;
      const ArenaScope scope(&arena);
      ByteReader reader(message.value);
      Codec<T>::decode(reader, record);
      return reader.failed() || !reader.at_end() ? KafkaRead::kBad : KafkaRead::kRecord;
    }
    std::string reason() const { return "not the binary form of the record"; }
  };
  class Writer {
   public:
    explicit Writer(const KafkaBinaryFormat& /*format*/) {}
    void append(const T& record, std::string& out) {
      ByteWriter writer(out);
      Codec<T>::encode(record, writer);
    }
  };
};

/// A message as it is. Key and value are bytes, whatever they mean.
struct KafkaRow {
  Text topic;
  int32_t partition = 0;
  int64_t offset = 0;
  EventTime timestamp = kNoTimestamp;
  std::optional<Text> key;
  std::optional<Text> value;
};
SLUICE_RECORD(KafkaRow, topic, partition, offset, timestamp, key, value);

struct KafkaRawFormat {
  using Record = KafkaRow;
  class Reader {
   public:
    explicit Reader(const KafkaRawFormat& /*format*/) {}
    KafkaRead read(const KafkaMessage& message, KafkaRow& row, TextArena& arena) {
      row.topic = Text::copy_to(message.topic, arena);
      row.partition = message.partition;
      row.offset = message.offset;
      row.timestamp = message.timestamp;
      row.key.reset();
      row.value.reset();
      if (message.has_key) row.key = Text::copy_to(message.key, arena);
      if (message.has_value) row.value = Text::copy_to(message.value, arena);
      return KafkaRead::kRecord;
    }
    std::string reason() const { return {}; }
  };
  class Writer {
   public:
    explicit Writer(const KafkaRawFormat& /*format*/) {}
    void append(const KafkaRow& row, std::string& out) {
      if (row.value) out += row.value->view();
    }
  };
};

/// Protobuf: `Message` is a generated class, `to_record(const Message&, Record&, TextArena&)` and
/// `to_message(const Record&, Message&)` translate. The message object is used again and again.
template <class T, class Message, class ToRecord, class ToMessage>
struct KafkaProtobufFormat {
  using Record = T;
  ToRecord to_record;
  ToMessage to_message;

  class Reader {
   public:
    explicit Reader(const KafkaProtobufFormat& format) : to_record_(format.to_record) {}
    KafkaRead read(const KafkaMessage& message, T& record, TextArena& arena) {
      if (!message.has_value) return KafkaRead::kSkip;
      if (!parsed_.ParseFromArray(message.value.data(), static_cast<int>(message.value.size()))) {
        return KafkaRead::kBad;
      }
      const ArenaScope scope(&arena);
      to_record_(parsed_, record, arena);
      return KafkaRead::kRecord;
    }
    std::string reason() const { return "not a " + parsed_.GetTypeName() + " message"; }

   private:
    ToRecord to_record_;
    Message parsed_;
  };
  class Writer {
   public:
    explicit Writer(const KafkaProtobufFormat& format) : to_message_(format.to_message) {}
    void append(const T& record, std::string& out) {
      message_.Clear();
      to_message_(record, message_);
      message_.AppendToString(&out);
    }

   private:
    ToMessage to_message_;
    Message message_;
  };
};
template <class T, class Message, class ToRecord, class ToMessage>
auto kafka_protobuf(ToRecord to_record, ToMessage to_message) {
  return KafkaProtobufFormat<T, Message, ToRecord, ToMessage>{std::move(to_record),
                                                              std::move(to_message)};
}

/// Reads the value by `Format`, then lets `Amend` take key, headers, timestamp, partition or
/// offset: `void amend(const KafkaMessage&, Record&, TextArena&)`. A null value becomes a record
/// with only what Amend sets, of kind kDelete: the source of an upsert topic.
template <class Format, class Amend>
struct KafkaAmendedFormat {
  using Record = typename Format::Record;
  Format format;
  Amend amend;

  class Reader {
   public:
    explicit Reader(const KafkaAmendedFormat& format)
        : reader_(format.format), amend_(format.amend) {}
    KafkaRead read(const KafkaMessage& message, Record& record, TextArena& arena) {
      KafkaRead outcome = KafkaRead::kDelete;
      if (message.has_value) {
        outcome = reader_.read(message, record, arena);
      } else {
        record = Record{};
      }
      if (outcome == KafkaRead::kRecord || outcome == KafkaRead::kDelete) {
        const ArenaScope scope(&arena);
        amend_(message, record, arena);
      }
      return outcome;
    }
    std::string reason() { return reader_.reason(); }

   private:
    KafkaReaderOf<Format> reader_;
    Amend amend_;
  };
};
template <class Format, class Amend>
auto kafka_amended(Format format, Amend amend) {
  return KafkaAmendedFormat<Format, Amend>{std::move(format), std::move(amend)};
}

}  // namespace sluice
