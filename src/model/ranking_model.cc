#include "model/ranking_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "linalg/kernels.h"
#include "model/embedding_ranking.h"
#include "model/segment_popularity.h"

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
  explicit PopularityRanking(std::vector<float> weights) : weights_(std::move(weights)) {}
  void score(const Person&, std::span<float> scores) const override {
    std::ranges::copy(weights_, scores.begin());
    silence_zeros(scores);
  }
  Status save(BundleWriter& into) const override {
    return into.add("weights", std::span<const float>(weights_));
  }

 private:
  const std::vector<float> weights_;
};

class ItemKnnRanking : public RankingModel {
 public:
  ItemKnnRanking(SparseMatrix weights, DurationUs half_life)
      : weights_(std::move(weights)), half_life_(half_life) {}
  void score(const Person& person, std::span<float> scores) const override {
    score_by_items(weights_, HistoryRow(person, scores.size(), half_life_).row(), scores);
    silence_zeros(scores);
  }
  Status save(BundleWriter& into) const override { return into.add("weights", weights_); }

 private:
  const SparseMatrix weights_;
  const DurationUs half_life_;
};

class EaseRanking : public RankingModel {
 public:
  EaseRanking(MatrixView weights, std::shared_ptr<const void> owner, DurationUs half_life)
      : weights_(weights), owner_(std::move(owner)), half_life_(half_life) {}
  void score(const Person& person, std::span<float> scores) const override {
    score_by_items(weights_, HistoryRow(person, scores.size(), half_life_).row(), scores);
    silence_zeros(scores);
  }
  Status save(BundleWriter& into) const override { return into.add("weights", weights_); }

 private:
  const MatrixView weights_;
  const std::shared_ptr<const void> owner_;  ///< of the weights
  const DurationUs half_life_;
};

class AlsRanking : public RankingModel {
 public:
  AlsRanking(MatrixView users, MatrixView items, std::shared_ptr<const void> owner,
             const RankingSettings& settings, int threads)
      : users_(users),
        owner_(std::move(owner)),
        fold_in_(settings.als, items, threads),
        half_life_(settings.half_life) {}

  void score(const Person& person, std::span<float> scores) const override {
    const auto factors = user_vector(person);
    if (factors.empty()) {
      std::ranges::fill(scores, kNothing);
      return;
    }
    kernels().dots(fold_in_.items().data(), scores.size(), factors.size(), factors.data(), scores.data());
    silence_zeros(scores);
  }
  Status save(BundleWriter& into) const override {
    MILLRACE_TRY(into.add("user_factors", users_));
    return into.add("item_factors", fold_in_.items());
  }
  std::optional<MatrixView> item_vectors() const override { return fold_in_.items(); }
  std::optional<MatrixView> user_vectors() const override { return users_; }

  /// What they did says more than what they once did: only without a history the training's factors count.
  std::vector<float> user_vector(const Person& person) const override {
    const HistoryRow met(person, fold_in_.items().rows, half_life_);
    if (!met.columns.empty()) return fold_in_.factors(met.row());
    if (!person.user || *person.user >= users_.rows) return {};
    const auto own = users_.row(*person.user);
    return {own.begin(), own.end()};
  }

 private:
  const MatrixView users_;
  const std::shared_ptr<const void> owner_;  ///< of the factors
  const AlsFoldIn fold_in_;
  const DurationUs half_life_;
};

class SessionRanking : public RankingModel {
 public:
  explicit SessionRanking(SessionKnn sessions) : sessions_(std::move(sessions)) {}
  void score(const Person& person, std::span<float> scores) const override {
    std::vector<std::uint32_t> items;
    for (const Feedback& row : person.history) items.push_back(row.item);
    std::ranges::fill(scores, 0.F);
    thread_local SessionKnn::Scratch scratch;
    sessions_.score(items, person.now, scratch, scores);
    silence_zeros(scores);
  }
  Status save(BundleWriter& into) const override {
    std::vector<std::int64_t> sessions, times;
    std::vector<std::int32_t> items;
    sessions_.for_each([&](std::uint64_t session, std::uint32_t item, TimeUs time) {
      sessions.push_back(static_cast<std::int64_t>(session));
      items.push_back(static_cast<std::int32_t>(item));
      times.push_back(time);
    });
    MILLRACE_TRY(into.add("sessions", std::span<const std::int64_t>(sessions)));
    MILLRACE_TRY(into.add("session_items", std::span<const std::int32_t>(items)));
    return into.add("session_times", std::span<const std::int64_t>(times));
  }

 private:
  const SessionKnn sessions_;
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
  Status save(BundleWriter&) const override { return fail(Code::kInternal, "its parts are saved apart"); }

 private:
  const RankingModel& model_;
  const RankingModel& fallback_;
};

std::vector<Feedback> prepared(std::span<const Feedback> rows, const RankingSettings& settings) {
  auto first = rows.begin();
  if (settings.window > 0 && !rows.empty())
    first = std::ranges::lower_bound(rows, rows.back().time - settings.window, {}, &Feedback::time);
  std::vector<Feedback> weighted(first, rows.end());
  if (settings.once) {
    // The last of each pair, at its own time.
    std::ranges::stable_sort(weighted, {}, [](const Feedback& row) { return std::pair(row.user, row.item); });
    std::vector<Feedback> last;
    for (const Feedback& row : weighted) {
      if (!last.empty() && last.back().user == row.user && last.back().item == row.item) last.pop_back();
      last.push_back(row);
      last.back().weight = 1;
    }
    weighted = std::move(last);
    sort_by_time(weighted);
  }
  if (settings.half_life > 0)
    for (Feedback& row : weighted)
      row.weight *= static_cast<float>(aged(rows.back().time - row.time, settings.half_life));
  return weighted;
}

}  // namespace

HistoryRow::HistoryRow(const Person& person, std::size_t items, DurationUs half_life) {
  std::vector<std::pair<std::uint32_t, float>> met;
  for (const Feedback& row : person.history)
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

Result<std::unique_ptr<RankingModel>> train_ranking(std::span<const Feedback> rows, std::size_t users,
                                                    std::size_t items, const RankingSettings& settings,
                                                    const TrainingControl& control,
                                                    const RankingFeatures* features) {
  if (settings.kind == RankingKind::kImported)
    return fail(Code::kInvalid, "its vectors were made elsewhere: bring them by millrace model import");
  if (settings.kind == RankingKind::kTwoTower) {
    if (features == nullptr)
      return fail(Code::kInvalid,
                  "two towers need to know something of users and items; files of interactions "
                  "have no features: declare users and items in models/NAME.yaml");
    return train_two_tower_ranking(prepared(rows, settings), *features, settings.two_tower, control);
  }
  if (settings.kind == RankingKind::kPopularity && !settings.segment.empty()) {
    if (features == nullptr)
      return fail(Code::kInvalid,
                  "files of interactions say nothing of a segment: declare it in models/NAME.yaml");
    return train_segment_popularity(prepared(rows, settings), items, settings, *features);
  }
  if (settings.kind == RankingKind::kPopularity) {
    std::vector<float> weights(items);
    for (const Feedback& row : prepared(rows, settings)) weights[row.item] += row.weight;
    return std::make_unique<PopularityRanking>(std::move(weights));
  }
  if (settings.kind == RankingKind::kSessionKnn) {
    SessionKnn sessions(settings.session_knn);
    for (const Feedback& row : prepared(rows, settings)) sessions.add(row.user, row.item, row.time);
    return std::make_unique<SessionRanking>(std::move(sessions));
  }
  const SparseMatrix meetings = meetings_of(prepared(rows, settings), users, items);
  if (settings.kind == RankingKind::kAls) {
    MILLRACE_ASSIGN(AlsModel trained, train_als(meetings, settings.als, control));
    const auto kept = std::make_shared<const AlsModel>(std::move(trained));
    return std::make_unique<AlsRanking>(kept->users, kept->items, kept, settings, control.threads);
  }
  if (settings.kind == RankingKind::kEase) {
    MILLRACE_ASSIGN(EaseModel trained, train_ease(meetings, settings.ease, control));
    const auto kept = std::make_shared<const EaseModel>(std::move(trained));
    return std::make_unique<EaseRanking>(kept->weights, kept, settings.half_life);
  }
  MILLRACE_ASSIGN(ItemKnnModel trained, train_item_knn(meetings, settings.item_knn, control));
  return std::make_unique<ItemKnnRanking>(std::move(trained.weights), settings.half_life);
}

namespace {

std::unexpected<Error> unfit_array(const BundleReader& bundle, std::string_view what) {
  return fail(Code::kCorrupt, std::string(what), bundle.dir().string());
}

Result<std::unique_ptr<RankingModel>> load_sessions(const BundleReader& bundle,
                                                    const RankingSettings& settings, std::size_t items) {
  MILLRACE_ASSIGN(const auto sessions, bundle.int64s("sessions"));
  MILLRACE_ASSIGN(const auto session_items, bundle.int32s("session_items"));
  MILLRACE_ASSIGN(const auto times, bundle.int64s("session_times"));
  if (session_items.size() != sessions.size() || times.size() != sessions.size())
    return unfit_array(bundle, "its sessions are of different lengths");
  SessionKnn index(settings.session_knn);
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    if (session_items[i] < 0 || static_cast<std::size_t>(session_items[i]) >= items)
      return unfit_array(bundle, "a session holds an item that is none");
    index.add(static_cast<std::uint64_t>(sessions[i]), static_cast<std::uint32_t>(session_items[i]),
              times[i]);
  }
  return std::make_unique<SessionRanking>(std::move(index));
}

}  // namespace

Result<std::unique_ptr<RankingModel>> load_ranking(const BundleReader& bundle,
                                                   const RankingSettings& settings, std::size_t users,
                                                   std::size_t items) {
  switch (settings.kind) {
    case RankingKind::kPopularity: {
      if (!settings.segment.empty()) return load_segment_popularity(bundle, settings, users, items);
      MILLRACE_ASSIGN(const auto weights, bundle.floats("weights"));
      if (weights.size() != items) return unfit_array(bundle, "it has not one weight for each item");
      return std::make_unique<PopularityRanking>(std::vector<float>(weights.begin(), weights.end()));
    }
    case RankingKind::kItemKnn: {
      MILLRACE_ASSIGN(SparseMatrix weights, bundle.sparse("weights", items));
      if (weights.rows() != items) return unfit_array(bundle, "it has not one row for each item");
      return std::make_unique<ItemKnnRanking>(std::move(weights), settings.half_life);
    }
    case RankingKind::kEase: {
      MILLRACE_ASSIGN(const MatrixView weights, bundle.matrix("weights"));
      if (weights.rows != items || weights.columns != items)
        return unfit_array(bundle, "it has not a weight for each two items");
      return std::make_unique<EaseRanking>(weights, bundle.files(), settings.half_life);
    }
    case RankingKind::kAls: {
      MILLRACE_ASSIGN(const MatrixView of_users, bundle.matrix("user_factors"));
      MILLRACE_ASSIGN(const MatrixView factors, bundle.matrix("item_factors"));
      if (factors.rows != items || factors.columns != settings.als.factors ||
          of_users.columns != factors.columns)
        return unfit_array(bundle, "it has not the factors of each item");
      return std::make_unique<AlsRanking>(of_users, factors, bundle.files(), settings, 1);
    }
    case RankingKind::kSessionKnn:
      return load_sessions(bundle, settings, items);
    case RankingKind::kTwoTower:
    case RankingKind::kImported:
      return load_embedding_ranking(bundle, users, items);
    case RankingKind::kCount:
      break;
  }
  return unfit_array(bundle, "it is of no kind that is known");
}

std::unique_ptr<RankingModel> with_fallback(const RankingModel& model, const RankingModel& fallback) {
  return std::make_unique<FallbackRanking>(model, fallback);
}

}  // namespace millrace
