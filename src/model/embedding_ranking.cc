#include "model/embedding_ranking.h"

#include <algorithm>
#include <limits>

#include "linalg/kernels.h"
#include "model/tower_files.h"

namespace millrace {
namespace {

constexpr std::string_view kUserVectors = "user_vectors";
constexpr std::string_view kItemVectors = "item_vectors";

class EmbeddingRanking : public RankingModel {
 public:
  EmbeddingRanking(MatrixView users, MatrixView items, std::shared_ptr<const void> owner,
                   std::optional<TwoTowerModel> towers)
      : users_(users), items_(items), owner_(std::move(owner)), towers_(std::move(towers)) {}

  void score(const Person& person, std::span<float> scores) const override {
    const std::vector<float> user = user_vector(person);
    if (user.empty()) {
      std::ranges::fill(scores, -std::numeric_limits<float>::infinity());
      return;
    }
    kernels().dots(items_.data(), scores.size(), user.size(), user.data(), scores.data());
    if (foresees_ratings())
      for (float& score : scores) score = static_cast<float>(towers_->ratings->rating(score));
  }

  Status save(BundleWriter& into) const override {
    MILLRACE_TRY(into.add(kUserVectors, users_));
    MILLRACE_TRY(into.add(kItemVectors, items_));
    if (!towers_) return {};
    return write_towers(*towers_, [&](const std::string& file, std::string_view bytes) {
      return into.add_bytes(file, bytes);
    });
  }

  std::optional<MatrixView> item_vectors() const override {
    if (foresees_ratings()) return std::nullopt;  // a rating is no dot product, though it grows with one
    return items_;
  }

  std::optional<MatrixView> user_vectors() const override { return users_; }

  std::vector<float> user_vector(const Person& person) const override {
    if (towers_ && person.features != nullptr)
      if (auto told = towers_->users.embed(*person.features)) return std::move(told->vectors.values);
    if (person.user && *person.user < users_.rows) {
      const auto own = users_.row(*person.user);
      return {own.begin(), own.end()};
    }
    return foresees_ratings() ? std::vector<float>() : mean_of(person.history);
  }

  bool foresees_ratings() const override { return towers_ && towers_->ratings; }
  const TwoTowerModel* towers() const override { return towers_ ? &*towers_ : nullptr; }

 private:
  std::vector<float> mean_of(std::span<const Feedback> history) const {
    std::vector<float> sum;
    float weights = 0;
    for (const Feedback& row : history) {
      if (row.item >= items_.rows) continue;
      sum.resize(items_.columns);
      kernels().axpy(row.weight, items_.row(row.item).data(), sum.data(), sum.size());
      weights += row.weight;
    }
    if (weights <= 0) return {};
    for (float& value : sum) value /= weights;
    return sum;
  }

  const MatrixView users_;
  const MatrixView items_;
  const std::shared_ptr<const void> owner_;  ///< of the vectors
  const std::optional<TwoTowerModel> towers_;
};

struct OwnedVectors {
  Matrix users;
  Matrix items;
};

}  // namespace

std::vector<std::uint32_t> last_rows(std::span<const Feedback> rows, std::vector<std::uint32_t> first,
                                     std::span<const std::uint32_t> row_of,
                                     std::uint32_t Feedback::* number) {
  for (const Feedback& row : rows) first[row.*number] = row_of[row.row];
  return first;
}

std::unique_ptr<RankingModel> make_embedding_ranking(MatrixView users, MatrixView items,
                                                     std::shared_ptr<const void> owner,
                                                     std::optional<TwoTowerModel> towers) {
  return std::make_unique<EmbeddingRanking>(users, items, std::move(owner), std::move(towers));
}

Result<std::unique_ptr<RankingModel>> train_two_tower_ranking(std::span<const Feedback> rows,
                                                              const RankingFeatures& features,
                                                              const TwoTowerSettings& settings,
                                                              const TrainingControl& control) {
  std::vector<TwoTowerExample> examples;
  examples.reserve(rows.size());
  for (const Feedback& row : rows) {
    TwoTowerExample& example = examples.emplace_back(TwoTowerExample{
        .user = features.user_rows[row.row], .item = features.item_rows[row.row], .weight = row.weight});
    if (!features.labels.empty()) example.label = features.labels[row.row];
  }
  MILLRACE_ASSIGN(TwoTowerModel model,
                  train_two_tower(features.users, features.items, examples, settings, control));
  if (settings.held_out > 0 && model.held_out > 0) {
    // What told when to stop is the newest there is: learn from it too, for as long as was found good.
    TwoTowerSettings again = settings;
    again.held_out = 0;
    again.epochs = model.epochs;
    MILLRACE_ASSIGN(model, train_two_tower(features.users, features.items, examples, again,
                                           {.threads = control.threads, .stop = control.stop}));
  }
  const auto users = last_rows(rows, features.first_user_row, features.user_rows, &Feedback::user);
  const auto items = last_rows(rows, features.first_item_row, features.item_rows, &Feedback::item);
  MILLRACE_ASSIGN(Embeddings of_users, model.users.embed(features.users.take(users), control.threads));
  MILLRACE_ASSIGN(Embeddings of_items, model.items.embed(features.items.take(items), control.threads));
  const auto kept = std::make_shared<const OwnedVectors>(
      OwnedVectors{std::move(of_users.vectors), std::move(of_items.vectors)});
  return make_embedding_ranking(kept->users, kept->items, kept, std::move(model));
}

Result<std::unique_ptr<RankingModel>> load_embedding_ranking(const BundleReader& bundle, std::size_t users,
                                                             std::size_t items) {
  const auto unfit = [&](std::string_view what) {
    return fail(Code::kCorrupt, std::string(what), bundle.dir().string());
  };
  MILLRACE_ASSIGN(const MatrixView of_users, bundle.matrix(kUserVectors));
  MILLRACE_ASSIGN(const MatrixView of_items, bundle.matrix(kItemVectors));
  if (of_users.rows != users || of_items.rows != items)
    return unfit("it has not a vector for each user and each item");
  if (of_users.rows > 0 && of_users.columns != of_items.columns)
    return unfit("its vectors of users and of items are not as long as each other");
  std::optional<TwoTowerModel> towers;
  if (bundle.has(kTowersFile)) {
    MILLRACE_ASSIGN(towers, read_towers(
                                [&](const std::string& file) -> Result<std::string> {
                                  MILLRACE_ASSIGN(const std::string_view bytes, bundle.bytes(file));
                                  return std::string(bytes);
                                },
                                bundle.dir()));
    if (towers->items.tower.outputs() != of_items.columns)
      return unfit("its towers' vectors are not as long as those of its items");
  }
  return make_embedding_ranking(of_users, of_items, bundle.files(), std::move(towers));
}

}  // namespace millrace
