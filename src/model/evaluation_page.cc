#include "model/evaluation_page.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "model/evaluation_page_style.h"
#include "model/evaluation_plots.h"
#include "model/evaluation_run.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

/// A member however deep, "/all/ndcg/mean"; 0 where there is none.
double number_at(const Json& json, const std::string& path) {
  const Json found = json.value(Json::json_pointer(path), Json());
  return found.is_number() ? found.get<double>() : 0;
}

std::size_t count_at(const Json& json, const std::string& path) {
  return static_cast<std::size_t>(std::max(0.0, number_at(json, path)));
}

std::string text_at(const Json& json, const char* member) {
  const auto found = json.find(member);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& list_at(const Json& json, const char* member) {
  static const Json none = Json::array();
  const auto found = json.find(member);
  return found != json.end() && found->is_array() ? *found : none;
}

Estimate estimate_at(const Json& json, const std::string& path) {
  return {number_at(json, path + "/mean"), number_at(json, path + "/low"), number_at(json, path + "/high")};
}

/// A table whose rows become cards where the page is narrow.
class PageTable {
 public:
  explicit PageTable(std::vector<std::string> heads) : heads_(std::move(heads)) {}
  /// Add a row; the first cell is its head. Cells are HTML.
  void add(const std::vector<std::string>& cells) {
    rows_ += "<tr>";
    for (std::size_t k = 0; k < cells.size(); ++k)
      rows_ += k == 0 ? fmt::format(R"(<th scope="row">{}</th>)", cells[k])
                      : fmt::format(R"(<td data-of="{}">{}</td>)", html_escaped(heads_[k]), cells[k]);
    rows_ += "</tr>";
  }
  std::string html() const {
    std::string out = "<table><thead><tr>";
    for (const std::string& head : heads_)
      out += fmt::format(R"(<th scope="col">{}</th>)", html_escaped(head));
    return out + "</tr></thead><tbody>" + rows_ + "</tbody></table>";
  }

 private:
  std::vector<std::string> heads_;
  std::string rows_;
};

std::string with_interval(const Estimate& estimate) {
  return fmt::format(R"({:.4f} <small>{:.4f} to {:.4f}</small>)", estimate.mean, estimate.low, estimate.high);
}

std::string with_bar(double share) {
  return fmt::format(
      R"(<span class="bar" style="--share:{:.1f}%"></span> <span class="share">{:.1f} %</span>)",
      100 * std::clamp(share, 0.0, 1.0), 100 * share);
}

/// One part of the page, with its place in the contents.
struct PageSection {
  std::string id;
  std::string head;
  std::string body;
};

bool is_baseline(const Json& model) {
  return text_at(model, "name").starts_with("popularity");
}

/// Whether its fallback made a difference to anyone.
bool has_whole(const Json& model) {
  return model.value("alone", Json()) != model.value("with_fallback", Json()) && !is_baseline(model);
}

/// Call `add` with a name and an evaluation for each model alone, and for each as a whole where that differs.
template <class Add>
void for_each_evaluation(const Json& report, const Add& add) {
  for (const Json& model : list_at(report, "models")) {
    const std::string name = html_escaped(text_at(model, "name"));
    if (model.contains("alone")) add(name, model["alone"]);
    if (has_whole(model)) add(name + " + fallback", model["with_fallback"]);
  }
}

/// A paragraph marked as good, bad or open by where the interval of a gain lies.
std::string verdict_line(const Estimate& gain, const std::string& says) {
  const char* kind = gain.low > 0 ? "good" : gain.high < 0 ? "bad" : "open";
  return fmt::format(R"(<p class="verdict {}">{}</p>)", kind, html_escaped(says));
}

PageSection verdict_section(const Json& report) {
  std::string body;
  const Json& models = list_at(report, "models");
  for (std::size_t m = 2; m < models.size(); ++m) {
    if (const Json ratings = models[m].value("ratings", Json()); ratings.is_object())
      body += verdict_line(estimate_at(ratings, "/squared_error_gain"),
                           text_at(models[m], "name") + ": " + text_at(ratings, "says"));
    const Estimate gain = estimate_at(models[m], "/ndcg_gain_over_baseline");
    body +=
        verdict_line(gain, verdict_in_words(text_at(models[m], "name"), text_at(models[1], "name"), gain));
  }
  for (const Json& walk : list_at(report, "retraining"))
    body += fmt::format(R"(<p class="verdict advice">How often to train {}: {}</p>)",
                        html_escaped(text_at(walk, "model")), html_escaped(text_at(walk, "why")));
  if (body.empty()) body = "<p>Only the baselines were judged.</p>";
  return {"verdict", "Verdict", body};
}

PageSection quality_section(const Json& report) {
  std::vector<PlotRow> rows;
  for (const Json& model : list_at(report, "models")) {
    PlotRow row{.name = text_at(model, "name"), .quiet = is_baseline(model), .dots = {}};
    row.dots.push_back({row.quiet ? "" : "alone", estimate_at(model, "/alone/all/ndcg"), !row.quiet});
    if (has_whole(model))
      row.dots.push_back({"with fallback", estimate_at(model, "/with_fallback/all/ndcg"), false});
    rows.push_back(std::move(row));
  }
  PageTable table({"model", "recall", "hit rate", "MRR", "MAP", "precision"});
  for_each_evaluation(report, [&](const std::string& name, const Json& evaluation) {
    std::vector<std::string> cells = {name};
    for (const char* metric : {"recall", "hit_rate", "mrr", "map", "precision"})
      cells.push_back(with_interval(estimate_at(evaluation, std::string("/all/") + metric)));
    table.add(cells);
  });
  return {
      "quality", fmt::format("NDCG of the first {}", count_at(report, "/n")),
      "<p>The dot is the mean over the people asked; the line is where it would lie in 95 of 100 other draws "
      "of "
      "as many people. With fallback: with popularity_recent for whom and for what the model has nothing to "
      "say.</p>" +
          dot_plot(rows, true) + "<details><summary>Other measures</summary>" + table.html() + "</details>"};
}

PageSection lengths_section(const Json& report) {
  const Json& lengths = list_at(report, "further_n");
  if (lengths.empty()) return {};
  std::vector<std::string> heads = {"model"};
  const auto add_heads = [&](std::size_t n) {
    heads.push_back(fmt::format("recall@{}", n));
    heads.push_back(fmt::format("NDCG@{}", n));
  };
  add_heads(count_at(report, "/n"));
  for (std::size_t k = 0; k < lengths.size(); ++k)
    add_heads(count_at(report, fmt::format("/further_n/{}", k)));
  PageTable table(heads);
  for_each_evaluation(report, [&](const std::string& name, const Json& evaluation) {
    std::vector<std::string> cells = {name, with_interval(estimate_at(evaluation, "/all/recall")),
                                      with_interval(estimate_at(evaluation, "/all/ndcg"))};
    for (std::size_t k = 0; k < lengths.size(); ++k)
      for (const char* metric : {"recall", "ndcg"})
        cells.push_back(with_interval(estimate_at(evaluation, fmt::format("/further/{}/{}", k, metric))));
    table.add(cells);
  });
  return {"lengths", "By length of the list", table.html()};
}

PageSection people_section(const Json& report) {
  const auto head = [&](const char* name, const char* part) {
    return fmt::format("{} ({})", name,
                       with_thousands(count_at(report, fmt::format("/models/0/alone/{}/people", part))));
  };
  PageTable table({"model", head("warm", "warm"), head("cold", "cold"), head("new items", "new_items")});
  for_each_evaluation(report, [&](const std::string& name, const Json& evaluation) {
    std::vector<std::string> cells = {name};
    for (const std::string part : {"/warm", "/cold", "/new_items"})
      cells.push_back(count_at(evaluation, part + "/people") == 0
                          ? "nobody"
                          : with_interval(estimate_at(evaluation, part + "/ndcg")));
    table.add(cells);
  });
  return {"people", "Whom it serves",
          "<p>NDCG of people with a history (warm) and without (cold), and of what nobody had met in "
          "training (new "
          "items), of those who went on to such; how many people in brackets.</p>" +
              table.html()};
}

PageSection shown_section(const Json& report) {
  PageTable table({"model", "catalogue shown", "of the most popular tenth", "novelty"});
  for_each_evaluation(report, [&](const std::string& name, const Json& evaluation) {
    table.add({name, with_bar(number_at(evaluation, "/coverage")),
               with_bar(number_at(evaluation, "/popularity_bias")),
               fmt::format("{:.2f} bits", number_at(evaluation, "/novelty"))});
  });
  return {"shown", "What it shows",
          "<p>Which share of the catalogue was in anybody’s list; which share of the lists is of the tenth "
          "of items "
          "that most people met; and how surprising what is shown is: each bit halves the share of people "
          "who met "
          "it.</p>" +
              table.html()};
}

/// NDCG by cadence: dots with intervals.
std::string cadence_dots(const Json& walk) {
  std::vector<PlotRow> rows;
  for (const Json& one : list_at(walk, "cadences"))
    rows.push_back({.name = text_at(one, "name"),
                    .dots = {{"alone", estimate_at(one, "/alone"), true},
                             {"with fallback", estimate_at(one, "/with_fallback"), false}}});
  return dot_plot(rows, false);
}

std::string age_plot(const Json& walk) {
  std::vector<PlotLine> lines;
  for (const Json& one : list_at(walk, "cadences")) {
    PlotLine line{.name = text_at(one, "name"), .points = {}};
    for (const Json& age : list_at(one, "by_age"))
      line.points.emplace_back((number_at(age, "/from") + number_at(age, "/to")) / 2,
                               number_at(age, "/against_fresh"));
    if (line.points.size() > 1) lines.push_back(std::move(line));
  }
  if (lines.empty()) return "";
  const std::string period = in_words(static_cast<DurationUs>(number_at(walk, "/period_s") * kSecondUs));
  return "<h3>As the model gets old</h3>" +
         line_plot(
             lines, fmt::format("age in periods of {}", period), "NDCG less that of a model just trained",
             "NDCG against a model just trained, by age of the model; the figures are in the table below");
}

std::string age_figures(const Json& walk) {
  PageTable table({"cadence", "age in periods", "people asked", "NDCG", "against just trained"});
  for (const Json& one : list_at(walk, "cadences"))
    for (const Json& age : list_at(one, "by_age")) {
      const std::size_t from = count_at(age, "/from"), to = count_at(age, "/to");
      table.add({html_escaped(text_at(one, "name")),
                 from == to ? fmt::format("{}", from) : fmt::format("{} to {}", from, to),
                 with_thousands(count_at(age, "/asked")), fmt::format("{:.4f}", number_at(age, "/ndcg")),
                 fmt::format("{:+.4f}", number_at(age, "/against_fresh"))});
    }
  return "<details><summary>The figures by age</summary>" + table.html() + "</details>";
}

std::string stability_table(const Json& walk) {
  PageTable table({"cadence", "trainings", "seconds", "against the shortest", "with a fresh fallback",
                   "lists alike", "items kept", "vectors, cosine", "aligned", "by chance"});
  for (const Json& one : list_at(walk, "cadences")) {
    const auto part = [&](const char* of, const char* member) {
      return one.value(of, Json()).is_object()
                 ? fmt::format("{:.3f}", number_at(one, fmt::format("/{}/{}", of, member)))
                 : std::string("–");
    };
    const auto change = [&](const char* of) {
      const Estimate e = estimate_at(one, of);
      if (&one == &list_at(walk, "cadences").front()) return std::string("–");
      return fmt::format("{:+.4f} <small>{:+.4f} to {:+.4f}</small>", e.mean, e.low, e.high);
    };
    table.add({html_escaped(text_at(one, "name")), fmt::format("{}", count_at(one, "/trainings")),
               fmt::format("{:.2f}", number_at(one, "/training_s")), change("/against_shortest"),
               change("/against_shortest_with_fresh_fallback"), part("lists", "jaccard"),
               part("lists", "equal_share"), part("vectors", "cosine"), part("vectors", "aligned"),
               part("vectors", "aligned_by_chance")});
  }
  return "<h3>What it costs, and what changes from one training to the next</h3><p>Lists alike: common items "
         "over all "
         "items of the two lists of the same people with the same histories (Jaccard). Items kept: which "
         "share of a "
         "list is in the next. Vectors: the cosine of an item’s vectors before and after, as a store that "
         "mixes "
         "versions would see it; aligned: after the rotation that brings them together best; by chance: that "
         "rotation "
         "with the items shuffled.</p>" +
         table.html();
}

PageSection retraining_section(const Json& walk, std::size_t number) {
  const std::string model = html_escaped(text_at(walk, "model"));
  return {fmt::format("retraining-{}", number), fmt::format("How often to train {}", model),
          fmt::format(
              "<p>Trained on what was before {}, then walked to {} in {} periods of {}; {} people asked, {} "
              "times in all. Histories are always current; at each cadence model and fallback are trained "
              "again on everything before. Intervals are over people, not over other stretches of time.</p>",
              html_escaped(text_at(walk, "trained_until")), html_escaped(text_at(walk, "to")),
              count_at(walk, "/periods"),
              in_words(static_cast<DurationUs>(number_at(walk, "/period_s") * kSecondUs)),
              with_thousands(count_at(walk, "/people")), with_thousands(count_at(walk, "/asked"))) +
              fmt::format("<h3>NDCG of the first {}</h3>", count_at(walk, "/n")) + cadence_dots(walk) +
              age_plot(walk) + age_figures(walk) + stability_table(walk)};
}

std::string about(const Json& report) {
  return fmt::format(
      "{}. {} interactions of {} people and {} items; {} people asked. Lists of {}{}.",
      html_escaped(text_at(report, "protocol")), with_thousands(count_at(report, "/train_rows")),
      with_thousands(count_at(report, "/users")), with_thousands(count_at(report, "/items")),
      with_thousands(count_at(report, "/models/0/alone/all/people")), count_at(report, "/n"),
      report.value("repeats", false) ? ", what people met before included" : " of things they had not met");
}

}  // namespace

std::string evaluation_page(const Json& report, std::string_view title) {
  std::vector<PageSection> sections = {verdict_section(report), quality_section(report),
                                       lengths_section(report), people_section(report),
                                       shown_section(report)};
  const Json& walks = list_at(report, "retraining");
  for (std::size_t k = 0; k < walks.size(); ++k) sections.push_back(retraining_section(walks[k], k + 1));
  std::string contents, parts;
  for (const PageSection& section : sections) {
    if (section.body.empty()) continue;
    contents += fmt::format(R"(<a href="#{}">{}</a>)", section.id, section.head);
    parts +=
        fmt::format(R"(<section id="{0}" aria-labelledby="{0}-head"><h2 id="{0}-head">{1}</h2>{2}</section>)",
                    section.id, section.head, section.body);
  }
  return fmt::format(R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{0}: evaluation</title>
<style>{1}</style>
</head>
<body>
<header><h1>{0}</h1><p>{2}</p></header>
<nav aria-label="Contents">{3}</nav>
<main>{4}</main>
<footer><p>Every item is a candidate for everyone. Made by millrace.</p></footer>
</body>
</html>
)",
                     html_escaped(title), kEvaluationPageStyle, about(report), contents, parts);
}

}  // namespace millrace
