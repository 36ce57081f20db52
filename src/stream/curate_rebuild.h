#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lake/manifest.h"
#include "lake/object_store.h"
#include "warehouse/curated_rows.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// Writes the files of hours in the lake's curated zone anew from what the tables hold now: for hours whose
/// rows were replaced after they had been published, and after a change of the columns. Of each table and
/// hour that the job `curate` has published it makes the files that hold all rows below its last cut, and
/// puts them in the place of those of this and earlier cuts. An hour whose files would be the same byte for
/// byte is left alone, so doing it twice is doing it once. A later cut goes on beside it and adds what it
/// ever would have added.
///
/// The manifest takes the new files of an hour for the old ones in one transaction; then these are removed
/// and those put in their place (docs/formats/lake.md), also after a crash: at the next `open`, or when the
/// job starts. Threads: one at a time.
class CurateRebuild {
 public:
  struct Hours {
    TimeUs from = 0;                          ///< rounded down to a full hour
    TimeUs to = 0;                            ///< rounded up
    std::uint64_t file_rows_max = 1'000'000;  ///< as CurateJobOptions::file_rows_max
  };

  /// What was done about one table's hour.
  struct Step {
    std::uint64_t rows = 0;      ///< in the new files
    std::uint64_t files = 0;     ///< new
    std::uint64_t replaced = 0;  ///< files that went
  };

  /// Find what there is to do. `staging` is a file in the lake's directory that may be overwritten. The
  /// references must outlive it. Errors: kInvalid when nothing has been published yet; those of the
  /// warehouse, the store and the manifest.
  static Result<std::unique_ptr<CurateRebuild>> open(Warehouse& warehouse, ObjectStore& store,
                                                     Manifest& manifest, const Path& staging,
                                                     const Hours& hours);

  /// Return how many steps there are in all, and whether all are done.
  std::uint64_t hours() const { return work_.size(); }
  bool done() const { return next_ == work_.size(); }

  /// Write the files of the next hour of a table, one or two of them in memory at a time. After an error it
  /// may be called again; when memory was short, it then makes smaller files.
  Result<Step> step();

 private:
  struct Hour {
    const CuratedTable* table = nullptr;
    CuratedHour hour;
    std::vector<LakeFile> old;  ///< of the last cut and those before
  };

  CurateRebuild(Warehouse& warehouse, ObjectStore& store, Manifest& manifest, const Hours& hours)
      : env_(warehouse.env()), store_(store), manifest_(manifest), hours_(hours) {}

  Status find_cut();
  Status find_work();
  Status find_old_files(const CuratedTable& table, std::map<TimeUs, Hour>& found) const;
  Status make_files(const Hour& hour, std::vector<LakeFile>& made, std::string& last);
  void remove_staged(const std::vector<LakeFile>& made);
  Status put_in_place(const std::vector<LakeFile>& made, const std::vector<LakeFile>& old);
  Result<bool> rebuild(const Hour& hour, std::vector<LakeFile>& made);

  Env& env_;
  ObjectStore& store_;
  Manifest& manifest_;
  Hours hours_;
  std::unique_ptr<CuratedRows> rows_;
  TimeUs cut_time_ = 0;
  std::vector<Hour> work_;
  std::size_t next_ = 0;
  bool commit_failed_ = false;  ///< the manifest's last: it may yet be found done, and name staged files
};

}  // namespace millrace
