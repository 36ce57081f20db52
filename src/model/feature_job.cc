#include "model/feature_job.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/logging.h"
#include "base/memory.h"
#include "base/text.h"
#include "log/topics.h"
#include "model/feature_read.h"
#include "model/feature_sql.h"

namespace millrace {
namespace {

/// Between two steps: under load it makes one batch of what would be many, and nobody notices a millisecond.
constexpr DurationUs kRest = kMillisecondUs;
/// Between two readings of what was loaded: what the log gave stands in for it.
constexpr DurationUs kLoadInterval = kSecondUs / 2;
constexpr DurationUs kSweepInterval = kSecondUs / 4;
constexpr DurationUs kTablesRest = kSecondUs / 5;
/// How many offsets of a partition may be pending, and how many are read from the tables at a time.
constexpr std::uint64_t kPendingMax = 20'000;
constexpr std::size_t kFetchMax = 500;
/// Between two fillings pass so many times what the first took, while rows of the tables are being replaced.
constexpr DurationUs kRebuildPause = 10;

/// As DuckDB casts a DOUBLE to DECIMAL(18,4); nothing beyond its range.
std::optional<std::int64_t> decimal_units(double value) {
  const double units = std::round(value * Decimal::kScale);
  if (!(std::abs(units) <= static_cast<double>(Decimal::kUnitsMax))) return std::nullopt;
  return static_cast<std::int64_t>(units);
}

bool holds(const std::vector<FlowCondition>& conditions, const FlowRow& row) {
  return std::ranges::all_of(conditions, [&](const FlowCondition& condition) {
    const FlowCell cell = condition.column->read(row);
    const auto* text = std::get_if<std::string_view>(&cell);
    return text != nullptr && std::ranges::find(condition.values, *text) != condition.values.end();
  });
}

FeatureValue row_value(const FlowAggregate& flow, const FlowRow& row) {
  if (!holds(flow.where, row)) return {};
  if (flow.column == nullptr) return std::int64_t{1};
  const FlowCell cell = flow.column->read(row);
  if (const auto* text = std::get_if<std::string_view>(&cell)) return std::string(*text);
  if (const auto* number = std::get_if<std::int64_t>(&cell)) return *number;
  const auto* real = std::get_if<double>(&cell);
  if (real == nullptr) return {};
  if (flow.measure != FlowMeasure::kSum) return *real;
  const auto units = decimal_units(*real);
  return units ? FeatureValue(*units) : FeatureValue();
}

class Following final : public FlowFeatureJob {
 public:
  explicit Following(Tools tools) : tools_(std::move(tools)) {
    for (const auto& shelf : tools_.store.shelves())
      if (shelf->view->flow) shelves_.push_back(shelf.get());
  }

  std::string_view name() const override { return "features"; }
  Status start() override;
  Result<StepResult> step() override;
  JobPosition done() const override;
  Status at_rest(const std::function<Status(const LoadedOffsets&)>& work) override;

 private:
  Env& env() const { return tools_.warehouse.env(); }
  Status rebuild();
  Result<std::int64_t> changes();
  Result<LoadedOffsets> offsets_in_tables();
  Result<bool> take_loaded(bool must);
  Result<bool> read_loaded(const LoadedOffsets& loaded, bool heed_changes,
                           std::vector<std::vector<FlowEntry>>& rows);
  Status fetch(FeatureStore::Shelf& shelf, const std::set<std::string>& keys);
  Status follow(std::uint32_t partition, StepResult& result);
  void take_pending(const Event& event);
  std::optional<LoadedOffsets> loaded_now() const;
  void note_position();

  const Tools tools_;
  std::vector<FeatureStore::Shelf*> shelves_;
  std::mutex
      mutex_;  ///< held in a step and while somebody wants it at rest; guards the rest but for `reached_`
  std::optional<duck::Connection> connection_;
  LoadedOffsets base_;     ///< memory has the tables' rows below
  LoadedOffsets cursors_;  ///< and what is logged from there to here
  std::int64_t changes_ = 0;
  DurationUs loaded_at_ = 0;
  DurationUs rebuilt_at_ = 0;
  DurationUs rebuild_took_ = 0;
  DurationUs swept_at_ = 0;
  mutable std::mutex reached_mutex_;
  JobPosition reached_;  ///< guarded by reached_mutex_
};

Status Following::start() {
  const std::lock_guard lock(mutex_);
  const auto topics = tools_.log.topics();
  const auto events = topics.find(std::string(kEventsTopic));
  if (events == topics.end()) return fail(Code::kNotFound, "there is no topic events");
  base_.assign(events->second.partitions, Offset(0));
  if (!connection_) {
    MILLRACE_ASSIGN(connection_, tools_.warehouse.connect_for_answer());
  }
  const Status filled = rebuild();
  for (auto* shelf : shelves_) shelf->set_problem(filled ? "" : filled.error().text());
  return filled;
}

Result<std::int64_t> Following::changes() {
  MILLRACE_ASSIGN(const auto number, connection_->scalar("SELECT max(number) FROM _fact_changes"));
  return number.value_or(0);
}

Result<LoadedOffsets> Following::offsets_in_tables() {
  LoadedOffsets base(base_.size(), Offset(0));
  MILLRACE_ASSIGN(auto rows, connection_->query(fmt::format(
                                 "SELECT log_partition, next_offset FROM _offsets WHERE log_topic = '{}'",
                                 kEventsTopic)));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return base;
    for (std::size_t row = 0; row < rows.size(); ++row)
      if (const auto i = static_cast<std::size_t>(rows.int32(0, row)); i < base.size())
        base[i] = Offset(static_cast<std::uint64_t>(rows.int64(1, row)));
  }
}

/// Fill memory from the tables, beside what is there, which serves until it is done.
Status Following::rebuild() {
  const DurationUs begin = env().steady_now();
  MILLRACE_ASSIGN(auto snapshot, duck::Transaction::begin(*connection_));
  MILLRACE_ASSIGN(changes_, changes());
  MILLRACE_ASSIGN(auto base, offsets_in_tables());
  const TimeUs now = env().now();
  std::vector<std::shared_ptr<FlowMemory>> filled;
  for (const FeatureStore::Shelf* shelf : shelves_) {
    auto memory = std::make_shared<FlowMemory>(*shelf->view, shelf->bytes_max);
    MILLRACE_TRY(
        read_flow_rows(*connection_, *shelf->view, flow_horizon_sql(*shelf->view, now),
                       [&](std::vector<FlowEntry> rows) { memory->add_loaded(std::move(rows), {}, now); }));
    filled.push_back(std::move(memory));
  }
  for (std::size_t i = 0; i < shelves_.size(); ++i) shelves_[i]->put(std::move(filled[i]));
  base_ = cursors_ = base;
  return_freed_memory();
  note_position();
  rebuilt_at_ = env().steady_now();
  rebuild_took_ = rebuilt_at_ - begin;
  log_info("features", "memory filled from the tables",
           {field("views", shelves_.size()), field("ms", rebuild_took_ / kMillisecondUs)});
  return {};
}

std::optional<LoadedOffsets> Following::loaded_now() const {
  const auto position = tools_.loaded();
  if (!position) return std::nullopt;
  LoadedOffsets loaded = base_;
  for (const auto& [partition, offset] : *position)
    if (partition.topic == kEventsTopic && partition.partition.value() < loaded.size())
      loaded[partition.partition.value()] = std::max(loaded[partition.partition.value()], offset);
  return loaded;
}

/// Take what was loaded since; return whether there may be more. Where rows were taken out of the tables
/// memory is filled anew: at once when it `must` be right, else not so often that it takes more than a part
/// of the time.
Result<bool> Following::take_loaded(bool must) {
  const bool may_rebuild = must || env().steady_now() - rebuilt_at_ >= kRebuildPause * rebuild_took_;
  auto loaded = loaded_now();
  if (!loaded) return false;
  bool more = false;
  for (std::size_t i = 0; i < loaded->size(); ++i) {
    const Offset limit(base_[i].value() + kPendingMax);
    more = more || (*loaded)[i] > limit;
    (*loaded)[i] = std::min((*loaded)[i], limit);
  }
  std::vector<std::vector<FlowEntry>> rows(shelves_.size());
  MILLRACE_ASSIGN(const bool changed, read_loaded(*loaded, may_rebuild, rows));
  if (changed) {
    MILLRACE_TRY(rebuild());
    return true;
  }
  if (*loaded == base_) return false;
  std::vector<std::set<std::string>> missing;
  for (std::size_t i = 0; i < shelves_.size(); ++i)
    missing.push_back(shelves_[i]->flow()->add_loaded(std::move(rows[i]), *loaded, env().now()));
  base_ = *std::move(loaded);
  for (std::size_t i = 0; i < shelves_.size(); ++i) MILLRACE_TRY(fetch(*shelves_[i], missing[i]));
  return more;
}

/// Read the rows of all views up to `loaded`, of one state of the tables. With `heed_changes` return at once,
/// with true, when rows were taken out of the tables meanwhile, which offsets do not tell.
Result<bool> Following::read_loaded(const LoadedOffsets& loaded, bool heed_changes,
                                    std::vector<std::vector<FlowEntry>>& rows) {
  MILLRACE_ASSIGN(auto snapshot, duck::Transaction::begin(*connection_));
  MILLRACE_ASSIGN(const std::int64_t number, changes());
  if (heed_changes && number != changes_) return true;
  if (loaded == base_) return false;
  for (std::size_t i = 0; i < shelves_.size(); ++i) {
    const auto keep = [&](std::vector<FlowEntry> some) {
      std::ranges::move(some, std::back_inserter(rows[i]));
    };
    MILLRACE_TRY(read_flow_rows(*connection_, *shelves_[i]->view, offsets_sql(base_, loaded), keep));
  }
  return false;
}

/// Read entities that had to go and came back, whole.
Status Following::fetch(FeatureStore::Shelf& shelf, const std::set<std::string>& keys) {
  std::vector<std::string> literals;
  const TimeUs now = env().now();
  const auto flush = [&]() -> Status {
    if (literals.empty()) return {};
    std::vector<std::string> columns;
    for (const auto& entity : shelf.view->entities) columns.push_back(entity.column);
    const std::string condition =
        fmt::format("{} AND {} AND {} IN ({})", offsets_sql({}, base_), flow_horizon_sql(*shelf.view, now),
                    entity_key_sql(columns), fmt::join(literals, ", "));
    literals.clear();
    std::map<std::string, std::vector<FlowEntry>> found;
    MILLRACE_TRY(read_flow_rows(*connection_, *shelf.view, condition, [&](std::vector<FlowEntry> rows) {
      for (FlowEntry& row : rows) found[row.key].push_back(std::move(row));
    }));
    for (const auto& [key, rows] : found) shelf.flow()->put(key, rows, now);
    return {};
  };
  for (const std::string& key : keys) {
    literals.push_back(sql_literal(key));
    if (literals.size() == kFetchMax) MILLRACE_TRY(flush());
  }
  return flush();
}

void Following::take_pending(const Event& event) {
  for (FeatureStore::Shelf* shelf : shelves_) {
    if (!may_be_in(*shelf->view->flow, event)) continue;
    const auto memory = shelf->flow();
    each_flow_row(*shelf->view->flow, event, [&](const FlowRow& row) {
      if (auto entry = flow_entry(*shelf->view, row)) memory->add_pending(*std::move(entry));
    });
  }
}

/// Take the next events of one partition, as far as they may be ahead of the loader.
Status Following::follow(std::uint32_t partition, StepResult& result) {
  Offset& cursor = cursors_[partition];
  cursor = std::max(cursor, base_[partition]);
  if (cursor.value() - base_[partition].value() >= kPendingMax) return {};
  auto batch = tools_.feed.read({std::string(kEventsTopic), PartitionId(partition)}, cursor);
  if (!batch && batch.error().code == Code::kOutOfRange) return {};  // the loader brings what is there
  if (!batch) return fail(std::move(batch).error());
  if ((*batch)->next <= cursor) return {};
  for (const Event& event : (*batch)->events_from(cursor)) take_pending(event);
  for (const Record& record : (*batch)->records_from(cursor)) {
    ++result.records;
    result.events += (*batch)->events_in(record);
  }
  cursor = (*batch)->next;
  result.more = true;
  return {};
}

Result<StepResult> Following::step() {
  const std::lock_guard lock(mutex_);
  StepResult result{.rest = kRest};
  for (std::uint32_t i = 0; i < cursors_.size(); ++i) MILLRACE_TRY(follow(i, result));
  const DurationUs now = env().steady_now();
  if (now - loaded_at_ >= kLoadInterval) {
    MILLRACE_ASSIGN(const bool more, take_loaded(false));
    if (!more) loaded_at_ = now;
    result.more = result.more || more;
  }
  if (now - swept_at_ >= kSweepInterval) {
    swept_at_ = now;
    for (const FeatureStore::Shelf* shelf : shelves_) shelf->flow()->sweep(env().now());
    tools_.store.show();
  }
  note_position();
  return result;
}

void Following::note_position() {
  const std::lock_guard lock(reached_mutex_);
  for (std::uint32_t i = 0; i < cursors_.size(); ++i)
    reached_[{std::string(kEventsTopic), PartitionId(i)}] = cursors_[i];
}

JobPosition Following::done() const {
  const std::lock_guard lock(reached_mutex_);
  return reached_;
}

Status Following::at_rest(const std::function<Status(const LoadedOffsets&)>& work) {
  const std::lock_guard lock(mutex_);
  if (!connection_) return fail(Code::kOverloaded, "features are being filled from the tables; try again");
  for (bool more = true; more;) {
    MILLRACE_ASSIGN(more, take_loaded(true));
  }
  return work(base_);
}

class Tables final : public Job {
 public:
  Tables(Warehouse& warehouse, FeatureStore& store) : warehouse_(warehouse), store_(store) {}

  std::string_view name() const override { return "feat-tables"; }
  Status start() override { return {}; }
  Result<StepResult> step() override {
    for (const auto& shelf : store_.shelves()) {
      if (shelf->view->flow) continue;
      const auto now = warehouse_.env().steady_now();
      const auto last = read_at_.find(shelf.get());
      if (last != read_at_.end() && now - last->second < shelf->view->refresh) continue;
      read_at_[shelf.get()] = now;
      refresh(*shelf);
    }
    store_.show();
    return StepResult{.rest = kTablesRest};
  }

 private:
  void refresh(FeatureStore::Shelf& shelf) {
    auto memory = read_table_view(warehouse_, *shelf.view, warehouse_.env().now(), shelf.bytes_max);
    const std::string problem = memory ? "" : memory.error().text();
    if (memory) shelf.put(std::make_shared<const TableMemory>(*std::move(memory)));
    if (!problem.empty() && problem != shelf.problem())
      log_warning("features", "a view could not be read; its values stay as they were",
                  {field("view", shelf.view->name), field("error", problem)});
    shelf.set_problem(problem);
  }

  Warehouse& warehouse_;
  FeatureStore& store_;
  std::map<const FeatureStore::Shelf*, DurationUs> read_at_;
};

}  // namespace

std::optional<FlowEntry> flow_entry(const FeatureView& view, const FlowRow& row) {
  std::vector<std::string_view> parts;
  for (const auto& entity : view.entities) {
    const FlowCell cell = entity.flow->read(row);
    const auto* text = std::get_if<std::string_view>(&cell);
    if (text == nullptr) return std::nullopt;
    parts.push_back(*text);
  }
  FlowEntry entry{.key = entity_key(parts),
                  .time = row.event->event_time,
                  .partition = row.event->log_partition.value(),
                  .offset = row.event->log_offset,
                  .values = {}};
  entry.values.reserve(view.features.size());
  for (const Feature& feature : view.features) entry.values.push_back(row_value(feature.flow, row));
  return entry;
}

std::unique_ptr<FlowFeatureJob> FlowFeatureJob::make(Tools tools) {
  return std::make_unique<Following>(std::move(tools));
}

std::unique_ptr<Job> make_table_feature_job(Warehouse& warehouse, FeatureStore& store) {
  return std::make_unique<Tables>(warehouse, store);
}

}  // namespace millrace
