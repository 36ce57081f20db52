#include "model/input_drift.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include "model/feature_columns.h"

namespace millrace {
namespace {

constexpr std::size_t kFrequentMax = 50;
constexpr std::size_t kQuantilesMax = 10;
constexpr std::size_t kPeopleOfBin = 10;
constexpr std::size_t kMovedMostShown = 3;
constexpr const char* kMissing = "(missing)";

/// Which bin each row is in.
struct Bins {
  std::vector<std::uint32_t> of_rows;
  std::vector<std::string> names;
};

/// Give the most frequent of `values` a bin each, and the rest one together.
Bins bins_of_values(std::span<const std::uint32_t> values, std::size_t distinct, std::size_t bins_max,
                    const std::function<std::string(std::uint32_t)>& name_of) {
  std::vector<std::size_t> rows(distinct);
  for (const std::uint32_t value : values) ++rows[value];
  std::vector<std::uint32_t> order(distinct);
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, std::greater(), [&](std::uint32_t value) { return rows[value]; });
  std::erase_if(order, [&](std::uint32_t value) { return rows[value] == 0; });

  Bins bins;
  const std::size_t own = order.size() <= bins_max ? order.size() : bins_max - 1;
  std::vector<std::uint32_t> bin_of(distinct, static_cast<std::uint32_t>(own));
  for (std::uint32_t b = 0; b < own; ++b) {
    bin_of[order[b]] = b;
    bins.names.push_back(name_of(order[b]));
  }
  if (own < order.size()) bins.names.emplace_back("(all others)");
  for (const std::uint32_t value : values) bins.of_rows.push_back(bin_of[value]);
  return bins;
}

Bins bins_of_texts(const std::vector<std::string>& texts, std::span<const std::uint32_t> rows,
                   std::size_t bins_max) {
  std::unordered_map<std::string_view, std::uint32_t> numbers;
  std::vector<std::string_view> values;
  std::vector<std::uint32_t> of_rows;
  for (const std::uint32_t row : rows) {
    const auto [at, is_new] = numbers.emplace(texts[row], static_cast<std::uint32_t>(values.size()));
    if (is_new) values.emplace_back(texts[row]);
    of_rows.push_back(at->second);
  }
  return bins_of_values(of_rows, values.size(), bins_max, [&](std::uint32_t value) {
    return values[value].empty() ? std::string(kMissing) : std::string(values[value]);
  });
}

double just_above(double value) {
  return std::nextafter(value, std::numeric_limits<double>::infinity());
}

/// Values at which as many rows lie below as above, and so on, each once.
std::vector<double> quantiles_of(std::vector<double> values, std::size_t parts) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  std::ranges::sort(values);
  std::vector<double> edges;
  for (std::size_t part = 1; part < parts && !values.empty(); ++part) {
    const double edge = values[part * values.size() / parts];
    if (edge > values.front() && (edges.empty() || edge > edges.back())) edges.push_back(edge);
  }
  // Where nearly all rows have one value, it is a bin of its own.
  if (edges.empty() && !values.empty()) edges = {values.front(), just_above(values.front())};
  return edges;
}

std::string name_of_range(std::span<const double> edges, std::size_t bin) {
  if (edges.empty()) return "any";
  const auto is_one_value = [&](std::size_t edge) { return edges[edge] == just_above(edges[edge - 1]); };
  if (bin == 0) return fmt::format("below {:.6g}", edges[0]);
  if (bin == edges.size()) {
    if (edges.size() == 2 && is_one_value(1)) return fmt::format("more than {:.6g}", edges[1]);
    return fmt::format("{:.6g} or more", edges[bin - 1]);
  }
  if (is_one_value(bin)) return fmt::format("{:.6g}", edges[bin - 1]);
  return fmt::format("{:.6g} to {:.6g}", edges[bin - 1], edges[bin]);
}

/// `values` are of the rows; those before `after` say where the bins begin.
Bins bins_of_numbers(std::span<const double> values, std::size_t after, std::size_t bins_max) {
  const std::vector<double> edges =
      quantiles_of({values.begin(), values.begin() + static_cast<std::ptrdiff_t>(after)},
                   std::min(bins_max, kQuantilesMax));
  Bins bins;
  for (std::size_t b = 0; b <= edges.size(); ++b) bins.names.push_back(name_of_range(edges, b));
  const auto missing = static_cast<std::uint32_t>(bins.names.size());
  if (std::ranges::any_of(values, [](double value) { return std::isnan(value); }))
    bins.names.emplace_back(kMissing);
  for (const double value : values)
    bins.of_rows.push_back(std::isnan(value) ? missing
                                             : static_cast<std::uint32_t>(
                                                   std::ranges::upper_bound(edges, value) - edges.begin()));
  return bins;
}

std::vector<InputDrift::Bin> moved_most(const Bins& bins, std::size_t after) {
  std::vector<InputDrift::Bin> all;
  for (const std::string& name : bins.names) all.push_back({.value = name});
  const double one_before = 1 / static_cast<double>(after),
               one_after = 1 / static_cast<double>(bins.of_rows.size() - after);
  for (std::size_t row = 0; row < bins.of_rows.size(); ++row) {
    InputDrift::Bin& bin = all[bins.of_rows[row]];
    (row < after ? bin.before : bin.after) += row < after ? one_before : one_after;
  }
  std::ranges::stable_sort(all, std::greater(), [](const InputDrift::Bin& bin) {
    return (bin.after - bin.before) * std::log((bin.after + 1e-3) / (bin.before + 1e-3));
  });
  all.resize(std::min(all.size(), kMovedMostShown));
  return all;
}

std::vector<std::uint32_t> numbers_of(const FeedbackSet& set, std::uint32_t Feedback::* number) {
  std::vector<std::uint32_t> numbers;
  for (const Feedback& row : set.rows) numbers.push_back(row.*number);
  return numbers;
}

/// Compares column after column of one set of interactions.
class InputComparer {
 public:
  InputComparer(const TrainingFeedback& feedback, std::size_t after)
      : feedback_(feedback),
        after_(after),
        users_(numbers_of(feedback.set, &Feedback::user)),
        items_(numbers_of(feedback.set, &Feedback::item)),
        meter_(users_, after) {
    std::vector<std::uint32_t> people(users_.begin() + static_cast<std::ptrdiff_t>(after), users_.end());
    std::ranges::sort(people);
    const auto repeats = std::ranges::unique(people);
    const std::size_t count = people.size() - repeats.size();
    bins_max_ = std::clamp(count / kPeopleOfBin, std::size_t{2}, kFrequentMax);
  }

  InputComparison compare() {
    add("interactions", "item",
        bins_of_values(items_, feedback_.set.items.size(), bins_max_,
                       [&](std::uint32_t item) { return feedback_.set.items.id(item); }));
    std::vector<double> weights;
    for (const Feedback& row : feedback_.set.rows) weights.push_back(row.weight);
    add("interactions", "weight", bins_of_numbers(weights, after_, bins_max_));
    if (feedback_.features) add_features(*feedback_.features);
    std::ranges::stable_sort(found_.columns, std::greater(), [](const InputDrift& column) {
      return std::pair(column.stability.beyond_chance(), column.stability.index);
    });
    found_.users = newcomers(users_, feedback_.set.users.size());
    found_.items = newcomers(items_, feedback_.set.items.size());
    return std::move(found_);
  }

 private:
  void add(std::string of, std::string name, const Bins& bins) {
    std::vector<bool> seen(bins.names.size());
    for (const std::uint32_t bin : bins.of_rows) seen[bin] = true;
    if (std::ranges::count(seen, true) < 2) return;
    found_.columns.push_back({.of = std::move(of),
                              .name = std::move(name),
                              .bins = bins.names.size(),
                              .stability = meter_.measure(bins.of_rows, bins.names.size()),
                              .moved_most = moved_most(bins, after_)});
  }

  void add_features(const RankingFeatures& features) {
    if (!features.labels.empty()) {
      std::vector<double> labels;
      for (const Feedback& row : feedback_.set.rows) labels.push_back(features.labels[row.row]);
      add("interactions", "label", bins_of_numbers(labels, after_, bins_max_));
    }
    add_side("users", features.users, features.user_rows);
    add_side("items", features.items, features.item_rows);
  }

  void add_side(const char* of, const FeatureTable& table, std::span<const std::uint32_t> row_of) {
    std::vector<std::uint32_t> rows;
    for (const Feedback& row : feedback_.set.rows) rows.push_back(row_of[row.row]);
    for (const FeatureColumn& column : table.columns) {
      if (column.kind != ColumnKind::kNumber) {
        add(of, column.name, bins_of_texts(column.texts, rows, bins_max_));
        continue;
      }
      std::vector<double> values;
      for (const std::uint32_t row : rows) values.push_back(column.numbers[row]);
      add(of, column.name, bins_of_numbers(values, after_, bins_max_));
    }
  }

  NewcomerShare newcomers(std::span<const std::uint32_t> numbers, std::size_t count) const {
    const auto share = [&](std::size_t from, std::size_t to) {
      std::vector<bool> known(count);
      for (std::size_t row = 0; row < from; ++row) known[numbers[row]] = true;
      std::size_t rows = 0;
      for (std::size_t row = from; row < to; ++row) rows += !known[numbers[row]];
      return static_cast<double>(rows) / static_cast<double>(std::max<std::size_t>(to - from, 1));
    };
    const std::size_t as_many = std::min(numbers.size() - after_, after_ / 2);
    return {.after = share(after_, numbers.size()), .before = share(after_ - as_many, after_)};
  }

  const TrainingFeedback& feedback_;
  const std::size_t after_;
  const std::vector<std::uint32_t> users_, items_;  ///< of the rows
  const StabilityMeter meter_;
  std::size_t bins_max_ = 2;
  InputComparison found_;
};

}  // namespace

InputComparison compare_inputs(const TrainingFeedback& feedback, std::size_t after) {
  return InputComparer(feedback, after).compare();
}

}  // namespace millrace
