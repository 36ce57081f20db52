#include "model/evaluation.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>

#include <fmt/format.h>

#include "base/parallel.h"
#include "base/text.h"

namespace millrace {
namespace {

constexpr std::size_t kCasesPerSlice = 16;
constexpr std::size_t kListLengthMax = 10'000;

std::vector<std::uint32_t> items_of(std::span<const Feedback> rows) {
  std::vector<std::uint32_t> items;
  for (const Feedback& row : rows) items.push_back(row.item);
  std::ranges::sort(items);
  const auto repeats = std::ranges::unique(items);
  items.erase(repeats.begin(), repeats.end());
  return items;
}

std::vector<std::vector<Feedback>> by_user(std::span<const Feedback> rows, std::size_t users) {
  std::vector<std::vector<Feedback>> all(users);
  for (const Feedback& row : rows) all[row.user].push_back(row);
  return all;
}

/// Whether more than the share's rest holds a user back, by a hash that nothing else uses.
bool held_out(std::uint32_t user, double share, std::uint64_t seed) {
  std::mt19937_64 random(seed ^ (0x9E3779B97F4A7C15ULL * (user + 1ULL)));
  random.discard(2);
  return static_cast<double>(random() >> 11U) * 0x1.0p-53 < share;
}

/// Of each item: the share of people who met it.
std::vector<double> reach(std::span<const Feedback> rows, std::size_t users, std::size_t items) {
  const SparseMatrix met_by = meetings_of(rows, users, items).transposed();
  std::vector<double> shares(items);
  for (std::size_t i = 0; i < items; ++i)
    shares[i] =
        static_cast<double>(met_by.row(i).size()) / static_cast<double>(std::max<std::size_t>(users, 1));
  return shares;
}

std::vector<std::uint32_t> without(std::span<const std::uint32_t> items,
                                   std::span<const std::uint32_t> others) {
  std::vector<std::uint32_t> rest;
  std::ranges::set_difference(items, others, std::back_inserter(rest));
  return rest;
}

EvaluationOf summarize(std::span<const MetricValues> each, const EvaluationOptions& options) {
  EvaluationOf summary{.people = each.size(), .metrics = {}};
  std::vector<float> values(each.size());
  for (std::size_t m = 0; m < kMetricCount; ++m) {
    for (std::size_t i = 0; i < each.size(); ++i) values[i] = each[i][m];
    summary.metrics[m] = bootstrap_mean(values, options.resamples, options.seed);
  }
  return summary;
}

void add_list_figures(Evaluation& evaluation, std::span<const std::vector<std::uint32_t>> lists,
                      const EvaluationData& data, std::size_t n) {
  const std::vector<double> shares = reach(data.train, data.users, data.items);
  std::vector<std::uint32_t> order(data.items);
  for (std::uint32_t i = 0; i < data.items; ++i) order[i] = i;
  std::ranges::stable_sort(order, [&](auto a, auto b) { return shares[a] > shares[b]; });
  std::vector<bool> top(data.items), shown(data.items);
  for (std::size_t k = 0; k < (data.items + 9) / 10; ++k) top[order[k]] = true;
  std::size_t places = 0, of_top = 0, distinct = 0;
  double surprise = 0;
  for (const auto& list : lists)
    for (const std::uint32_t item : std::span(list).first(std::min(n, list.size()))) {
      ++places;
      of_top += top[item];
      distinct += !shown[item];
      shown[item] = true;
      // What nobody met is as surprising as what half a person met.
      surprise -=
          std::log2(std::max(shares[item], 0.5 / static_cast<double>(std::max<std::size_t>(data.users, 1))));
    }
  const auto count = static_cast<double>(std::max<std::size_t>(places, 1));
  evaluation.coverage =
      static_cast<double>(distinct) / static_cast<double>(std::max<std::size_t>(data.items, 1));
  evaluation.novelty = surprise / count;
  evaluation.popularity_bias = static_cast<double>(of_top) / count;
}

nlohmann::json json_of(const EvaluationOf& part) {
  nlohmann::json json{{"people", part.people}};
  for (std::size_t m = 0; m < kMetricCount; ++m)
    json[std::string(metric_name(static_cast<Metric>(m)))] = {
        {"mean", part.metrics[m].mean}, {"low", part.metrics[m].low}, {"high", part.metrics[m].high}};
  return json;
}

}  // namespace

TimeUs time_at_share(std::span<const Feedback> rows, double share) {
  if (rows.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(rows.size()));
  return rows[std::min(at, rows.size() - 1)].time;
}

EvaluationData split_by_time(const FeedbackSet& all, TimeUs at) {
  EvaluationData data{.users = all.users.size(),
                      .items = all.items.size(),
                      .protocol = fmt::format("by time: trained before {}, asked then", format_time(at))};
  const auto cut = std::ranges::lower_bound(all.rows, at, {}, &Feedback::time);
  data.train.assign(all.rows.begin(), cut);
  auto before = by_user(data.train, data.users);
  const auto after = by_user({cut, all.rows.end()}, data.users);
  for (std::uint32_t user = 0; user < data.users; ++user)
    if (!after[user].empty())
      data.cases.push_back({user, std::move(before[user]), items_of(after[user]), at});
  return data;
}

EvaluationData split_given(const FeedbackSet& train, std::span<const Feedback> asked) {
  EvaluationData data{.train = train.rows,
                      .cases = {},
                      .users = train.users.size(),
                      .items = train.items.size(),
                      .protocol = "as given: trained on one set of rows, asked for another"};
  auto before = by_user(data.train, data.users);
  const auto after = by_user(asked, data.users);
  for (std::uint32_t user = 0; user < data.users; ++user)
    if (!after[user].empty())
      data.cases.push_back({user, std::move(before[user]), items_of(after[user]), after[user].front().time});
  return data;
}

EvaluationData split_leave_last_out(const FeedbackSet& all) {
  EvaluationData data{.users = all.users.size(),
                      .items = all.items.size(),
                      .protocol = "leave last out: everyone's last interaction is asked for"};
  auto rows = by_user(all.rows, data.users);
  std::vector<bool> has_case(data.users);
  for (std::uint32_t user = 0; user < data.users; ++user)
    if (rows[user].size() > 1) {
      const Feedback last = rows[user].back();
      rows[user].pop_back();
      data.train.insert(data.train.end(), rows[user].begin(), rows[user].end());
      data.cases.push_back({user, std::move(rows[user]), {last.item}, last.time});
    } else {
      data.train.insert(data.train.end(), rows[user].begin(), rows[user].end());
    }
  sort_by_time(data.train);
  return data;
}

EvaluationData split_by_people(const FeedbackSet& all, double share, std::uint64_t seed) {
  EvaluationData data{
      .users = all.users.size(),
      .items = all.items.size(),
      .protocol =
          fmt::format("strong generalization: {:.0f} % of the people are held out whole, told 80 % of theirs",
                      100 * share)};
  auto rows = by_user(all.rows, data.users);
  std::mt19937_64 random(seed);
  for (std::uint32_t user = 0; user < data.users; ++user) {
    if (!held_out(user, share, seed)) {
      data.train.insert(data.train.end(), rows[user].begin(), rows[user].end());
      continue;
    }
    std::vector<std::uint32_t> items = items_of(rows[user]);
    std::ranges::shuffle(items, random);
    const auto told = items.size() * 4 / 5;
    std::vector<std::uint32_t> wanted(items.begin() + static_cast<std::ptrdiff_t>(told), items.end());
    std::ranges::sort(wanted);
    if (told == 0 || wanted.empty()) continue;
    std::erase_if(rows[user],
                  [&](const Feedback& row) { return std::ranges::binary_search(wanted, row.item); });
    const TimeUs now = rows[user].back().time;
    data.cases.push_back({user, std::move(rows[user]), std::move(wanted), now});
  }
  sort_by_time(data.train);
  return data;
}

Status set_list_lengths(EvaluationOptions& options, std::string_view text) {
  std::vector<std::size_t> lengths;
  for (std::size_t at = 0; at <= text.size();) {
    const std::string_view one = text.substr(at, text.find(',', at) - at);
    std::size_t n = 0;
    const auto [end, error] = std::from_chars(one.data(), one.data() + one.size(), n);
    if (error != std::errc{} || end != one.data() + one.size() || n < 1 || n > kListLengthMax)
      return fail(Code::kInvalid,
                  fmt::format("'{}' is no length of a list: give 1 to {}, or several as 10,20,100",
                              one.substr(0, kShownBytesMax), kListLengthMax));
    if (std::ranges::find(lengths, n) == lengths.end()) lengths.push_back(n);
    at += one.size() + 1;
  }
  options.n = lengths.front();
  options.further_n.assign(lengths.begin() + 1, lengths.end());
  return {};
}

std::vector<std::vector<std::uint32_t>> lists_of(const RankingModel& model, const EvaluationData& data,
                                                 const EvaluationOptions& options) {
  std::size_t longest = options.n;
  for (const std::size_t n : options.further_n) longest = std::max(longest, n);
  std::vector<std::vector<std::uint32_t>> lists(data.cases.size());
  // Threads fill places of their own.
  parallel_for(
      lists.size(), kCasesPerSlice, options.threads,
      [&](std::size_t begin, std::size_t end) {
        std::vector<float> scores(data.items);
        for (std::size_t c = begin; c < end; ++c) {
          const EvaluationCase& one = data.cases[c];
          model.score({.history = one.history, .now = one.now, .user = one.user}, scores);
          lists[c] = best_items(scores, longest,
                                options.repeats ? std::vector<std::uint32_t>() : items_of(one.history));
        }
      },
      options.stop);
  return lists;
}

Evaluation evaluate(std::string name, const RankingModel& model, const EvaluationData& data,
                    const EvaluationOptions& options) {
  const auto lists = lists_of(model, data, options);
  std::vector<bool> known(data.items);
  for (const Feedback& row : data.train) known[row.item] = true;
  Evaluation evaluation{.model = std::move(name)};
  std::vector<MetricValues> warm, cold, new_items;
  std::vector<std::vector<MetricValues>> further(options.further_n.size());
  for (std::size_t c = 0; c < lists.size(); ++c) {
    const EvaluationCase& one = data.cases[c];
    const std::vector<std::uint32_t> wanted =
        options.repeats ? one.wanted : without(one.wanted, items_of(one.history));
    if (wanted.empty()) continue;
    evaluation.each.push_back(judge(lists[c], options.n, wanted));
    (one.history.empty() ? cold : warm).push_back(evaluation.each.back());
    for (std::size_t k = 0; k < further.size(); ++k)
      further[k].push_back(judge(lists[c], options.further_n[k], wanted));
    std::vector<std::uint32_t> unknown;
    for (const std::uint32_t item : wanted)
      if (!known[item]) unknown.push_back(item);
    if (!unknown.empty()) new_items.push_back(judge(lists[c], options.n, unknown));
  }
  evaluation.all = summarize(evaluation.each, options);
  evaluation.warm = summarize(warm, options);
  evaluation.cold = summarize(cold, options);
  evaluation.new_items = summarize(new_items, options);
  for (std::size_t k = 0; k < further.size(); ++k)
    evaluation.further.push_back({options.further_n[k], summarize(further[k], options)});
  add_list_figures(evaluation, lists, data, options.n);
  return evaluation;
}

Estimate difference(const Evaluation& a, const Evaluation& b, Metric metric,
                    const EvaluationOptions& options) {
  std::vector<float> values(std::min(a.each.size(), b.each.size()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = a.each[i][static_cast<std::size_t>(metric)] - b.each[i][static_cast<std::size_t>(metric)];
  return bootstrap_mean(values, options.resamples, options.seed);
}

nlohmann::json to_json(const Evaluation& evaluation) {
  nlohmann::json further = nlohmann::json::array();
  for (const EvaluationAt& at : evaluation.further) {
    further.push_back(json_of(at.all));
    further.back()["n"] = at.n;
  }
  return {{"model", evaluation.model},
          {"all", json_of(evaluation.all)},
          {"warm", json_of(evaluation.warm)},
          {"cold", json_of(evaluation.cold)},
          {"new_items", json_of(evaluation.new_items)},
          {"coverage", evaluation.coverage},
          {"novelty", evaluation.novelty},
          {"popularity_bias", evaluation.popularity_bias},
          {"further", std::move(further)}};
}

}  // namespace millrace
