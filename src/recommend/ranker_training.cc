#include "recommend/ranker_training.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "recommend/logistic_regression.h"
#include "warehouse/duck.h"

namespace millrace {
namespace {

constexpr std::size_t kListsMax = 100'000;
constexpr double kTestShare = 0.2;
constexpr double kPenalty = 1;
constexpr std::size_t kResamples = 1'000;
constexpr std::uint64_t kSeed = 17;

/// Whether an item was chosen, of each that was served by the pipeline and kept with features.
constexpr std::string_view kServedSql = R"(
WITH served AS (
  SELECT recommendation_id, served_time, coalesce(user_id, session_id) AS who, position, item_id, features
  FROM recommendations
  WHERE features IS NOT NULL AND starts_with(model, $1 || '@')
), chosen AS (
  SELECT DISTINCT s.recommendation_id, s.item_id FROM served s JOIN item_interactions i
    ON i.item_id = s.item_id AND i.recommendation_id = s.recommendation_id
  WHERE i.type IN ('item_view', 'page_view', 'read', 'add_to_cart', 'activity')
  UNION
  SELECT DISTINCT s.recommendation_id, s.item_id FROM served s JOIN order_lines o
    ON o.item_id = s.item_id AND o.recommendation_id = s.recommendation_id WHERE o.type = 'purchase'
  UNION
  SELECT DISTINCT s.recommendation_id, s.item_id FROM served s JOIN item_interactions i
    ON i.item_id = s.item_id AND (i.user_id = s.who OR i.anonymous_id = s.who OR i.session_id = s.who)
    AND i.event_time > s.served_time AND i.event_time <= s.served_time + INTERVAL 30 MINUTE
  WHERE i.type IN ('item_view', 'page_view', 'read', 'add_to_cart', 'activity')
), lists AS (
  SELECT DISTINCT s.recommendation_id, s.served_time FROM served s SEMI JOIN chosen USING (recommendation_id)
  ORDER BY s.served_time DESC, s.recommendation_id LIMIT $2
)
SELECT s.recommendation_id, s.features, c.item_id IS NOT NULL
FROM served s JOIN lists l USING (recommendation_id) LEFT JOIN chosen c USING (recommendation_id, item_id)
ORDER BY l.served_time, s.recommendation_id, s.position)";

std::map<std::string, float, std::less<>> features_of(std::string_view text) {
  std::map<std::string, float, std::less<>> features;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return features;
  for (const auto& [name, value] : json.items())
    if (value.is_number()) features[name] = value.get<float>();
  return features;
}

/// 1 over the place of the first chosen item, for an order of the list.
template <class Before>
float reciprocal_rank(const ServedList& list, Before before) {
  std::vector<std::size_t> order(list.items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, before);
  for (std::size_t place = 0; place < order.size(); ++place)
    if (list.items[order[place]].chosen) return 1.F / static_cast<float>(place + 1);
  return 0;
}

double score_of(const Ranker& ranker, const ServedList::Item& item) {
  double sum = 0;
  for (const auto& [name, value] : item.features) sum += ranker.weight_of(name) * value;
  return sum;
}

Result<Ranker> fit_ranker(std::span<const ServedList> lists) {
  std::map<std::string, std::size_t, std::less<>> columns;
  for (const ServedList& list : lists)
    for (const ServedList::Item& item : list.items)
      for (const auto& [name, value] : item.features) columns.emplace(name, 0);
  std::size_t count = 0;
  for (auto& [name, column] : columns) column = count++;
  const std::size_t width = count + 1;  // the last: how far down it stood
  std::vector<float> x;
  std::vector<std::uint8_t> y;
  for (const ServedList& list : lists)
    for (std::size_t place = 0; place < list.items.size(); ++place) {
      x.resize(x.size() + width);
      const auto row = std::span(x).last(width);
      for (const auto& [name, value] : list.items[place].features) row[columns.find(name)->second] = value;
      row.back() = std::log2(static_cast<float>(place + 1));
      y.push_back(list.items[place].chosen ? 1 : 0);
    }
  MILLRACE_ASSIGN(const LogisticRegression fitted, fit_logistic(x, width, y, kPenalty));
  Ranker ranker{.version = {}, .intercept = fitted.intercept, .weights = {}};
  for (const auto& [name, column] : columns) ranker.weights[name] = fitted.weights[column];
  return ranker;
}

nlohmann::json json_of(const Estimate& estimate) {
  return {{"mean", estimate.mean}, {"low", estimate.low}, {"high", estimate.high}};
}

}  // namespace

Result<std::vector<ServedList>> read_served_lists(Warehouse& warehouse, std::string_view pipeline) {
  MILLRACE_ASSIGN(duck::Connection connection, warehouse.connect_for_answer());
  MILLRACE_ASSIGN(duck::Rows rows,
                  connection.query(std::string(kServedSql),
                                   {std::string(pipeline), static_cast<std::int64_t>(kListsMax)}));
  std::vector<ServedList> lists;
  std::string last;
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return lists;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const std::string_view id = rows.text(0, row);
      if (lists.empty() || id != last) lists.emplace_back();
      last = id;
      lists.back().items.push_back({features_of(rows.text(1, row)), rows.boolean(2, row)});
    }
  }
}

Result<TrainedRanker> train_ranker(std::span<const ServedList> lists) {
  if (lists.size() < kServedListsMin)
    return fail(
        Code::kInvalid,
        fmt::format(
            "something was chosen from {} answers of it so far, {} are needed: let it answer for a while, "
            "and have your pages send recommendation_id with what people do",
            lists.size(), kServedListsMin));
  const auto test = static_cast<std::size_t>(static_cast<double>(lists.size()) * kTestShare);
  const auto before = lists.first(lists.size() - test), after = lists.last(test);
  MILLRACE_ASSIGN(const Ranker judged, fit_ranker(before));
  std::vector<float> ranked, served, difference;
  for (const ServedList& list : after) {
    ranked.push_back(reciprocal_rank(list, [&](std::size_t a, std::size_t b) {
      return score_of(judged, list.items[a]) > score_of(judged, list.items[b]);
    }));
    served.push_back(reciprocal_rank(list, std::less()));
    difference.push_back(ranked.back() - served.back());
  }
  TrainedRanker trained{.ranker = {},
                        .lists = lists.size(),
                        .test_lists = after.size(),
                        .ranked = {},
                        .served = {},
                        .difference = {}};
  trained.ranked = bootstrap_mean(ranked, kResamples, kSeed);
  trained.served = bootstrap_mean(served, kResamples, kSeed);
  trained.difference = bootstrap_mean(difference, kResamples, kSeed);
  MILLRACE_ASSIGN(trained.ranker, fit_ranker(lists));  // what was held out is the newest: learn from it too
  return trained;
}

nlohmann::json to_json(const TrainedRanker& trained) {
  return {{"version", trained.ranker.version},
          {"intercept", trained.ranker.intercept},
          {"weights", trained.ranker.weights},
          {"lists", trained.lists},
          {"test_lists", trained.test_lists},
          {"mrr",
           {{"ranked", json_of(trained.ranked)},
            {"served", json_of(trained.served)},
            {"difference", json_of(trained.difference)}}},
          {"better", trained.better()}};
}

}  // namespace millrace
