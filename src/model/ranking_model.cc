#include "model/ranking_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "linalg/kernels.h"

namespace millrace {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

double aged(DurationUs age, DurationUs half_life) {
  return half_life <= 0 ? 1 : std::exp2(-static_cast<double>(age) / static_cast<double>(half_life));
}

/// Models give 0 to what they have nothing to say of; say so.
void silence_zeros(std::span<float> scores) {
  std::ranges::replace(scores, 0.F, kNothing);
}

class PopularityRanking : public RankingModel {
 public:
  PopularityRanking(std::span<const Interaction> rows, std::size_t items, DurationUs half_life)
      : weights_(items) {
    for (const Interaction& row : rows)
      weights_[row.item] += static_cast<float>(row.weight * aged(rows.back().time - row.time, half_life));
    silence_zeros(weights_);
  }
  void score(const Person&, std::span<float> scores) const override {
    std::ranges::copy(weights_, scores.begin());
  }

 private:
  std::vector<float> weights_;
};

/// A model whose `score` takes a row of the matrix.
template <class Model>
class RowRanking : public RankingModel {
 public:
  RowRanking(Model model, DurationUs half_life) : model_(std::move(model)), half_life_(half_life) {}
  void score(const Person& person, std::span<float> scores) const override {
    const HistoryRow history(person, scores.size(), half_life_);
    model_.score(history.row(), scores);
    silence_zeros(scores);
  }

 private:
  const Model model_;
  const DurationUs half_life_;
};

class AlsRanking : public RankingModel {
 public:
  AlsRanking(AlsModel model, DurationUs half_life) : model_(std::move(model)), half_life_(half_life) {}
  void score(const Person& person, std::span<float> scores) const override {
    const HistoryRow history(person, scores.size(), half_life_);
    const auto factors = model_.fold_in(history.row());
    kernels().dots(model_.items.data(), scores.size(), factors.size(), factors.data(), scores.data());
    silence_zeros(scores);
  }

 private:
  const AlsModel model_;
  const DurationUs half_life_;
};

class SessionRanking : public RankingModel {
 public:
  SessionRanking(std::span<const Interaction> rows, const SessionKnnSettings& settings)
      : sessions_(settings) {
    for (const Interaction& row : rows) sessions_.add(row.user, row.item, row.time);
  }
  void score(const Person& person, std::span<float> scores) const override {
    std::vector<std::uint32_t> items;
    for (const Interaction& row : person.history) items.push_back(row.item);
    std::ranges::fill(scores, 0.F);
    thread_local SessionKnn::Scratch scratch;
    sessions_.score(items, person.now, scratch, scores);
    silence_zeros(scores);
  }

 private:
  SessionKnn sessions_;
};

class FallbackRanking : public RankingModel {
 public:
  FallbackRanking(const RankingModel& model, const RankingModel& fallback)
      : model_(model), fallback_(fallback) {}
  void score(const Person& person, std::span<float> scores) const override {
    model_.score(person, scores);
    std::vector<float> others(scores.size());
    fallback_.score(person, others);
    // Below the worst that the model says, in the order of the fallback.
    float worst = 0, most = 1;
    for (const float score : scores)
      if (score > kNothing) worst = std::min(worst, score);
    for (const float score : others)
      if (score > kNothing) most = std::max(most, score);
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (scores[i] == kNothing && others[i] > kNothing) scores[i] = worst - 1 + others[i] / most;
  }

 private:
  const RankingModel& model_;
  const RankingModel& fallback_;
};

std::vector<Interaction> prepared(std::span<const Interaction> rows, const RankingSettings& settings) {
  std::vector<Interaction> weighted(rows.begin(), rows.end());
  if (settings.once) {
    // The last of each pair, at its own time.
    std::ranges::stable_sort(weighted, {},
                             [](const Interaction& row) { return std::pair(row.user, row.item); });
    std::vector<Interaction> last;
    for (const Interaction& row : weighted) {
      if (!last.empty() && last.back().user == row.user && last.back().item == row.item) last.pop_back();
      last.push_back(row);
      last.back().weight = 1;
    }
    weighted = std::move(last);
    sort_by_time(weighted);
  }
  if (settings.half_life > 0)
    for (Interaction& row : weighted)
      row.weight *= static_cast<float>(aged(rows.back().time - row.time, settings.half_life));
  return weighted;
}

}  // namespace

HistoryRow::HistoryRow(const Person& person, std::size_t items, DurationUs half_life) {
  std::vector<std::pair<std::uint32_t, float>> met;
  for (const Interaction& row : person.history)
    if (row.item < items)
      met.emplace_back(row.item, static_cast<float>(row.weight * aged(person.now - row.time, half_life)));
  std::ranges::stable_sort(met, {}, &std::pair<std::uint32_t, float>::first);
  for (const auto& [item, weight] : met)
    if (!columns.empty() && columns.back() == item) {
      values.back() += weight;
    } else {
      columns.push_back(item);
      values.push_back(weight);
    }
}

namespace {
constexpr std::array<std::string_view, static_cast<std::size_t>(RankingKind::kCount)> kKindNames = {
    "popularity", "item_knn", "ease", "als", "session_knn"};
}

std::string_view ranking_kind_name(RankingKind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

std::optional<RankingKind> ranking_kind(std::string_view name) {
  const auto found = std::ranges::find(kKindNames, name);
  if (found == kKindNames.end()) return std::nullopt;
  return static_cast<RankingKind>(found - kKindNames.begin());
}

Result<std::unique_ptr<RankingModel>> train_ranking(std::span<const Interaction> rows, std::size_t users,
                                                    std::size_t items, const RankingSettings& settings,
                                                    const TrainingControl& control) {
  if (settings.kind == RankingKind::kPopularity)
    return std::make_unique<PopularityRanking>(rows, items, settings.half_life);
  if (settings.kind == RankingKind::kSessionKnn)
    return std::make_unique<SessionRanking>(rows, settings.session_knn);
  const SparseMatrix meetings = meetings_of(prepared(rows, settings), users, items);
  if (settings.kind == RankingKind::kAls) {
    MILLRACE_ASSIGN(AlsModel model, train_als(meetings, settings.als, control));
    return std::make_unique<AlsRanking>(std::move(model), settings.half_life);
  }
  if (settings.kind == RankingKind::kEase) {
    MILLRACE_ASSIGN(EaseModel model, train_ease(meetings, settings.ease, control));
    return std::make_unique<RowRanking<EaseModel>>(std::move(model), settings.half_life);
  }
  MILLRACE_ASSIGN(ItemKnnModel model, train_item_knn(meetings, settings.item_knn, control));
  return std::make_unique<RowRanking<ItemKnnModel>>(std::move(model), settings.half_life);
}

std::unique_ptr<RankingModel> with_fallback(const RankingModel& model, const RankingModel& fallback) {
  return std::make_unique<FallbackRanking>(model, fallback);
}

}  // namespace millrace
