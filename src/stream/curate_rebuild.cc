#include "stream/curate_rebuild.h"

#include <algorithm>
#include <mutex>
#include <set>

#include <fmt/format.h>

#include "base/logging.h"
#include "lake/settle.h"
#include "stream/curate_job.h"
#include "stream/curated_files.h"

namespace millrace {
namespace {

/// Return the checksums, by which files are compared whatever their names.
std::multiset<std::string> contents_of(const std::vector<LakeFile>& files) {
  std::multiset<std::string> contents;
  for (const auto& file : files)
    contents.insert(fmt::format("{:016x}{:016x}", file.checksum.high, file.checksum.low));
  return contents;
}

/// Return the number of a file within its cut, after the dash of its name.
std::string number_of(const LakeFile& file) {
  const auto dash = file.name.rfind('-');
  return file.name.substr(dash + 1, file.name.find('.', dash) - dash - 1);
}

}  // namespace

Result<std::unique_ptr<CurateRebuild>> CurateRebuild::open(Warehouse& warehouse, ObjectStore& store,
                                                           Manifest& manifest, const Path& staging,
                                                           const Hours& hours) {
  std::unique_ptr<CurateRebuild> rebuild(new CurateRebuild(warehouse, store, manifest, hours));
  {
    const std::lock_guard upkeep(manifest.upkeep());
    MILLRACE_TRY(settle(store, manifest, kCuratedZone));
  }
  MILLRACE_ASSIGN(rebuild->rows_, CuratedRows::open(warehouse, staging));
  MILLRACE_TRY(rebuild->find_cut());
  MILLRACE_TRY(rebuild->find_work());
  return rebuild;
}

/// Take the last cut that was published whole, and all rows below it.
Status CurateRebuild::find_cut() {
  CuratedCut cut;
  MILLRACE_ASSIGN(const auto loaded, rows_->loaded());
  for (const auto& [partition, next] : loaded) {
    MILLRACE_ASSIGN(const auto position, manifest_.position(CurateJob::kName, partition));
    if (!position) continue;
    cut_time_ = position->newest;
    cut.log[partition] = {Offset(0), position->next};
  }
  if (cut.log.empty()) {
    return fail(Code::kInvalid,
                "the curated zone has no files yet: the job curate writes an hour's when it is over");
  }
  const TimeUs closed = floor_to(cut_time_, kHourUs);
  hours_.from = hours_.from == kTimeMin ? kTimeMin : floor_to(hours_.from, kHourUs);
  hours_.to = hours_.to >= closed ? closed : -floor_to(-hours_.to, kHourUs);
  cut.not_before = hours_.from;
  cut.closed_before = hours_.to;
  cut.closed_before_from = kTimeMin;
  return rows_->begin(cut);
}

Status CurateRebuild::find_work() {
  for (const CuratedTable& table : curated_tables()) {
    std::map<TimeUs, Hour> found;
    MILLRACE_TRY(find_old_files(table, found));
    MILLRACE_ASSIGN(const auto hours, rows_->hours(table));
    for (const CuratedHour& hour : hours) found[hour.begin].hour.rows = hour.rows;
    for (auto& [begin, hour] : found) {
      hour.table = &table;
      hour.hour.begin = begin;
      work_.push_back(std::move(hour));
    }
  }
  return {};
}

/// Add the hours that have files of the cut or earlier ones.
Status CurateRebuild::find_old_files(const CuratedTable& table, std::map<TimeUs, Hour>& found) const {
  const std::string cut = curated_cut_name(cut_time_);
  const std::string prefix = fmt::format("{}/{}/", kCuratedZone, table.name);
  MILLRACE_ASSIGN(const auto keys, manifest_.keys());
  for (const auto& key : keys) {
    if (!key.starts_with(prefix)) continue;
    const auto slash = key.rfind('/');
    const auto hour = hour_of_part(std::string_view(key).substr(prefix.size(), slash - prefix.size()));
    if (!hour || *hour < hours_.from || *hour >= hours_.to) continue;
    if (key.substr(slash + 1, cut.size()) > cut) continue;
    MILLRACE_ASSIGN(const auto file, manifest_.file(key));
    if (file) found[*hour].old.push_back(*file);
  }
  return {};
}

/// Make an hour's files, under names of the cut that none of the old ones has, and put all but the last where
/// files are staged; that one is in `last`. Most hours have one, which need not be put when nothing changed.
Status CurateRebuild::make_files(const Hour& hour, std::vector<LakeFile>& made, std::string& last) {
  std::set<std::string> taken;
  const std::string cut = curated_cut_name(cut_time_);
  for (const auto& file : hour.old) {
    if (file.name.starts_with(cut)) taken.insert(number_of(file));
  }
  std::uint32_t number = 0;
  if (hour.hour.rows == 0) return {};
  const auto keep = [&](CuratedFile file) -> Status {
    if (!made.empty()) MILLRACE_TRY(store_.put(made.back().object_key(), last));
    while (taken.contains(fmt::format("{}", number))) ++number;
    LakeFile row;
    row.part = curated_part(hour.table->name, file.hour);
    row.name = fmt::format("{}-{}.parquet", cut, number++);
    row.records = file.rows;
    row.bytes = row.raw_bytes = file.bytes.size();
    row.checksum = hash128(file.bytes);
    row.created = env_.now();
    row.state = LakeFileState::kStaged;
    made.push_back(std::move(row));
    last = std::move(file.bytes);
    return {};
  };
  return rows_->write(*hour.table, {&hour.hour, 1}, hours_.file_rows_max, keep);
}

/// Remove what no row of the manifest names. A failure leaves files that the job removes when it starts.
void CurateRebuild::remove_staged(const std::vector<LakeFile>& made) {
  if (commit_failed_) return;
  for (const auto& file : made) {
    if (const Status removed = store_.remove(file.object_key()); !removed)
      log_warning("lake", "a staged file was left", {field("error", removed.error().text())});
  }
}

Status CurateRebuild::put_in_place(const std::vector<LakeFile>& made, const std::vector<LakeFile>& old) {
  ManifestChange change;
  change.add = made;
  for (const auto& file : old) change.replace.push_back(file.key());
  Status applied = manifest_.apply(change);
  commit_failed_ = !applied;
  return applied;
}

/// Write an hour's files; return whether they differ from the old ones, which they have replaced then.
Result<bool> CurateRebuild::rebuild(const Hour& hour, std::vector<LakeFile>& made) {
  std::string last;
  Status done = make_files(hour, made, last);
  const bool differs = contents_of(made) != contents_of(hour.old);
  if (done && differs && !made.empty()) done = store_.put(made.back().object_key(), last);
  if (!done || !differs) remove_staged(made);
  if (!done) return fail(std::move(done).error());
  if (differs) MILLRACE_TRY(put_in_place(made, hour.old));
  return differs;
}

Result<CurateRebuild::Step> CurateRebuild::step() {
  // Held all the time: the job, should it start again, takes files that no row names for a crash's.
  const std::lock_guard upkeep(manifest_.upkeep());
  MILLRACE_TRY(settle(store_, manifest_, kCuratedZone));  // what a step before could not
  const Hour& hour = work_[next_];
  std::vector<LakeFile> made;
  const auto differs = rebuild(hour, made);
  if (!differs) {
    if (differs.error().code == Code::kOverloaded)
      hours_.file_rows_max = std::max(kCuratedFileRowsMin, hours_.file_rows_max / 2);
    return fail(differs.error());
  }
  ++next_;
  if (!*differs) return Step{};
  Step step{.files = made.size(), .replaced = hour.old.size()};
  for (const auto& file : made) step.rows += file.records;
  MILLRACE_TRY(settle(store_, manifest_, kCuratedZone));
  return step;
}

}  // namespace millrace
