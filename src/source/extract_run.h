#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "event/row_changes.h"
#include "source/extract.h"
#include "source/log_writer.h"
#include "source/mysql_connection.h"
#include "source/mysql_tables.h"
#include "source/source_guard.h"

namespace millrace {

/// Holds rows and bytes to so many a second, without making up for time that was lost.
class Pace {
 public:
  Pace(Env& env, const MysqlLimits& limits, std::stop_token stop)
      : env_(env), limits_(limits), stop_(std::move(stop)) {}

  /// Wait as long as it takes to have read so much more. Errors: kCancelled.
  Status spend(std::uint64_t rows, std::uint64_t bytes);

  /// Return how many rows make about a second, `rows_max` at most.
  std::uint64_t rows_a_second(std::uint64_t rows_max, double row_bytes) const;

 private:
  Env& env_;
  const MysqlLimits limits_;
  const std::stop_token stop_;
  DurationUs due_ = 0;
};

/// One reading of a source, from its connection to its last record. Threads: one.
class ExtractRun {
 public:
  ExtractRun(EventLog& log, Env& env, const MysqlSource& source, const ExtractRequest& request,
             const SourceStates& states, const Extracts::OnProgress& on_progress, std::stop_token stop);

  /// Read everything, and return once it is durable. Errors: as Extracts::run's, without the load.
  Result<ExtractResult> run();

 private:
  /// What a reading of one table does.
  struct Reading {
    const MysqlTable& table;
    ExtractMode mode = ExtractMode::kSnapshot;
    std::string run;
    std::uint64_t schema_id = 0;
    std::uint64_t rows_before = 0;  ///< of the same snapshot, read earlier
    std::vector<KeyColumn> key;     ///< to follow
    std::string index;
    std::vector<std::string> after;  ///< the key reached
    std::string from;                ///< condition of changes
    bool one_piece = false;
    ExtractTableResult& result;
  };

  Status open_snapshot();
  Status read_position();
  Result<Reading> plan(const MysqlTable& table, ExtractTableResult& result);
  Status plan_changes(const std::string& cursor, Reading& reading) const;
  Status begin(Reading& reading);
  Status read_table(Reading& reading);
  Result<std::uint64_t> read_chunk(Reading& reading, std::uint64_t limit);
  Status add_row(Reading& reading, const MysqlRows& rows, const std::vector<std::size_t>& key_places);
  Status too_large(const Reading& reading, std::string_view sizes) const;
  Status flush(Reading& reading);
  Status publish();
  Status put(const RowRecord& record);
  void show(const std::string& table);

  EventLog& log_;
  Env& env_;
  const MysqlSource& source_;
  const ExtractRequest& request_;
  const SourceStates& states_;
  const Extracts::OnProgress& on_progress_;
  const std::stop_token stop_;
  const std::string topic_;
  LogWriter writer_;
  Pace pace_;
  std::unique_ptr<SourceGuard> guard_;
  std::unique_ptr<MysqlConnection> connection_;
  std::string run_;
  std::vector<std::pair<std::string, std::string>> complete_;  ///< run and table
  ExtractResult result_;
  std::uint64_t rows_total_ = 0;
  DurationUs begun_ = 0;
  DurationUs shown_ = 0;
  DurationUs sent_ = 0;

  // The record that is being filled.
  std::string payload_;
  std::uint64_t payload_rows_ = 0;
  std::uint64_t payload_bytes_ = 0;
  std::string record_;
};

}  // namespace millrace
