// How well the next click of a news session is foreseen: models that learn with every click against the
// popularity of the last hour. Protocol: the 36 hours of the shared news clicks in order of time. The first
// 30 are learnt from; in the last 6 each click of a session but its first is asked for before it is learnt.
// Every article met so far is a candidate, and what the session met already is not (nor asked for). MRR@20
// and hit rate @20 over all clicks asked for. The weights of the blend are chosen on hours 24 to 30 alone.
// With --tiny every 40th click is asked for. Prints one JSON object a line.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/parallel.h"
#include "base/shared_data_testing.h"
#include "model/next_item.h"
#include "model/ranking_metrics.h"
#include "warehouse/duck.h"

namespace millrace {
namespace {

struct Click {
  std::uint64_t session = 0;
  std::uint32_t item = 0;
  TimeUs time = 0;
};

/// What is asked at one moment.
struct Question {
  std::vector<std::uint32_t> seen;  ///< by the session, ascending
  std::uint32_t wanted = 0;
};

/// How well one way to rank answers.
struct Tally {
  double reciprocal_ranks = 0;
  double hits = 0;
  std::size_t asked = 0;

  void add(std::span<const float> scores, const Question& question) {
    const auto list = best_items(scores, 20, question.seen);
    const auto values = judge(list, 20, std::span(&question.wanted, 1));
    reciprocal_ranks += values[static_cast<std::size_t>(Metric::kMrr)];
    hits += values[static_cast<std::size_t>(Metric::kHitRate)];
    ++asked;
  }
  double mrr() const { return reciprocal_ranks / static_cast<double>(std::max<std::size_t>(asked, 1)); }
  double hit_rate() const { return hits / static_cast<double>(std::max<std::size_t>(asked, 1)); }
};

[[noreturn]] void give_up(const Error& error) {
  fmt::print(stderr, "news_bench: {}\n", error.text());
  std::exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) give_up(result.error());
  return *std::move(result);
}

/// All clicks in order of time, sessions and articles numbered.
std::vector<Click> read_clicks(const Path& folder) {
  auto database = must(duck::Database::open(":memory:", {}));
  auto connection = must(database->connect());
  auto rows = must(connection.query(
      fmt::format("SELECT session_id::BIGINT, click_article_id::BIGINT, click_timestamp::BIGINT "
                  "FROM read_csv('{}/clicks_hour_*.csv.gz') ORDER BY 3, 1, 2",
                  folder.string())));
  std::vector<Click> clicks;
  std::unordered_map<std::int64_t, std::uint32_t> items;
  while (must(rows.next_chunk()))
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const auto item =
          items.try_emplace(rows.int64(1, row), static_cast<std::uint32_t>(items.size())).first->second;
      clicks.push_back(
          {static_cast<std::uint64_t>(rows.int64(0, row)), item, rows.int64(2, row) * kMillisecondUs});
    }
  return clicks;
}

/// The clicks of the last hour, and how often each article was met.
class LastHour {
 public:
  void add(const Click& click, std::size_t at) {
    if (click.item >= counts_.size()) counts_.resize(click.item + 1);
    ++counts_[click.item];
    newest_ = at + 1;
  }
  void forget(std::span<const Click> clicks, TimeUs now) {
    for (; oldest_ < newest_ && clicks[oldest_].time < now - kHourUs; ++oldest_)
      --counts_[clicks[oldest_].item];
  }
  const std::vector<float>& counts() const { return counts_; }

 private:
  std::vector<float> counts_;
  std::size_t oldest_ = 0, newest_ = 0;
};

/// Goes through all clicks once; asks those whose place in time `asks` says so before they are learnt.
template <class Ask>
void stream(std::span<const Click> clicks, const NextItemSettings& settings, TimeUs from, TimeUs to,
            std::size_t every, const Ask& ask) {
  NextItemModel model(settings);
  LastHour last_hour;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> sessions;
  std::size_t turn = 0;
  for (std::size_t at = 0; at < clicks.size() && clicks[at].time < to; ++at) {
    const Click& click = clicks[at];
    auto& session = sessions[click.session];
    const bool repeated = std::ranges::find(session, click.item) != session.end();
    if (click.time >= from && !session.empty() && !repeated && turn++ % every == 0) {
      last_hour.forget(clicks, click.time);
      Question question{session, click.item};
      std::ranges::sort(question.seen);
      ask(model, last_hour.counts(), session, click.time, question);
    }
    model.add(click.session, click.item, click.time);
    last_hour.add(click, at);
    if (!repeated) session.push_back(click.item);
  }
}

using Weights = std::array<double, kNextItemParts>;

/// Find weights by going round the parts, trying others of each while the rest stay.
Weights find_weights(std::span<const Click> clicks, const NextItemSettings& settings, TimeUs from, TimeUs to,
                     std::size_t every) {
  // What every part says at each question, for the articles that any part ranks at all.
  struct Asked {
    Question question;
    std::array<std::vector<float>, kNextItemParts> parts;
  };
  std::vector<Asked> all;
  NextItemModel::Scratch scratch;
  stream(clicks, settings, from, to, every,
         [&](const NextItemModel& model, const std::vector<float>& counts,
             std::span<const std::uint32_t> session, TimeUs now, const Question& question) {
           Asked& asked = all.emplace_back(question);
           for (std::size_t p = 0; p < kNextItemParts; ++p) {
             asked.parts[p].resize(counts.size());
             model.score_part(static_cast<NextItemPart>(p), session, now, scratch, asked.parts[p]);
           }
         });
  const auto mrr_of = [&](const Weights& weights) {
    std::vector<double> slices((all.size() + 63) / 64);
    parallel_for(all.size(), 64, default_threads(), [&](std::size_t begin, std::size_t end) {
      Tally tally;
      std::vector<float> sum;
      for (std::size_t q = begin; q < end; ++q) {
        sum.assign(all[q].parts[0].size(), 0);
        for (std::size_t p = 0; p < kNextItemParts; ++p)
          for (std::size_t i = 0; i < sum.size(); ++i)
            sum[i] += static_cast<float>(weights[p]) * all[q].parts[p][i];
        tally.add(sum, all[q].question);
      }
      slices[begin / 64] = tally.reciprocal_ranks;
    });
    double sum = 0;
    for (const double slice : slices) sum += slice;
    return sum;
  };
  Weights best = settings.weights;
  double reached = mrr_of(best);
  for (int round = 0; round < 3; ++round)
    for (std::size_t p = 0; p < kNextItemParts; ++p) {
      for (const double other_value : {0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5}) {
        Weights other = best;
        other[p] = other_value;
        if (const double mrr = mrr_of(other); mrr > reached) {
          reached = mrr;
          best = other;
        }
      }
    }
  return best;
}

void print(std::string_view name, const Tally& tally, const Tally& yardstick, double wanted) {
  const double ratio = tally.mrr() / yardstick.mrr();
  fmt::print(R"({{"name":"news next click, {}","value":{:.4f},"unit":"MRR@20","hit_rate":{:.4f},"asked":{},)"
             R"("yardstick":"popularity of the last hour","yardstick_value":{:.4f},"ratio":{:.3f})",
             name, tally.mrr(), tally.hit_rate(), tally.asked, yardstick.mrr(), ratio);
  if (wanted > 0) fmt::print(R"(,"target":{},"pass":{})", wanted, ratio >= wanted);
  fmt::print("}}\n");
}

int run(bool tiny) {
  const Path folder = shared_data("news");
  if (folder.empty()) {
    fmt::print(stderr, "news_bench: skipped, there is no shared data\n");
    return 0;
  }
  const std::vector<Click> clicks = read_clicks(folder);
  const TimeUs begin = clicks.front().time;
  NextItemSettings settings;
  settings.weights =
      find_weights(clicks, settings, begin + 24 * kHourUs, begin + 30 * kHourUs, tiny ? 400 : 20);

  std::array<Tally, kNextItemParts> parts;
  Tally yardstick, blend;
  NextItemModel::Scratch scratch;
  std::vector<float> scores;
  stream(clicks, settings, begin + 30 * kHourUs, kTimeMax, tiny ? 40 : 1,
         [&](const NextItemModel& model, const std::vector<float>& counts,
             std::span<const std::uint32_t> session, TimeUs now, const Question& question) {
           yardstick.add(counts, question);
           scores.resize(counts.size());
           for (std::size_t p = 0; p < kNextItemParts; ++p) {
             model.score_part(static_cast<NextItemPart>(p), session, now, scratch, scores);
             parts[p].add(scores, question);
           }
           model.score(session, now, scratch, scores);
           blend.add(scores, question);
         });
  print("popularity of the last hour", yardstick, yardstick, 0);
  for (std::size_t p = 0; p < kNextItemParts; ++p)
    print(next_item_part_name(static_cast<NextItemPart>(p)), parts[p], yardstick, p == 0 ? 1.05 : 0);
  print(fmt::format("blend ({:.2g})", fmt::join(settings.weights, ", ")), blend, yardstick, 1.15);
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  return millrace::run(argc > 1 && std::strcmp(argv[1], "--tiny") == 0);
}
