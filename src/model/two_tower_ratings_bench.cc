// How well ratings of a shop's products are foreseen from features alone. Protocol: the shop's 2,532 ratings, 1
// to 5 (people: city, state, postal code, country as categories, credit limit as a number; products: line and
// scale as categories, quantity in stock, price and recommended price as numbers; no ids, but for "item mean"); rows
// shuffled with seed 1 and cut into five folds, each foreseen by what was trained on the other four; RMSE
// over all rows, everything within 1 to 5. Beside the two towers: the mean rating of the training (the mean
// itself has RMSE = standard deviation), each product's mean drawn to it as if by 10 ratings, and ridge regression on the
// same features (numbers standardised, categories one by one, λ the best of 1 to 10,000 by a fifth of the
// training). These ratings are made up: what nothing foresees better than the mean is noise, and a model is good
// here when it says so. With --tiny two folds. Prints one JSON object a line.
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

#include "base/shared_data_testing.h"
#include "linalg/kernels.h"
#include "model/two_tower.h"
#include "warehouse/duck.h"

namespace millrace {
namespace {

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "two_tower_ratings_bench: {}\n", result.error().text());
  std::exit(1);
}

struct Ratings {
  FeatureTable users, items;
  std::vector<std::string> products;  ///< of each row of `items`
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
  auto rows = must(connection.query(fmt::format(
      "SELECT customernumber{}, productcode{}, productrating FROM read_csv('{}', all_varchar = true) ORDER BY ALL",
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
      ratings.rows.push_back({.user = number,
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

/// How much a way of foreseeing is off, squared and summed.
using Foreseen = std::vector<double>;

Foreseen by_mean(const Ratings&, const Fold& fold) {
  return Foreseen(fold.test.size(), mean_rating(fold.train));
}

Foreseen by_item_mean(const Ratings& ratings, const Fold& fold) {
  constexpr double kDrawn = 10;
  const double mean = mean_rating(fold.train);
  std::map<std::string, std::pair<double, double>> sums;
  for (const TwoTowerExample& row : fold.train) {
    auto& [sum, count] = sums[ratings.items.ids[row.item]];
    sum += row.label - mean;
    ++count;
  }
  Foreseen all;
  for (const TwoTowerExample& row : fold.test) {
    const auto& [sum, count] = sums[ratings.items.ids[row.item]];
    all.push_back(mean + sum / (count + kDrawn));
  }
  return all;
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

Foreseen ridge(const Matrix& all, std::span<const TwoTowerExample> train, std::span<const TwoTowerExample> test,
               double lambda) {
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
                                  .rating_min = 1,
                                  .rating_max = 5,
                                  .held_out = 0.2};
  const TwoTowerModel model = must(train_two_tower(ratings.users, ratings.items, fold.train, settings, {}));
  const Matrix users = must(model.users.embed(ratings.users)).vectors;
  const Matrix items = must(model.items.embed(ratings.items)).vectors;
  Foreseen foreseen;
  for (const TwoTowerExample& row : fold.test) foreseen.push_back(model.score(users.row(row.user), items.row(row.item)));
  return foreseen;
}

int run(bool tiny) {
  const Path file = shared_data("ecommerce/ratings_ml_training_dataset.csv");
  if (file.empty()) {
    fmt::print(stderr, "two_tower_ratings_bench: skipped, there is no shared data\n");
    return 0;
  }
  Ratings ratings = read_ratings(file);
  std::mt19937_64 random(1);
  std::ranges::shuffle(ratings.rows, random);
  const std::size_t folds = tiny ? 2 : 5;
  const std::pair<const char*, Foreseen (*)(const Ratings&, const Fold&)> ways[] = {
      {"mean", by_mean}, {"item mean", by_item_mean}, {"ridge", by_ridge}, {"two towers", by_two_towers}};
  for (const auto& [name, foresee] : ways) {
    double squares = 0;
    for (std::size_t f = 0; f < folds; ++f) {
      const Fold fold = fold_of(ratings.rows, f, folds);
      squares += squares_off(foresee(ratings, fold), fold.test);
    }
    fmt::print(R"({{"name":"shop ratings, {}","value":{:.4f},"unit":"RMSE","rows":{}}})"
               "\n",
               name, std::sqrt(squares / static_cast<double>(ratings.rows.size())), ratings.rows.size());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  return millrace::run(argc > 1 && std::strcmp(argv[1], "--tiny") == 0);
}
