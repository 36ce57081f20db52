#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "event/codec.h"
#include "source/mapping.h"
#include "source/record_sink.h"
#include "source/row_mapper.h"
#include "source/row_reader.h"

namespace millrace {

/// Hands JSON texts that come bit by bit to a `RecordSink`: each an event of a codec, or a row of a mapping.
/// One thread.
class FollowedRows {
 public:
  /// With `codec` they are events, else rows by `mapping`. What it refers to must outlive it.
  FollowedRows(std::optional<CodecId> codec, const Mapping* mapping, RecordSink& sink,
               const IngestLimits& limits)
      : codec_(codec), mapping_(mapping), sink_(sink), limits_(limits) {}

  /// Read `texts` from now on; rows without an id of their own have `id` and their place as one.
  void begin(std::unique_ptr<JsonTexts> texts, std::string_view id);

  /// Read what is there by now, `count_max` texts or rows at most, and send what they became; return how many
  /// there were. Errors: those of `texts` and of the sink.
  Result<std::uint64_t> read(std::uint64_t count_max, const std::stop_token& stop);

  /// Return the topics that it writes to.
  static std::vector<std::string> topics(const Mapping* mapping);

  /// Return what the texts are called in the quarantine.
  std::string_view shape() const { return codec_ ? codec_name(*codec_) : "jsonl"; }

 private:
  Status add(const Row& row, RowReader::Step step);

  const std::optional<CodecId> codec_;
  const Mapping* const mapping_;
  RecordSink& sink_;
  const IngestLimits& limits_;
  std::unique_ptr<JsonTexts> events_;  ///< of a codec
  std::unique_ptr<RowReader> rows_;    ///< of a mapping
  std::unique_ptr<RowMapper> mapper_;
  std::optional<std::size_t> columns_bound_;
  MappedRecords mapped_;
};

}  // namespace millrace
