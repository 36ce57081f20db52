#include "model/evaluation_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/evaluation_plots.h"
#include "model/evaluation_run.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

nlohmann::json small_report() {
  FeedbackSet all;
  for (std::uint32_t user = 0; user < 30; ++user)
    for (std::uint32_t k = 0; k < 6; ++k)
      all.rows.push_back({.user = all.users.add(std::to_string(user)),
                          .item = all.items.add(std::to_string(user % 3 * 10 + (user * 3 + k * k) % 10)),
                          .time = k * 1'000 + user});
  sort_by_time(all.rows);
  const EvaluationOptions options{.n = 3, .further_n = {5, 8}, .resamples = 50};
  const auto report = run_evaluation(
      split_by_time(all, 4'000), std::vector<NamedRanking>{{"near <b>&", {.kind = RankingKind::kItemKnn}}},
      options, {}, {});
  return to_json(report.value());
}

TEST(EvaluationPage, SaysTheVerdictFirstAndHasEveryPart) {
  const std::string page = evaluation_page(small_report(), "clicks.txt");
  EXPECT_LT(page.find("id=\"verdict\""), page.find("id=\"quality\""));
  EXPECT_THAT(page,
              AllOf(HasSubstr("with its fallback"), HasSubstr("NDCG of the first 3"), HasSubstr("recall@5"),
                    HasSubstr("NDCG@8"), HasSubstr("warm (30)"), HasSubstr("of the most popular tenth")));
  EXPECT_THAT(page, Not(HasSubstr("How often to train"))) << "cadences were not compared";
}

TEST(EvaluationPage, EscapesNamesAndNeedsNothingElse) {
  const std::string page = evaluation_page(small_report(), "</title><script>alert(1)</script>");
  EXPECT_THAT(page, HasSubstr("near &lt;b&gt;&amp; + fallback"));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("near <b>")), Not(HasSubstr("<script")), Not(HasSubstr("http")),
                          Not(HasSubstr("url(")), Not(HasSubstr("<link")), Not(HasSubstr("<img"))));
}

TEST(EvaluationPage, TakesAnOlderReportAndAnEmptyOne) {
  nlohmann::json older = small_report();
  older.erase("further_n");
  older.erase("retraining");
  for (auto& model : older["models"])
    for (const char* part : {"alone", "with_fallback"}) model[part].erase("further");
  EXPECT_THAT(evaluation_page(older, "old@1"),
              AllOf(HasSubstr("NDCG of the first 3"), Not(HasSubstr("By length"))));
  EXPECT_THAT(evaluation_page(nlohmann::json::object(), "none"), HasSubstr("Only the baselines"));
  EXPECT_THAT(evaluation_page({{"models", 3}, {"further_n", {{{"a", 1}}}}, {"n", "x"}}, "odd"),
              HasSubstr("</html>"));
}

TEST(EvaluationPage, ShowsHowOftenToTrain) {
  RetrainReport walk{
      .model = "near", .n = 10, .period = kDayUs, .periods = 4, .cadences = {}, .why = "daily <because>"};
  for (const char* name : {"daily", "never"}) {
    CadenceResult one{.cadence = {name, 0},
                      .trainings = 2,
                      .whole = {0.2, 0.1, 0.3},
                      .by_age = {{0, 0, 9, 0.2, 0}, {1, 1, 9, 0.1, -0.1}}};
    one.churn = Churn{1, 0.25, 0.4};
    walk.cadences.push_back(std::move(one));
  }
  nlohmann::json report = small_report();
  report["retraining"] = {to_json(walk)};
  EXPECT_THAT(
      evaluation_page(report, "r"),
      AllOf(HasSubstr("How often to train near: daily &lt;because&gt;"), HasSubstr("As the model gets old"),
            HasSubstr("age in periods of 24 hours"), HasSubstr("-0.1000"), HasSubstr("0.250")));
}

TEST(EvaluationPlots, PutsValuesOnARoundAxis) {
  const std::vector<PlotRow> rows = {{.name = "a", .dots = {{"alone", {0.05, 0.02, 0.1}, false}}}};
  const std::string plot = dot_plot(rows, true);
  EXPECT_THAT(plot, AllOf(HasSubstr(">0.00<"), HasSubstr(">0.10<"), HasSubstr("cx=\"50.00%\"")));
  EXPECT_EQ(dot_plot({}, true), "");
  const std::vector<PlotRow> flat = {{.name = "a", .dots = {{"alone", {0.05, 0.05, 0.05}, false}}}};
  EXPECT_THAT(dot_plot(flat, false), AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf"))));
}

}  // namespace
}  // namespace millrace
