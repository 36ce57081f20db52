#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "source/binlog_events.h"
#include "source/binlog_reader.h"
#include "source/binlog_rows.h"
#include "source/change_writer.h"
#include "source/extract.h"
#include "source/follow_watch.h"
#include "source/gtid.h"
#include "source/mysql_source.h"
#include "source/mysql_tables.h"

namespace millrace {

/// What one run leaves for the next of the same process.
struct FollowMemory {
  std::map<std::string, Gtid> stale;  ///< tables whose contents changed otherwise than by rows, and when
  std::optional<Gtid> settled;        ///< the statement that the columns were looked at again for
  std::map<std::string, std::uint64_t> misfits;  ///< schema of tables when rows last did not fit it
  std::map<std::string, std::string> told;       ///< problems that were told
  std::set<std::string> gone;                    ///< tables that were told to be gone
  std::set<std::string> planned;                 ///< changes of tables that were told, until they are done
};

/// Follows a source until something is to be planned anew or fails. Threads: one.
class FollowRun {
 public:
  FollowRun(const Extracts::Tools& tools, const MysqlSource& source, std::uint32_t server_id,
            FollowMemory& memory, FollowBoard& board, std::function<void()> on_streaming,
            std::stop_token stop);

  /// Take snapshots where they are needed, then follow. Success: begin again at once, because a table was
  /// altered or an extraction wants the turn. Errors: kIo when the server is out of reach; kDenied and
  /// kInvalid for what somebody must change; kOutOfRange when the log lacks what follows; kCancelled.
  Status run();

 private:
  /// A table that is followed.
  struct Followed {
    const MysqlTable* table = nullptr;
    ChangeWriter::Table target;
    GtidPosition snapshot;  ///< changes up to here are in it
    std::string layout;     ///< the event that `reader` was made of
    std::optional<BinlogRowReader> reader;
  };
  /// What the tables of the configuration need.
  struct Plan {
    std::vector<std::string> snapshots;
    std::vector<const MysqlTable*> altered;
  };

  Status check_settings(MysqlConnection& connection) const;
  Status note_cascades(MysqlConnection& connection);
  void note_problem(const std::string& table, const std::string& problem);
  void tell(const std::string& type, const std::string& table, const std::string& message,
            const std::string& before = "", const std::string& after = "");
  void tell_plan(const std::string& type, const MysqlTable& table, const std::string& message,
                 const std::string& before = "");
  Result<Plan> plan(const SourceLoad& load);
  bool needs_snapshot(const MysqlTable& table, const SourceTableState::Published& published, Plan& plan);
  void note_gone(const SourceLoad& load);
  Status take_snapshots(const Plan& plan, SourceLoad& load);
  Status settle(const SourceLoad& load);
  Status stream(const SourceTurns::Turn& turn);
  void show(bool idle);

  /// Return whether to go on.
  Result<bool> take(const BinlogEvent& event);
  Status begin_transaction(const BinlogEvent& event);
  Result<bool> end_transaction();
  Result<bool> take_query(const BinlogEvent& event);
  Result<bool> take_statement(const BinlogQuery& query);
  Result<bool> take_table_map(const BinlogEvent& event);
  Result<bool> take_rows(const BinlogEvent& event);
  Result<bool> make_stale(const std::set<std::string>& tables);
  Result<bool> misfit(Followed& followed, const Error& why);

  const Extracts::Tools& tools_;
  const MysqlSource& source_;
  const std::uint32_t server_id_;
  FollowMemory& memory_;
  FollowBoard& board_;
  const std::function<void()>
      on_streaming_;  ///< called once when the first transaction has come, or there is none
  const std::stop_token stop_;

  std::vector<MysqlTable> tables_;
  std::map<std::string, Followed, std::less<>> followed_;
  std::unique_ptr<ChangeWriter> writer_;
  DurationUs shown_ = 0;

  // The transaction that is read.
  bool in_transaction_ = false;
  bool standalone_ = false;
  bool prepared_ = false;  ///< it may still be rolled back
  Gtid gtid_;
  TimeUs commit_time_ = 0;
  std::uint64_t events_ = 0;       ///< of rows
  std::uint64_t events_done_ = 0;  ///< of them those that are in the log already
  std::set<std::string> touched_;
  std::unordered_map<std::uint64_t, Followed*> by_id_;
};

}  // namespace millrace
