#include "model/segment_popularity.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr std::int32_t kNoSegment = -1;

class SegmentPopularity : public RankingModel {
 public:
  struct Parts {
    std::vector<float> overall;            ///< weight of each item
    IdMap segments;                        ///< names
    SparseMatrix by_segment;               ///< segments × items
    std::vector<std::int32_t> segment_of;  ///< of each user; kNoSegment
  };

  SegmentPopularity(Parts parts, const RankingSettings& settings)
      : parts_(std::move(parts)),
        column_(settings.segment),
        share_(static_cast<float>(settings.segment_damping) /
               std::max(std::accumulate(parts_.overall.begin(), parts_.overall.end(), 0.F), 1e-9F)) {}

  void score(const Person& person, std::span<float> scores) const override {
    const std::int32_t segment = segment_of(person);
    for (std::size_t i = 0; i < scores.size(); ++i)
      scores[i] = parts_.overall[i] > 0 ? parts_.overall[i] * (segment == kNoSegment ? 1 : share_)
                                        : -std::numeric_limits<float>::infinity();
    if (segment == kNoSegment) return;
    const auto row = parts_.by_segment.row(static_cast<std::size_t>(segment));
    for (std::size_t k = 0; k < row.size(); ++k) scores[row.columns[k]] += row.values[k];
  }

  Status save(BundleWriter& into) const override {
    MILLRACE_TRY(into.add("weights", std::span<const float>(parts_.overall)));
    MILLRACE_TRY(into.add("segments", parts_.segments));
    MILLRACE_TRY(into.add("segment_weights", parts_.by_segment));
    return into.add("user_segments", std::span<const std::int32_t>(parts_.segment_of));
  }

 private:
  std::int32_t segment_of(const Person& person) const {
    if (person.features != nullptr)
      if (const FeatureColumn* told = person.features->find(column_); told && !told->texts.empty()) {
        const auto known = parts_.segments.find(told->texts.front());
        return known ? static_cast<std::int32_t>(*known) : kNoSegment;
      }
    return person.user && *person.user < parts_.segment_of.size() ? parts_.segment_of[*person.user]
                                                                  : kNoSegment;
  }

  const Parts parts_;
  const std::string column_;
  const float share_;  ///< of an item's weight overall that counts in every segment
};

std::unexpected<Error> unfit_segments(const BundleReader& bundle, std::string_view what) {
  return fail(Code::kCorrupt, std::string(what), bundle.dir().string());
}

}  // namespace

Result<std::unique_ptr<RankingModel>> train_segment_popularity(std::span<const Feedback> rows,
                                                               std::size_t items,
                                                               const RankingSettings& settings,
                                                               const RankingFeatures& features) {
  const FeatureColumn* column = features.users.find(settings.segment);
  if (column == nullptr || column->kind == ColumnKind::kNumber)
    return fail(Code::kInvalid,
                fmt::format("the segment {} is no category of the users: name it under users.features, as "
                            "{{name: {}, kind: category}} if it is a number",
                            settings.segment, settings.segment));
  SegmentPopularity::Parts parts;
  parts.overall.resize(items);
  const auto segment_of_row = [&](std::uint32_t row) {
    const std::string& name = column->texts[row];
    return name.empty() ? kNoSegment : static_cast<std::int32_t>(parts.segments.add(name));
  };
  for (const std::uint32_t row : features.first_user_row) parts.segment_of.push_back(segment_of_row(row));
  std::vector<SparseEntry> cells;
  for (const Feedback& row : rows) {
    const std::int32_t segment = segment_of_row(features.user_rows[row.row]);
    parts.overall[row.item] += row.weight;
    parts.segment_of[row.user] = segment;  // rows are in order of time: the last one says where they are
    if (segment != kNoSegment) cells.push_back({static_cast<std::uint32_t>(segment), row.item, row.weight});
  }
  parts.by_segment = SparseMatrix(parts.segments.size(), items, cells);
  return std::make_unique<SegmentPopularity>(std::move(parts), settings);
}

Result<std::unique_ptr<RankingModel>> load_segment_popularity(const BundleReader& bundle,
                                                              const RankingSettings& settings,
                                                              std::size_t users, std::size_t items) {
  SegmentPopularity::Parts parts;
  MILLRACE_ASSIGN(const auto overall, bundle.floats("weights"));
  MILLRACE_ASSIGN(parts.segments, bundle.ids("segments"));
  MILLRACE_ASSIGN(parts.by_segment, bundle.sparse("segment_weights", items));
  MILLRACE_ASSIGN(const auto segment_of, bundle.int32s("user_segments"));
  const auto known = static_cast<std::int32_t>(parts.segments.size());
  if (overall.size() != items || segment_of.size() != users ||
      parts.by_segment.rows() != parts.segments.size())
    return unfit_segments(bundle, "its segments do not fit its users and items");
  if (!std::ranges::all_of(segment_of, [&](std::int32_t s) { return s >= kNoSegment && s < known; }))
    return unfit_segments(bundle, "a user is of a segment that is none");
  parts.overall.assign(overall.begin(), overall.end());
  parts.segment_of.assign(segment_of.begin(), segment_of.end());
  return std::make_unique<SegmentPopularity>(std::move(parts), settings);
}

}  // namespace millrace
