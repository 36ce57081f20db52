#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/env.h"
#include "event/event.h"
#include "warehouse/fact_writer.h"
#include "warehouse/warehouse.h"

namespace millrace {

inline constexpr TimeUs kTestDay = 1'752'000'000 * kSecondUs;  // 2025-07-08T18:40:00Z

/// The system's Env with a clock and a disk that a test can set.
class WarehouseEnv : public Env {
 public:
  std::optional<TimeUs> now_is;
  std::optional<std::uint64_t> free_bytes_are;

  Result<std::unique_ptr<File>> open(const Path& path, OpenMode mode) override {
    return real_.open(path, mode);
  }
  Status make_dirs(const Path& path) override { return real_.make_dirs(path); }
  Result<std::vector<std::string>> list_dir(const Path& path) override { return real_.list_dir(path); }
  Status remove(const Path& path) override { return real_.remove(path); }
  Status rename(const Path& from, const Path& to) override { return real_.rename(from, to); }
  Status sync_dir(const Path& path) override { return real_.sync_dir(path); }
  bool exists(const Path& path) override { return real_.exists(path); }
  Result<std::unique_ptr<FileLock>> lock(const Path& path) override { return real_.lock(path); }
  Result<std::uint64_t> free_bytes(const Path& path) override;
  TimeUs now() override { return now_is.value_or(real_.now()); }
  DurationUs steady_now() override { return real_.steady_now(); }
  void sleep_for(DurationUs duration) override { real_.sleep_for(duration); }
  void random_bytes(std::span<std::byte> into) override { real_.random_bytes(into); }

 private:
  Env& real_ = Env::system();
};

/// A warehouse in a directory of its own, which goes when the test ends.
class WarehouseTest : public testing::Test {
 protected:
  WarehouseTest();
  ~WarehouseTest() override;

  /// Close the warehouse, if it is open, and open it again. Fails the test on an error.
  void reopen();
  /// Do the same after letting go of `writer`.
  void restart(std::unique_ptr<FactWriter>& writer);
  WarehouseOptions options() const;

  /// Return each row of a query as its cells' text joined by '|', NULL as "NULL". Fails the test on an error.
  std::vector<std::string> rows(const std::string& sql);
  /// Return the only cell of a query.
  std::string cell(const std::string& sql);
  void execute(const std::string& sql);

  /// Write `events` of partition `events`/0 in one transaction.
  static Status write(FactWriter& writer, std::span<const Event> events);
  std::unique_ptr<FactWriter> writer(const FactWriterOptions& options = {});

  WarehouseEnv env_;
  Path dir_;
  std::unique_ptr<Warehouse> warehouse_;
};

/// An event of `events`/0 at `offset` with what every event has. Its message id is "m<offset>".
Event make_event(EventType type, std::uint64_t offset, TimeUs time);

/// The topic and partition of `make_event`.
const TopicPartition& events_partition();

}  // namespace millrace
