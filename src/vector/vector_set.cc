#include "vector/vector_set.h"

#include <algorithm>
#include <charconv>
#include <shared_mutex>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/text.h"
#include "vector/exact_index.h"

namespace millrace {
namespace {

constexpr std::string_view kLogExtension = ".log";
constexpr std::string_view kSnapshotExtension = ".snapshot";
constexpr std::string_view kHalfWritten = ".tmp";
constexpr std::size_t kTouchedFew = 64;  ///< changes that are caught up with while nobody may make more

/// Return the number of a file's name, if it has that extension.
std::optional<std::uint64_t> number_of(std::string_view name, std::string_view extension) {
  if (!name.ends_with(extension)) return std::nullopt;
  name.remove_suffix(extension.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

/// Return the numbers of the files with that extension, in order.
Result<std::vector<std::uint64_t>> numbers_in(Env& env, const Path& dir, std::string_view extension) {
  MILLRACE_ASSIGN(const auto names, env.list_dir(dir));
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : names)
    if (const auto number = number_of(name, extension)) numbers.push_back(*number);
  std::ranges::sort(numbers);
  return numbers;
}

Status remove_half_written(Env& env, const Path& dir) {
  MILLRACE_ASSIGN(const auto names, env.list_dir(dir));
  for (const std::string& name : names)
    if (name.ends_with(kHalfWritten)) MILLRACE_TRY(env.remove(dir / name));
  return {};
}

}  // namespace

VectorSet::VectorSet(Env& env, Path dir, std::string name, const Options& options, VectorQuota& quota)
    : env_(env), dir_(std::move(dir)), name_(std::move(name)), options_(options), quota_(quota) {}

VectorSet::~VectorSet() {
  if (index_) quota_.vectors -= index_->size();
}

Path VectorSet::file(std::uint64_t number, std::string_view extension) const {
  return dir_ / fmt::format("{:012}{}", number, extension);
}

Result<std::shared_ptr<VectorSet>> VectorSet::create(Env& env, const Path& dir, std::string name,
                                                     const VectorShape& shape, const Options& options,
                                                     VectorQuota& quota) {
  std::shared_ptr<VectorSet> set(new VectorSet(env, dir, std::move(name), options, quota));
  MILLRACE_ASSIGN(set->index_, ExactIndex::make(shape));
  set->shape_ = shape;
  set->number_ = 1;
  MILLRACE_TRY(env.make_dirs(dir));
  MILLRACE_TRY(env.sync_dir(dir.parent_path()));
  MILLRACE_ASSIGN(set->log_, ChangeLog::create(env, set->file(1, kLogExtension), 1, shape.dimensions));
  // The snapshot is what makes it exist, so it comes last.
  MILLRACE_TRY(set->index_->save(env, set->file(1, kSnapshotExtension)));
  return set;
}

Result<std::shared_ptr<VectorSet>> VectorSet::open(Env& env, const Path& dir, std::string name,
                                                   const Options& options, VectorQuota& quota) {
  std::shared_ptr<VectorSet> set(new VectorSet(env, dir, std::move(name), options, quota));
  if (Status loaded = set->load_files(); !loaded) {
    set->index_.reset();  // not counted yet
    return fail(std::move(loaded).error());
  }
  quota.vectors += set->index_->size();
  return set;
}

Status VectorSet::load_files() {
  MILLRACE_ASSIGN(const auto snapshots, numbers_in(env_, dir_, kSnapshotExtension));
  if (snapshots.empty()) return fail(Code::kNotFound, "there is no set of vectors", dir_.string());
  const std::uint64_t snapshot = snapshots.back();
  MILLRACE_ASSIGN(index_, load_index(env_, file(snapshot, kSnapshotExtension)));
  shape_ = index_->shape();
  MILLRACE_ASSIGN(auto logs, numbers_in(env_, dir_, kLogExtension));
  std::erase_if(logs, [&](std::uint64_t number) { return number < snapshot; });
  MILLRACE_TRY(replay(snapshot, logs));
  return remove_files_before(snapshot);
}

/// Apply the logs from that of the snapshot on: where one is missing, something is lost.
Status VectorSet::replay(std::uint64_t snapshot, std::span<const std::uint64_t> logs) {
  for (std::size_t i = 0; i < std::max<std::size_t>(1, logs.size()); ++i)
    if (i == logs.size() || logs[i] != snapshot + i)
      return fail(Code::kCorrupt, "is missing", file(snapshot + i, kLogExtension).string());
  for (const std::uint64_t number : logs) {
    MILLRACE_ASSIGN(log_, ChangeLog::open(env_, file(number, kLogExtension), number, shape_.dimensions,
                                          number == logs.back(), [&](const VectorChange& change) {
                                            return apply(*index_, change);
                                          }));
    number_ = number;
  }
  return {};
}

Status VectorSet::apply(VectorIndex& index, const VectorChange& change) const {
  if (!change.vector.empty()) return index.put(change.id, change.vector);
  index.remove(change.id);
  return {};
}

VectorSetInfo VectorSet::info() const {
  const std::shared_lock lock(reading_);
  return {.name = name_,
          .shape = shape_,
          .vectors = index_->size(),
          .index = std::string(index_->kind()),
          .index_settings = index_->settings_text(),
          .quality = index_->quality(),
          .is_building = is_building_,
          .problem = {}};
}

/// Write changes, which were checked, and make them true. Needs writing_.
Status VectorSet::change(std::span<const VectorChange> changes) {
  if (is_dropped_) return fail(Code::kNotFound, "the set of vectors was dropped", name_);
  MILLRACE_TRY(broken_);
  MILLRACE_TRY(log_->append(changes));
  for (const VectorChange& one : changes) {
    if (touched_) touched_->emplace(one.id);
    {
      const std::unique_lock lock(reading_);
      const std::size_t before = index_->size();
      broken_ = apply(*index_, one);
      quota_.vectors += index_->size() - before;  // wraps around when there are fewer, as it should
    }
    MILLRACE_TRY(broken_);
    reading_.give_way();
  }
  return {};
}

Status VectorSet::put(std::span<const Row> rows) {
  std::vector<VectorChange> changes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Status good = check_vector_id(rows[i].id);
    if (good) good = shape_.check_vector(rows[i].vector);
    if (!good) return fail(good.error().code, good.error().message, fmt::format("[{}]", i));
    changes.push_back({rows[i].id, rows[i].vector});
  }
  if (changes.empty()) return {};
  const std::lock_guard writing(writing_);
  std::set<std::string_view> added;
  for (const VectorChange& one : changes)
    if (!index_->find(one.id)) added.insert(one.id);
  // Other sets add at the same time, so room is taken first.
  const std::size_t wanted = added.size();
  if (wanted > 0 && quota_.vectors.fetch_add(wanted) + wanted > quota_.vectors_max) {
    quota_.vectors -= wanted;
    return fail(
        Code::kOverloaded,
        fmt::format("there are {} vectors and may be {} (vectors.vectors_max of the configuration); these "
                    "would be {} more",
                    with_thousands(quota_.vectors), with_thousands(quota_.vectors_max),
                    with_thousands(added.size())));
  }
  const Status done = change(changes);
  quota_.vectors -= wanted;  // they were counted one by one
  return done;
}

Result<bool> VectorSet::remove(std::string_view id) {
  const std::lock_guard writing(writing_);
  if (!index_->find(id)) return false;
  const VectorChange removal{id, {}};
  MILLRACE_TRY(change(std::span(&removal, 1)));
  return true;
}

Result<std::vector<std::vector<Neighbour>>> VectorSet::search_all(std::span<const float> queries,
                                                                  std::size_t n,
                                                                  const IdFilter& filter) const {
  const std::shared_lock lock(reading_);
  return index_->search_all(queries, n, filter);
}

Result<std::vector<float>> VectorSet::find(std::string_view id) const {
  const std::shared_lock lock(reading_);
  const auto vector = index_->find(id);
  if (!vector)
    return fail(Code::kNotFound, fmt::format("the set {} has no vector '{}'", name_,
                                             without_controls(id.substr(0, kShownBytesMax))));
  return std::vector<float>(vector->begin(), vector->end());
}

Result<VectorSet::Page> VectorSet::page(std::string_view from, std::size_t n) const {
  const std::shared_lock lock(reading_);
  std::uint64_t generation = generation_;
  std::size_t slot = 0;
  if (!from.empty()) {
    const std::size_t dot = from.find('.');
    const auto number = [](std::string_view text, auto& into) {
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
      return error == std::errc() && end == text.data() + text.size();
    };
    if (dot == std::string_view::npos || !number(from.substr(0, dot), generation) ||
        !number(from.substr(dot + 1), slot))
      return fail(Code::kInvalid, "is not what a page before said", "from");
  }
  if (generation != generation_)
    return fail(Code::kExists, "the index was made anew meanwhile; begin again with the first page", "from");
  Page page;
  for (; slot < index_->slots() && page.rows.size() < n; ++slot) {
    const auto at = static_cast<VectorIndex::Slot>(slot);
    if (index_->id_at(at).empty()) continue;
    const auto row = index_->row_at(at);
    page.rows.push_back({std::string(index_->id_at(at)), {row.begin(), row.end()}});
  }
  if (slot < index_->slots()) page.next = fmt::format("{}.{}", generation_, slot);
  return page;
}

bool VectorSet::wants_other_index() const {
  const std::size_t size = index_->size();
  const bool is_exact = index_->kind() == "exact";
  // Back only when well below, or a set at the edge would be made anew again and again.
  if (is_exact ? size > options_.index.exact_max : size < options_.index.exact_max / 2) return true;
  return index_->is_worn() || (!is_exact && size > 2 * index_->quality().vectors);
}

Status VectorSet::maintain(const std::atomic<bool>* stop) {
  bool other = false, shorten = false;
  {
    const std::lock_guard writing(writing_);
    if (is_dropped_ || !broken_) return {};
    other = wants_other_index();
    shorten = wants_snapshot_ ||
              log_->changes() > std::max<std::uint64_t>(options_.log_changes_min, index_->size() / 8);
  }
  if (other) {
    is_building_ = true;
    const Status made = make_other_index(stop);
    is_building_ = false;
    {
      const std::lock_guard writing(writing_);
      touched_.reset();
    }
    MILLRACE_TRY(made);
  }
  if (!other && !shorten) return {};
  const std::lock_guard writing(writing_);
  if (is_dropped_ || !broken_) return {};
  return write_snapshot();
}

Status VectorSet::make_other_index(const std::atomic<bool>* stop) {
  VectorRows rows;
  {
    const std::lock_guard writing(writing_);
    touched_.emplace();
    rows = rows_of(*index_);
  }
  const DurationUs begin = env_.steady_now();
  IndexOptions options = options_.index;
  options.stop = stop;
  MILLRACE_ASSIGN(std::unique_ptr<VectorIndex> index, make_index(shape_, rows, options));
  rows = {};
  for (bool is_done = false; !is_done;) {
    if (stop != nullptr && *stop) return fail(Code::kCancelled, "the index of vectors was not finished");
    MILLRACE_TRY(catch_up(*index, is_done));
  }
  {
    const std::lock_guard writing(writing_);
    for (const std::string& id : std::exchange(*touched_, {}))
      MILLRACE_TRY(apply(*index, {id, index_->find(id).value_or(std::span<const float>())}));
    const std::unique_lock lock(reading_);
    index_.swap(index);
    ++generation_;
    wants_snapshot_ = true;
  }
  const VectorSetInfo now = info();
  log_info("vectors", "made the index of a set anew",
           {field("set", name_), field("vectors", now.vectors), field("index", now.index),
            field("settings", now.index_settings), field("recall", now.quality.recall),
            field("seconds", (env_.steady_now() - begin) / kSecondUs)});
  if (now.quality.recall < now.quality.target)
    log_warning(
        "vectors", "an index finds fewer of the nearest than wanted; its data are hard",
        {field("set", name_), field("recall", now.quality.recall), field("wanted", now.quality.target)});
  return {};
}

/// Put into `index` what was changed since it was copied; `is_done` once little is left.
Status VectorSet::catch_up(VectorIndex& index, bool& is_done) {
  std::vector<Row> rows;
  {
    const std::lock_guard writing(writing_);
    is_done = touched_->size() <= kTouchedFew;
    if (is_done) return {};
    for (const std::string& id : std::exchange(*touched_, {})) {
      const auto row = index_->find(id);
      rows.push_back({id, row ? std::vector<float>(row->begin(), row->end()) : std::vector<float>()});
    }
  }
  for (const Row& row : rows) MILLRACE_TRY(apply(index, {row.id, row.vector}));
  return {};
}

/// Begin a new log, and write all that came before it as one snapshot. Needs writing_. If that fails, the old
/// ones stay and count.
Status VectorSet::write_snapshot() {
  if (log_->changes() > 0) {
    MILLRACE_ASSIGN(ChangeLog next, ChangeLog::create(env_, file(number_ + 1, kLogExtension), number_ + 1,
                                                      shape_.dimensions));
    log_ = std::move(next);
    ++number_;
  }
  MILLRACE_TRY(index_->save(env_, file(number_, kSnapshotExtension)));
  wants_snapshot_ = false;
  return remove_files_before(number_);
}

/// Remove what the snapshot of that number has made useless, and what a crash left half written.
Status VectorSet::remove_files_before(std::uint64_t number) {
  for (const std::string_view extension : {kSnapshotExtension, kLogExtension}) {
    MILLRACE_ASSIGN(const auto numbers, numbers_in(env_, dir_, extension));
    for (const std::uint64_t one : numbers)
      if (one < number) MILLRACE_TRY(env_.remove(file(one, extension)));
  }
  return remove_half_written(env_, dir_);
}

Status VectorSet::drop() {
  const std::lock_guard writing(writing_);
  if (std::exchange(is_dropped_, true) && !env_.exists(dir_)) return {};
  return remove_vector_files(env_, dir_);  // again, where some of it failed before
}

Status remove_vector_files(Env& env, const Path& dir) {
  for (const std::string_view extension : {kSnapshotExtension, kLogExtension}) {
    MILLRACE_ASSIGN(const auto numbers, numbers_in(env, dir, extension));
    for (const std::uint64_t number : numbers)
      MILLRACE_TRY(env.remove(dir / fmt::format("{:012}{}", number, extension)));
    MILLRACE_TRY(env.sync_dir(dir));
  }
  MILLRACE_TRY(remove_half_written(env, dir));
  static_cast<void>(env.remove(dir));  // stays when people put files of their own there
  return env.sync_dir(dir.parent_path());
}

}  // namespace millrace
