// How well two towers foresee what can be foreseen. Prints one JSON object a line; with --tiny little of it.
//
// Planted tastes: 4,000 people and 300 items with hidden vectors, which features carry
// (feature_taste_testing.h); each met 40 items, a fifth of which is asked for; a tenth of people and of items
// have no example. The share of the NDCG@10 that who knows the truth would reach: of people and items of the
// training, of people never seen (all that they met is wanted), of items never seen (only they are shown), of
// both; without ids, and with ids, of which there is nothing to learn.
//
// A shop's ratings: 2,532, from 1 to 5 (people: city, state, postal code, country as categories, credit limit
// as a number; products: line and scale as categories, quantity in stock, price and recommended price as
// numbers; no ids). Rows shuffled and cut into five folds, each foreseen by what was trained on the other
// four, three times with seeds 1 to 3; RMSE over all rows, everything within 1 to 5. Beside the two towers:
// the mean rating of the training, each product's and each customer's mean drawn to it as if by 10 ratings,
// and ridge regression on the same features (numbers standardised, categories one by one, λ the best of 1 to
// 10,000 for the last fifth of the training, then trained on all of it). The towers' weight decay was chosen
// on folds of seed 1, where 3, 10 and 20 do alike. These ratings are made up: their standard deviation
// is 1.108, and nothing here explains more than an eighth of their variance; products' means tell nothing,
// customers' features a little.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/parallel.h"
#include "base/shared_data_testing.h"
#include "linalg/kernels.h"
#include "model/feature_taste_testing.h"
#include "model/two_tower.h"
#include "warehouse/duck.h"

namespace millrace {
namespace {

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "two_tower_accuracy_bench: {}\n", result.error().text());
  std::exit(1);
}

struct Ratings {
  FeatureTable users, items;
  std::vector<TwoTowerExample> rows;
};

using ColumnNames = std::vector<std::pair<const char*, ColumnKind>>;

const ColumnNames kUserColumns = {{"city", ColumnKind::kCategory},
                                  {"state", ColumnKind::kCategory},
                                  {"postalcode", ColumnKind::kCategory},
                                  {"country", ColumnKind::kCategory},
                                  {"creditlimit", ColumnKind::kNumber}};
const ColumnNames kItemColumns = {{"productline", ColumnKind::kCategory},
                                  {"productscale", ColumnKind::kCategory},
                                  {"quantityinstock", ColumnKind::kNumber},
                                  {"buyprice", ColumnKind::kNumber},
                                  {"msrp", ColumnKind::kNumber}};

void begin_table(const ColumnNames& names, FeatureTable& table) {
  for (const auto& [name, kind] : names) table.columns.push_back({.name = name, .kind = kind});
}

/// Add a row that begins at the SQL column `from`, whose key stands before.
void add_row(const duck::Rows& rows, std::size_t row, std::size_t key, FeatureTable& table) {
  table.ids.emplace_back(rows.text(key, row));
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    const std::string text(rows.text(key + 1 + c, row));
    if (table.columns[c].kind == ColumnKind::kNumber)
      table.columns[c].numbers.push_back(text.empty() ? std::nan("") : std::atof(text.c_str()));
    else
      table.columns[c].texts.push_back(text);
  }
}

std::string select_list(const ColumnNames& names) {
  std::string list;
  for (const auto& [name, kind] : names) list += fmt::format(", coalesce({}, '')", name);
  return list;
}

Ratings read_ratings(const Path& file) {
  auto database = must(duck::Database::open(":memory:", {}));
  auto connection = must(database->connect());
  auto rows = must(
      connection.query(fmt::format("SELECT customernumber{}, productcode{}, productrating FROM "
                                   "read_csv('{}', all_varchar = true) ORDER BY ALL",
                                   select_list(kUserColumns), select_list(kItemColumns), file.string())));
  Ratings ratings;
  begin_table(kUserColumns, ratings.users);
  begin_table(kItemColumns, ratings.items);
  const std::size_t product = 1 + kUserColumns.size(), rating = product + 1 + kItemColumns.size();
  while (must(rows.next_chunk()))
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const auto number = static_cast<std::uint32_t>(ratings.rows.size());
      add_row(rows, row, 0, ratings.users);
      add_row(rows, row, product, ratings.items);
      ratings.rows.push_back(
          {.user = number,
           .item = number,
           .label = static_cast<float>(std::atof(std::string(rows.text(rating, row)).c_str()))});
    }
  return ratings;
}

/// Which rows train and which are foreseen.
struct Fold {
  std::vector<TwoTowerExample> train, test;
};

Fold fold_of(std::span<const TwoTowerExample> rows, std::size_t fold, std::size_t folds) {
  Fold one;
  for (std::size_t i = 0; i < rows.size(); ++i) (i % folds == fold ? one.test : one.train).push_back(rows[i]);
  return one;
}

double mean_rating(std::span<const TwoTowerExample> rows) {
  double sum = 0;
  for (const TwoTowerExample& row : rows) sum += row.label;
  return sum / static_cast<double>(rows.size());
}

/// What is foreseen for the rows of a test.
using Foreseen = std::vector<double>;

Foreseen by_mean(const Ratings&, const Fold& fold) {
  return Foreseen(fold.test.size(), mean_rating(fold.train));
}

/// The mean of the rows of one id, drawn to that of all as if by ten rows.
Foreseen by_mean_of(std::span<const std::string> id_of_row, const Fold& fold) {
  constexpr double kDrawn = 10;
  const double mean = mean_rating(fold.train);
  std::map<std::string, std::pair<double, double>> sums;
  for (const TwoTowerExample& row : fold.train) {
    auto& [sum, count] = sums[id_of_row[row.item]];
    sum += row.label - mean;
    ++count;
  }
  Foreseen all;
  for (const TwoTowerExample& row : fold.test) {
    const auto& [sum, count] = sums[id_of_row[row.item]];
    all.push_back(mean + sum / (count + kDrawn));
  }
  return all;
}

Foreseen by_product_mean(const Ratings& ratings, const Fold& fold) {
  return by_mean_of(ratings.items.ids, fold);
}

Foreseen by_customer_mean(const Ratings& ratings, const Fold& fold) {
  return by_mean_of(ratings.users.ids, fold);
}

/// A row of features as numbers: standardised numbers, then a place for each vector of each category.
std::vector<float> one_hot(const FeatureEncoder& encoder, const EncodedRows& rows, std::uint32_t row) {
  std::vector<float> x(rows.numbers.row(row).begin(), rows.numbers.row(row).end());
  const auto fields = encoder.fields();
  for (std::size_t f = 0; f < fields.size(); ++f) {
    const std::size_t at = x.size();
    x.resize(at + fields[f]->vectors());
    for (const FieldWeight& entry : rows.field(row, f)) x[at + entry.index] += entry.weight;
  }
  return x;
}

Foreseen ridge(const Matrix& all, std::span<const TwoTowerExample> train,
               std::span<const TwoTowerExample> test, double lambda) {
  const std::size_t n = all.columns;
  const double mean = mean_rating(train);
  Matrix gram(n, n);
  std::vector<float> weights(n);
  for (const TwoTowerExample& row : train) {
    const float* const x = all.row(row.user).data();
    kernels().add_gram(x, 1, n, gram.data());
    kernels().axpy(static_cast<float>(row.label - mean), x, weights.data(), n);
  }
  for (std::size_t i = 0; i < n; ++i) gram.row(i)[i] += static_cast<float>(lambda);
  if (!kernels().cholesky_solve(gram.data(), n, weights.data())) std::exit(1);
  Foreseen foreseen;
  for (const TwoTowerExample& row : test)
    foreseen.push_back(mean + kernels().dot(weights.data(), all.row(row.user).data(), n));
  return foreseen;
}

double squares_off(const Foreseen& foreseen, std::span<const TwoTowerExample> test) {
  double sum = 0;
  for (std::size_t i = 0; i < test.size(); ++i)
    sum += std::pow(std::clamp(foreseen[i], 1.0, 5.0) - test[i].label, 2);
  return sum;
}

Foreseen by_ridge(const Ratings& ratings, const Fold& fold) {
  std::vector<std::uint32_t> counts(ratings.rows.size());
  for (const TwoTowerExample& row : fold.train) counts[row.user] = 1;
  const auto users = must(FeatureEncoder::fit(ratings.users, counts, {}, "users"));
  const auto items = must(FeatureEncoder::fit(ratings.items, counts, {}, "items"));
  const auto user_rows = must(users.encode(ratings.users)), item_rows = must(items.encode(ratings.items));
  Matrix all;
  for (std::uint32_t i = 0; i < ratings.rows.size(); ++i) {
    std::vector<float> x = one_hot(users, user_rows, i);
    const std::vector<float> more = one_hot(items, item_rows, i);
    x.insert(x.end(), more.begin(), more.end());
    all.columns = x.size();
    all.values.insert(all.values.end(), x.begin(), x.end());
    ++all.rows;
  }
  const std::size_t kept = fold.train.size() / 5;
  const auto train = std::span(fold.train).first(fold.train.size() - kept);
  const auto tried = std::span(fold.train).last(kept);
  const auto worse = [&](double a, double b) {
    return squares_off(ridge(all, train, tried, a), tried) < squares_off(ridge(all, train, tried, b), tried);
  };
  const std::array lambdas = {1.0, 10.0, 100.0, 1'000.0, 10'000.0};
  return ridge(all, fold.train, fold.test, *std::ranges::min_element(lambdas, worse));
}

Foreseen by_two_towers(const Ratings& ratings, const Fold& fold) {
  const TwoTowerSettings settings{.goal = TwoTowerGoal::kRatings,
                                  .batch = 64,
                                  .learning_rate = 0.001,
                                  .weight_decay = 10,
                                  .rating_min = 1,
                                  .rating_max = 5,
                                  .held_out = 0};
  const TwoTowerModel model = must(train_two_tower(ratings.users, ratings.items, fold.train, settings, {}));
  const Matrix users = must(model.users.embed(ratings.users)).vectors;
  const Matrix items = must(model.items.embed(ratings.items)).vectors;
  Foreseen foreseen;
  for (const TwoTowerExample& row : fold.test)
    foreseen.push_back(model.score(users.row(row.user), items.row(row.item)));
  return foreseen;
}

void print_line(const std::string& name, double value, const char* unit) {
  fmt::print(R"({{"name":"two_tower, {}","value":{:.4f},"unit":"{}"}})"
             "\n",
             name, value, unit);
  std::fflush(stdout);
}

void foresee_tastes(bool ids, bool tiny) {
  const PlantedFeatures features =
      plant_features(tiny ? 100 : 4'000, tiny ? 50 : 300, 4, tiny ? 10 : 40, ids, 8);
  const TwoTowerModel model =
      must(train_two_tower(features.users, features.items, features.examples,
                           {.epochs = 10, .weight_decay = 0.5}, {.threads = default_threads()}));
  const Matrix scores = planted_scores(model, features);
  for (const bool users : {false, true})
    for (const bool items : {false, true}) {
      const PlantedScore score = judge_planted(features, scores, users, items);
      print_line(
          fmt::format("planted tastes{}, {} people, {} items (popularity {:.2f})", ids ? " with ids" : "",
                      users ? "unseen" : "seen", items ? "unseen" : "all", score.popularity / score.oracle),
          score.share(), "of the oracle's NDCG@10");
    }
}

void foresee_ratings(const Path& file, bool tiny) {
  const Ratings in_order = read_ratings(file);
  const std::size_t folds = 5, seeds = tiny ? 1 : 3, folds_done = tiny ? 1 : folds;
  const std::pair<const char*, Foreseen (*)(const Ratings&, const Fold&)> ways[] = {
      {"mean", by_mean},
      {"product's mean", by_product_mean},
      {"customer's mean", by_customer_mean},
      {"ridge", by_ridge},
      {"two towers", by_two_towers}};
  for (std::size_t seed = 1; seed <= seeds; ++seed) {
    Ratings ratings = in_order;
    std::mt19937_64 random(seed);
    std::ranges::shuffle(ratings.rows, random);
    for (const auto& [name, foresee] : ways) {
      double squares = 0, rows = 0;
      for (std::size_t f = 0; f < folds_done; ++f) {
        const Fold fold = fold_of(ratings.rows, f, folds);
        squares += squares_off(foresee(ratings, fold), fold.test);
        rows += static_cast<double>(fold.test.size());
      }
      print_line(fmt::format("shop ratings, seed {}, {}", seed, name), std::sqrt(squares / rows), "RMSE");
    }
  }
}

int run(bool tiny) {
  for (const bool ids : {false, true}) foresee_tastes(ids, tiny);
  const Path file = shared_data("ecommerce/ratings_ml_training_dataset.csv");
  if (file.empty())
    fmt::print(stderr, "two_tower_accuracy_bench: the ratings are skipped, there is no shared data\n");
  else
    foresee_ratings(file, tiny);
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  return millrace::run(argc > 1 && std::strcmp(argv[1], "--tiny") == 0);
}
