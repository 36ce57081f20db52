#include "vector/hnsw_index.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include <fmt/format.h>
// Functions that hnswlib defines outside its namespace get names of ours, so that others may include it too.
#define cpuid millrace_hnswlib_cpuid
#define xgetbv millrace_hnswlib_xgetbv
#define AVXCapable millrace_hnswlib_avx
#define AVX512Capable millrace_hnswlib_avx512
#include <hnswlib/hnswlib.h>

#include "base/parallel.h"
#include "linalg/kernels.h"
#include "vector/row_scan.h"
#include "vector/snapshot_file.h"

namespace millrace {
namespace {

constexpr std::size_t kFirstCapacity = 1'024;
constexpr std::size_t kAskedMax =
    2'048;  ///< neighbours that a search with a filter asks the graph for, at most
constexpr std::size_t kCompareShare = 8;  ///< who wants more than this part of all is faster by comparing all
constexpr std::size_t kDeadSpare = 1'000;  ///< removed vectors that matter to no one
constexpr std::size_t kBuildGrain = 64;
constexpr std::uint32_t kLevelMax = 64;

/// What the distance function is given besides two rows.
struct DistanceSettings {
  std::int32_t (*dot)(const std::int8_t* a, const std::int8_t* b, std::size_t n);
  std::size_t n;
};

/// Less is nearer. Nothing is added to the product, which would cost small ones their digits.
float coarse_distance(const void* a, const void* b, const void* settings) {
  const auto& use = *static_cast<const DistanceSettings*>(settings);
  const auto* x = static_cast<const std::int8_t*>(a);
  const auto* y = static_cast<const std::int8_t*>(b);
  float scale_x, scale_y;
  std::memcpy(&scale_x, x + use.n, sizeof(float));
  std::memcpy(&scale_y, y + use.n, sizeof(float));
  return static_cast<float>(-use.dot(x, y, use.n)) * (scale_x * scale_y);
}

/// The graph is walked by rows of a byte a value, a quarter of the memory to wait for; what is found is then
/// compared by its floats. Our own kernels are compiled for the processor at hand, hnswlib's for that of the
/// build.
class CoarseSpace final : public hnswlib::SpaceInterface<float> {
 public:
  explicit CoarseSpace(std::size_t dimensions)
      : settings_{kernels().small_dot, (dimensions + kSmallStep - 1) / kSmallStep * kSmallStep} {}

  std::size_t get_data_size() override { return settings_.n + sizeof(float); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return coarse_distance; }
  void* get_dist_func_param() override { return &settings_; }

  /// Return a vector as a row of the graph: its codes, and behind them what they are multiplied by, `factor`
  /// included.
  std::vector<std::int8_t> row_of(std::span<const float> vector, float factor) const {
    std::vector<std::int8_t> row(settings_.n + sizeof(float));
    float scale = byte_scale(vector);
    for (std::size_t i = 0; i < vector.size(); ++i) row[i] = byte_code(vector[i], scale);
    scale *= factor;
    std::memcpy(row.data() + settings_.n, &scale, sizeof(float));
    return row;
  }

 private:
  DistanceSettings settings_;
};

}  // namespace

/// hnswlib's graph, whose places are our slots. It throws: what can is called through `guarded`.
class HnswIndex::Graph {
 public:
  using Links = hnswlib::linklistsizeint;

  Graph(const VectorShape& shape, const HnswSettings& settings, std::size_t capacity)
      : dimensions_(shape.dimensions),
        cosine_(shape.similarity == Similarity::kCosine),
        space_(shape.dimensions),
        graph_(&space_, std::max(capacity, kFirstCapacity), settings.m, settings.ef_construction,
               settings.seed) {
    graph_.setEf(settings.ef);
  }

  template <class Work>
  static Status guarded(Work work) {
    try {
      work();
      return {};
    } catch (const std::exception& problem) {
      return fail(Code::kInternal, fmt::format("the index of vectors failed: {}", problem.what()));
    }
  }

  /// Add its place in the graph, to be found by `label`; any thread.
  void add(std::span<const float> vector, std::size_t label) {
    graph_.addPoint(space_.row_of(vector, factor_of(vector)).data(), label);
  }

  /// Add one while nobody else does: its label is its slot. Nothing is ever added twice, so what hnswlib
  /// remembers of labels can go.
  void add_next(std::span<const float> vector) {
    if (graph_.cur_element_count == graph_.max_elements_)
      graph_.resizeIndex(graph_.max_elements_ + graph_.max_elements_ / 2);
    keep(vector);
    try {
      add(vector, graph_.cur_element_count);
    } catch (...) {
      values_.resize(values_.size() - dimensions_);
      if (cosine_) factors_.pop_back();
      throw;
    }
    graph_.label_lookup_.clear();
  }

  /// After adding by several threads, with rows of `rows` and their places as labels: let labels be slots,
  /// and return what they were.
  std::vector<std::size_t> take_labels(const VectorRows& rows) {
    std::vector<std::size_t> labels(graph_.cur_element_count);
    values_.reserve(labels.size() * dimensions_);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto at = static_cast<hnswlib::tableint>(i);
      labels[i] = graph_.getExternalLabel(at);
      graph_.setExternalLabel(at, i);
      keep(rows.row(labels[i], dimensions_));
    }
    std::unordered_map<hnswlib::labeltype, hnswlib::tableint>().swap(graph_.label_lookup_);
    return labels;
  }

  /// Return about the `n` nearest of all, by their floats.
  std::vector<ScoredSlot> nearest(std::span<const float> query, std::size_t n) const {
    auto queue = graph_.searchKnn(space_.row_of(query, 1).data(), std::max(n, graph_.ef_));
    std::vector<ScoredSlot> found;
    for (; !queue.empty(); queue.pop()) {
      const auto slot = static_cast<Slot>(queue.top().second);
      found.push_back({score(query, slot), slot});
    }
    std::ranges::sort(found, std::less());
    found.resize(std::min(n, found.size()));
    return found;
  }

  std::span<const float> row(Slot slot) const {
    return std::span(values_).subspan(slot * dimensions_, dimensions_);
  }
  RowBlock rows() const {
    return {.values = values_.data(),
            .factors = cosine_ ? factors_.data() : nullptr,
            .rows = graph_.cur_element_count,
            .dimensions = dimensions_};
  }
  void set_ef(std::size_t ef) { graph_.setEf(ef); }

  void write(SnapshotWriter& out) const;
  Status read(SnapshotReader& in, std::size_t slots);

 private:
  /// The links of a slot on a level: how many, and then which.
  Links* links(std::size_t slot, std::uint32_t level) const {
    return graph_.get_linklist_at_level(static_cast<hnswlib::tableint>(slot), static_cast<int>(level));
  }
  std::size_t links_max(std::uint32_t level) const { return level == 0 ? graph_.maxM0_ : graph_.maxM_; }
  void read_slot(SnapshotReader& in, std::size_t slot, const std::vector<std::uint32_t>& levels);

  float factor_of(std::span<const float> vector) const { return cosine_ ? inverse_length(vector) : 1; }
  void keep(std::span<const float> vector) {
    values_.insert(values_.end(), vector.begin(), vector.end());
    if (cosine_) factors_.push_back(factor_of(vector));
  }
  float score(std::span<const float> query, Slot slot) const {
    const float product = kernels().dot(query.data(), row(slot).data(), dimensions_);
    return cosine_ ? product * factors_[slot] : product;
  }

  std::size_t dimensions_;
  bool cosine_;
  CoarseSpace space_;
  hnswlib::HierarchicalNSW<float> graph_;
  std::vector<float> values_;   ///< slots × dimensions
  std::vector<float> factors_;  ///< 1 / length of each row, for cosines; else empty
};

void HnswIndex::Graph::write(SnapshotWriter& out) const {
  const std::size_t slots = graph_.cur_element_count;
  out.put(static_cast<std::uint32_t>(graph_.enterpoint_node_));
  for (std::size_t i = 0; i < slots; ++i) out.put(static_cast<std::uint32_t>(graph_.element_levels_[i]));
  for (std::size_t i = 0; i < slots; ++i) {
    out.put_all(row(static_cast<Slot>(i)));
    for (std::uint32_t level = 0; level <= static_cast<std::uint32_t>(graph_.element_levels_[i]); ++level) {
      Links* const list = links(i, level);
      const std::uint16_t count = graph_.getListCount(list);
      out.put(count);
      out.put_all(std::span<const std::uint32_t>(list + 1, count));
    }
  }
}

void HnswIndex::Graph::read_slot(SnapshotReader& in, std::size_t slot,
                                 const std::vector<std::uint32_t>& levels) {
  std::vector<float> vector(dimensions_);
  in.take_all(std::span(vector));
  in.expect(VectorShape{.dimensions = dimensions_}.check_vector(vector).has_value(),
            "has a vector that cannot be");
  if (!in.ok()) return;
  if (levels[slot] > 0) {
    const std::size_t bytes = graph_.size_links_per_element_ * levels[slot] + 1;
    auto* lists = static_cast<char*>(std::malloc(bytes));  // hnswlib frees it
    if (lists == nullptr) throw std::bad_alloc();
    std::memset(lists, 0, bytes);
    graph_.linkLists_[slot] = lists;
  }
  graph_.element_levels_[slot] = static_cast<int>(levels[slot]);
  graph_.cur_element_count = slot + 1;
  const auto at = static_cast<hnswlib::tableint>(slot);
  std::memset(links(slot, 0), 0, graph_.size_data_per_element_);
  keep(vector);
  const auto row = space_.row_of(vector, factor_of(vector));
  std::memcpy(graph_.getDataByInternalId(at), row.data(), row.size());
  graph_.setExternalLabel(at, slot);
  for (std::uint32_t level = 0; level <= levels[slot] && in.ok(); ++level) {
    const auto count = in.take<std::uint16_t>();
    in.expect(count <= links_max(level), "has a vector with too many links");
    if (!in.ok()) return;
    Links* const list = links(slot, level);
    graph_.setListCount(list, count);
    in.take_all(std::span<std::uint32_t>(list + 1, count));
    const auto leads_on = [&](std::uint32_t to) { return to < levels.size() && levels[to] >= level; };
    in.expect(std::all_of(list + 1, list + 1 + count, leads_on), "has a link that leads nowhere");
  }
}

Status HnswIndex::Graph::read(SnapshotReader& in, std::size_t slots) {
  const auto enter = in.take<std::uint32_t>();
  std::vector<std::uint32_t> levels(slots);
  in.take_all(std::span(levels));
  std::uint32_t highest = 0;
  for (const std::uint32_t level : levels) highest = std::max(highest, level);
  in.expect(highest <= kLevelMax, "has a level that is too high");
  in.expect(slots == 0 || (enter < slots && levels[enter] == highest), "has no entry");
  for (std::size_t i = 0; i < slots && in.ok(); ++i) read_slot(in, i, levels);
  if (slots > 0) {
    graph_.enterpoint_node_ = enter;
    graph_.maxlevel_ = static_cast<int>(highest);
  }
  return in.status();
}

HnswIndex::HnswIndex(const VectorShape& shape, const HnswSettings& settings)
    : shape_(shape), settings_(settings) {}
HnswIndex::~HnswIndex() = default;

namespace {

Status check_hnsw(const VectorShape& shape, const HnswSettings& settings) {
  MILLRACE_TRY(shape.check());
  if (settings.m < 2 || settings.m > HnswSettings::kLinksMax)
    return fail(Code::kInvalid,
                fmt::format("hnsw: M must be 2 to {}, not {}", HnswSettings::kLinksMax, settings.m));
  for (const std::size_t ef : {settings.ef, settings.ef_construction})
    if (ef < 1 || ef > HnswSettings::kEfMax)
      return fail(Code::kInvalid, fmt::format("hnsw: ef and ef_construction must be 1 to {}, not {}",
                                              HnswSettings::kEfMax, ef));
  return {};
}

}  // namespace

Result<std::unique_ptr<HnswIndex>> HnswIndex::make(const VectorShape& shape, const HnswSettings& settings) {
  MILLRACE_TRY(check_hnsw(shape, settings));
  std::unique_ptr<HnswIndex> index(new HnswIndex(shape, settings));
  MILLRACE_TRY(Graph::guarded([&] { index->graph_ = std::make_unique<Graph>(shape, settings, 0); }));
  return index;
}

Result<std::unique_ptr<HnswIndex>> HnswIndex::build(const VectorShape& shape, const VectorRows& rows,
                                                    const HnswSettings& settings, int threads,
                                                    const std::atomic<bool>* stop) {
  MILLRACE_TRY(check_hnsw(shape, settings));
  const std::size_t count = rows.ids.size();
  for (std::size_t i = 0; i < count; ++i) MILLRACE_TRY(shape.check_vector(rows.row(i, shape.dimensions)));
  std::unique_ptr<HnswIndex> index(new HnswIndex(shape, settings));
  MILLRACE_TRY(
      Graph::guarded([&] { index->graph_ = std::make_unique<Graph>(shape, settings, count + count / 8); }));
  std::mutex mutex;
  Status status;
  const auto add = [&](std::size_t begin, std::size_t end) {
    const Status done = Graph::guarded([&] {
      for (std::size_t i = begin; i < end; ++i) index->graph_->add(rows.row(i, shape.dimensions), i);
    });
    const std::lock_guard lock(mutex);
    if (!done) status = done;
  };
  if (count > 0) add(0, 1);  // where all others begin
  if (count > 1)
    parallel_for(
        count - 1, kBuildGrain, threads, [&](std::size_t begin, std::size_t end) { add(begin + 1, end + 1); },
        stop);
  MILLRACE_TRY(status);
  if (stop != nullptr && *stop) return fail(Code::kCancelled, "the index of vectors was not finished");
  const std::vector<std::size_t> labels = index->graph_->take_labels(rows);
  for (std::size_t i = 0; i < labels.size(); ++i) index->ids_.put(rows.ids[labels[i]], static_cast<Slot>(i));
  return index;
}

void HnswIndex::set_ef(std::size_t ef) {
  settings_.ef = ef;
  graph_->set_ef(ef);
}

std::string HnswIndex::settings_text() const {
  return fmt::format("M {}, ef_construction {}, ef {}", settings_.m, settings_.ef_construction, settings_.ef);
}

std::span<const float> HnswIndex::row_at(Slot slot) const {
  return graph_->row(slot);
}

std::optional<std::span<const float>> HnswIndex::find(std::string_view id) const {
  const auto slot = ids_.find(id);
  if (!slot) return std::nullopt;
  return row_at(*slot);
}

bool HnswIndex::is_worn() const {
  return dead() > kDeadSpare && dead() * 2 > size();
}

Status HnswIndex::put(std::string_view id, std::span<const float> vector) {
  MILLRACE_TRY(check_vector_id(id));
  MILLRACE_TRY(shape_.check_vector(vector));
  // Whoever keeps the index makes it anew when it is worn; here only so that memory stays bounded without.
  if (dead() > kDeadSpare && dead() > 2 * size()) MILLRACE_TRY(make_anew());
  // A vector put anew is a new one to the graph: hnswlib's own update takes ten times as long, and loses
  // links.
  const auto slot = static_cast<Slot>(ids_.slot_count());
  MILLRACE_TRY(Graph::guarded([&] { graph_->add_next(vector); }));
  if (ids_.find(id))
    ids_.move(id, slot);
  else
    ids_.put(id, slot);
  return {};
}

Status HnswIndex::make_anew() {
  MILLRACE_ASSIGN(auto anew, build(shape_, rows_of(*this), settings_));
  graph_ = std::move(anew->graph_);
  ids_ = std::move(anew->ids_);
  return {};
}

bool HnswIndex::remove(std::string_view id) {
  if (!ids_.find(id)) return false;
  ids_.remove(id);
  return true;
}

std::vector<ScoredSlot> HnswIndex::compare_all(std::span<const float> query, std::size_t n,
                                               const Passes& passes) const {
  BestSlots best(n);
  scan_rows(graph_->rows(), query, std::span(&best, 1), passes);
  return best.take();
}

std::vector<ScoredSlot> HnswIndex::nearest(std::span<const float> query, std::size_t n, bool all_pass,
                                           const Passes& passes) const {
  // The graph knows neither filters nor what was removed, so it is asked for more, and again for more.
  for (std::size_t asked = all_pass ? n : 2 * n; asked <= kAskedMax && asked * kCompareShare < slots();
       asked *= 4) {
    auto found = graph_->nearest(query, asked);
    if (!all_pass) std::erase_if(found, [&](const ScoredSlot& one) { return !passes(one.slot); });
    if (found.size() >= n) {
      found.resize(n);
      return found;
    }
  }
  return compare_all(query, n, passes);
}

Result<std::vector<std::vector<ScoredSlot>>> HnswIndex::find_slots(std::span<const float> queries,
                                                                   std::size_t n,
                                                                   const IdFilter& filter) const {
  MILLRACE_ASSIGN(const std::size_t count, check_queries(shape_, queries));
  const std::vector<float> prepared = prepared_queries(shape_, queries);
  const Passes passes = [&](Slot slot) {
    const std::string_view id = ids_.at(slot);
    return !id.empty() && (!filter || filter(id));
  };
  std::vector<std::vector<ScoredSlot>> lists;
  const Status done = Graph::guarded([&] {
    for (std::size_t i = 0; i < count; ++i) {
      const auto query = std::span(prepared).subspan(i * shape_.dimensions, shape_.dimensions);
      lists.push_back(nearest(query, n, !filter && dead() == 0, passes));
    }
  });
  MILLRACE_TRY(done);
  return lists;
}

Status HnswIndex::save(Env& env, const Path& path) const {
  MILLRACE_ASSIGN(SnapshotWriter out, SnapshotWriter::open(env, path));
  SnapshotHeader{.kind = IndexKind::kHnsw, .shape = shape_, .slots = slots()}.write(out);
  for (const std::size_t setting : {settings_.m, settings_.ef_construction, settings_.ef})
    out.put(static_cast<std::uint32_t>(setting));
  out.put(settings_.seed);
  out.put(quality_.recall);
  out.put(quality_.target);
  out.put(quality_.n);
  out.put(quality_.queries);
  out.put(quality_.vectors);
  write_slot_ids(out, ids_);
  graph_->write(out);
  return out.finish();
}

Result<std::unique_ptr<VectorIndex>> HnswIndex::read(SnapshotReader& in, const SnapshotHeader& header) {
  HnswSettings settings;
  settings.m = in.take<std::uint32_t>();
  settings.ef_construction = in.take<std::uint32_t>();
  settings.ef = in.take<std::uint32_t>();
  settings.seed = in.take<std::uint64_t>();
  in.expect(check_hnsw(header.shape, settings).has_value(), "has settings that cannot be");
  std::unique_ptr<HnswIndex> index(new HnswIndex(header.shape, settings));
  index->quality_.recall = in.take<double>();
  index->quality_.target = in.take<double>();
  index->quality_.n = in.take<std::uint32_t>();
  index->quality_.queries = in.take<std::uint32_t>();
  index->quality_.vectors = in.take<std::uint64_t>();
  MILLRACE_TRY(in.status());
  MILLRACE_ASSIGN(index->ids_, read_slot_ids(in, header.slots));
  Status read;
  MILLRACE_TRY(Graph::guarded([&] {
    index->graph_ = std::make_unique<Graph>(header.shape, settings, header.slots + header.slots / 8);
    read = index->graph_->read(in, header.slots);
  }));
  MILLRACE_TRY(read);
  return index;
}

}  // namespace millrace
