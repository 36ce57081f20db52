#include "stream/curate_rebuild.h"

#include <algorithm>
#include <mutex>
#include <set>

#include <fmt/format.h>

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

/// Make an hour's files, under names of the cut that none of the old ones has.
Result<std::vector<std::pair<LakeFile, std::string>>> CurateRebuild::make_files(const Hour& hour) const {
  std::set<std::string> taken;
  const std::string cut = curated_cut_name(cut_time_);
  for (const auto& file : hour.old) {
    if (file.name.starts_with(cut)) taken.insert(number_of(file));
  }
  std::uint32_t number = 0;
  std::vector<std::pair<LakeFile, std::string>> made;
  if (hour.hour.rows == 0) return made;
  const auto keep = [&](CuratedFile file) -> Status {
    while (taken.contains(fmt::format("{}", number))) ++number;
    LakeFile row;
    row.part = curated_part(hour.table->name, file.hour);
    row.name = fmt::format("{}-{}.parquet", cut, number++);
    row.records = file.rows;
    row.bytes = row.raw_bytes = file.bytes.size();
    row.checksum = hash128(file.bytes);
    row.created = env_.now();
    row.state = LakeFileState::kStaged;
    made.emplace_back(std::move(row), std::move(file.bytes));
    return {};
  };
  MILLRACE_TRY(rows_->write(*hour.table, {&hour.hour, 1}, hours_.file_rows_max, keep));
  return made;
}

Status CurateRebuild::put_in_place(std::vector<std::pair<LakeFile, std::string>> made,
                                   const std::vector<LakeFile>& old) {
  const std::lock_guard upkeep(manifest_.upkeep());
  ManifestChange change;
  for (const auto& [file, bytes] : made) {
    MILLRACE_TRY(store_.put(file.object_key(), bytes));
    change.add.push_back(file);
  }
  for (const auto& file : old) change.replace.push_back(file.key());
  MILLRACE_TRY(manifest_.apply(change));
  return settle(store_, manifest_, kCuratedZone);
}

Result<CurateRebuild::Step> CurateRebuild::step() {
  const Hour& hour = work_[next_];
  MILLRACE_ASSIGN(auto made, make_files(hour));
  std::vector<LakeFile> files;
  Step step;
  for (const auto& [file, bytes] : made) {
    files.push_back(file);
    step.rows += file.records;
  }
  ++next_;
  if (contents_of(files) == contents_of(hour.old)) return Step{};
  step.files = files.size();
  step.replaced = hour.old.size();
  if (auto done = put_in_place(std::move(made), hour.old); !done) {
    --next_;
    return fail(std::move(done).error());
  }
  return step;
}

}  // namespace millrace
