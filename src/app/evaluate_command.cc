#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "app/command.h"
#include "base/parallel.h"
#include "model/evaluation_page.h"
#include "model/evaluation_run.h"
#include "model/retrain_backtest.h"
#include "source/file_reader.h"

namespace millrace {
namespace {

struct EvaluateCall {
  std::string model;  ///< of the project; empty: files are judged
  std::vector<std::string> train;
  std::vector<std::string> test;
  std::string split = "time";
  double test_share = 0.2;
  std::vector<std::string> models = {"item_knn", "ease", "als", "session_knn"};
  std::optional<float> liked_from;
  std::string n;  ///< lengths, by commas; empty: 10, or what the model's file says
  bool repeats = false;
  std::uint64_t seed = 1;
  int threads = 0;
  std::size_t factors = AlsSettings{}.factors;
  int iterations = AlsSettings{}.iterations;
  double als_regularization = AlsSettings{}.regularization;
  double unobserved_weight = AlsSettings{}.unobserved_weight;
  double ease_regularization = EaseSettings{}.regularization;
  std::string retrain;  ///< cadences, by commas; empty: none are compared
  double first_share = RetrainSettings{}.first_share;
  std::string out;
  std::string html;
};

/// What was read of files.
struct EvaluateInput {
  FeedbackSet all;  ///< of --train
  EvaluationData data;
};

constexpr std::uint64_t kInflatedBytesMax = 16ULL << 30;

Result<std::string> read_inflated(Env& env, const std::string& path) {
  MILLRACE_ASSIGN(const auto reader, FileReader::open(env, path));
  std::string text;
  std::vector<char> chunk(1 << 20);
  while (true) {
    MILLRACE_ASSIGN(const std::size_t count, reader->read(chunk));
    if (count == 0) return text;
    if (text.size() + count > kInflatedBytesMax)
      return fail(Code::kInvalid, "holds more than 16 GiB, which do not fit in memory", path);
    text.append(chunk.data(), count);
  }
}

/// Add the rows of files, in order of time, to `into`; return those rows.
Result<std::vector<Feedback>> read_rows(Env& env, const std::vector<std::string>& paths,
                                        const EvaluateCall& call, FeedbackSet& into) {
  std::vector<Feedback> before = std::move(into.rows);
  into.rows.clear();
  for (const std::string& path : paths) {
    MILLRACE_ASSIGN(const std::string text, read_inflated(env, path));
    MILLRACE_TRY(read_feedback(text, {.liked_from = call.liked_from, .name = path}, into));
  }
  std::vector<Feedback> rows = std::move(into.rows);
  into.rows = std::move(before);
  return rows;
}

Result<EvaluationData> split(const FeedbackSet& all, const EvaluateCall& call) {
  if (call.split == "time") return split_by_time(all, time_at_share(all.rows, 1 - call.test_share));
  if (call.split == "last") return split_leave_last_out(all);
  return split_by_people(all, call.test_share, call.seed);
}

Result<EvaluateInput> read_data(const EvaluateCall& call) {
  Env& env = Env::system();
  EvaluateInput input;
  MILLRACE_ASSIGN(input.all.rows, read_rows(env, call.train, call, input.all));
  if (call.test.empty()) {
    MILLRACE_ASSIGN(input.data, split(input.all, call));
    return input;
  }
  MILLRACE_ASSIGN(const auto asked, read_rows(env, call.test, call, input.all));
  input.data = split_given(input.all, asked);
  return input;
}

/// Compare cadences of training for each model.
Status add_backtests(const FeedbackSet& all, const std::vector<NamedRanking>& models,
                     const EvaluateCall& call, const std::function<void(std::string_view)>& say,
                     EvaluationReport& report) {
  if (call.retrain.empty()) return {};
  MILLRACE_ASSIGN(RetrainSettings settings, retrain_settings(call.retrain, call.first_share));
  settings.evaluation = report.options;
  for (const NamedRanking& model : models) {
    MILLRACE_ASSIGN(report.retraining.emplace_back(),
                    backtest_retraining(all, model, settings, {.threads = report.options.threads}, say));
  }
  return {};
}

std::vector<NamedRanking> models_of(const EvaluateCall& call, std::size_t items) {
  std::vector<NamedRanking> models;
  for (const std::string& name : call.models) {
    RankingSettings settings{.kind = *ranking_kind(name)};
    settings.als.factors = call.factors;
    settings.als.iterations = call.iterations;
    settings.als.regularization = call.als_regularization;
    settings.als.unobserved_weight = call.unobserved_weight;
    settings.als.seed = call.seed;
    settings.ease.regularization = call.ease_regularization;
    if (settings.kind == RankingKind::kEase && items > settings.ease.items_max) {
      fmt::print(stderr, "ease is left out: {} items are more than the {} it is meant for\n", items,
                 settings.ease.items_max);
      continue;
    }
    models.push_back({name, settings});
  }
  return models;
}

/// Write the report to the files that were asked for, and print it.
Status give_out(const nlohmann::json& report, const std::string& text, const std::string& title,
                const EvaluateCall& call, bool as_json) {
  const std::string document = report.dump(2) + "\n";
  if (!call.out.empty()) MILLRACE_TRY(write_file_atomically(Env::system(), call.out, document));
  if (!call.html.empty())
    MILLRACE_TRY(write_file_atomically(Env::system(), call.html, evaluation_page(report, title)));
  fmt::print("{}", as_json ? document : text);
  return {};
}

Status run_evaluate(const EvaluateCall& call, bool as_json) {
  const auto say = [](std::string_view what) {
    if (::isatty(STDERR_FILENO) == 0) return;
    fmt::print(stderr, "\r\x1b[K{}", what);
    std::fflush(stderr);
  };
  say("reading");
  if (!call.retrain.empty()) MILLRACE_TRY(retrain_settings(call.retrain, call.first_share));
  MILLRACE_ASSIGN(const EvaluateInput input, read_data(call));
  const int threads = call.threads > 0 ? call.threads : default_threads();
  EvaluationOptions options{.repeats = call.repeats, .seed = call.seed, .threads = threads};
  if (!call.n.empty()) MILLRACE_TRY(set_list_lengths(options, call.n));
  const std::vector<NamedRanking> models = models_of(call, input.data.items);
  auto report = run_evaluation(input.data, models, options, {.threads = threads}, say);
  const Status backtests = report ? add_backtests(input.all, models, call, say, *report) : Status();
  say("");
  if (!report) return fail(std::move(report).error());
  MILLRACE_TRY(backtests);
  std::string title;
  for (const std::string& file : call.train)
    title += (title.empty() ? "" : ", ") + Path(file).filename().string();
  return give_out(to_json(*report), to_text(*report), title, call, as_json);
}

/// Judge a model of the project on what the tables hold.
Status evaluate_model(HttpClient& client, const EvaluateCall& call, bool as_json) {
  MILLRACE_ASSIGN(
      nlohmann::json report,
      ask_long(client,
               fmt::format("/v1/models/{}/evaluate?n={}&retrain={}&first={}", url_encode(call.model),
                           url_encode(call.n), url_encode(call.retrain), call.first_share),
               as_json ? "" : call.model));
  const std::string text = report.value("text", "");
  report.erase("text");
  return give_out(report, text, call.model, call, as_json);
}

void add_model_options(CLI::App& command, EvaluateCall& call) {
  std::vector<std::string> kinds;
  for (std::size_t k = 1; k < static_cast<std::size_t>(RankingKind::kCount); ++k)
    kinds.emplace_back(ranking_kind_name(static_cast<RankingKind>(k)));
  command.add_option("--models", call.models, "which to train beside the baselines")
      ->delimiter(',')
      ->check(CLI::IsMember(kinds))
      ->capture_default_str();
  command.add_option("--factors", call.factors, "als: length of its vectors")->capture_default_str();
  command.add_option("--iterations", call.iterations, "als: rounds")->capture_default_str();
  command.add_option("--als-regularization", call.als_regularization, "als: λ")->capture_default_str();
  command.add_option("--unobserved-weight", call.unobserved_weight, "als: pull of what was not met")
      ->capture_default_str();
  command.add_option("--ease-regularization", call.ease_regularization, "ease: λ")->capture_default_str();
}

}  // namespace

void add_evaluate_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command = app.add_subcommand("evaluate", "Judge recommenders on what people did next");
  auto call = std::make_shared<EvaluateCall>();
  add_data_options(*command, common);
  auto* model = command->add_option("MODEL", call->model,
                                    "of models/MODEL.yaml: judged on the tables, as its file says");
  auto* train =
      command->add_option("--train", call->train, "files of lines `user item [rating [time]]`, also gzipped")
          ->check(CLI::ExistingFile)
          ->excludes(model);
  auto* test = command
                   ->add_option("--test", call->test,
                                "what the people of --train did next; without it --train is split")
                   ->check(CLI::ExistingFile);
  command
      ->add_option("--split", call->split,
                   "time: the last share; last: each one's last; people: a share of them, whole")
      ->check(CLI::IsMember({"time", "last", "people"}))
      ->capture_default_str();
  command->add_option("--test-share", call->test_share, "of the interactions, or of the people")
      ->check(CLI::Range(0.001, 0.999))
      ->capture_default_str();
  command->add_option("--liked-from", call->liked_from,
                      "ratings below this are left out, the others count 1");
  command->add_option("-n", call->n,
                      "length of the lists, 10 unless said; several as 10,20,100: the first for the table");
  command
      ->add_option("--retrain", call->retrain,
                   "also compare how often to train: never, quarterly, monthly, weekly, daily, hourly, or "
                   "durations as 3d, by commas")
      ->excludes(test);
  command->add_option("--first-share", call->first_share, "of the interactions, before that walk begins")
      ->check(CLI::Range(0.01, 0.99))
      ->capture_default_str();
  command->add_flag("--repeats", call->repeats, "people may be shown what they met before");
  command->add_option("--seed", call->seed, "of all that is drawn")->capture_default_str();
  command->add_option("--threads", call->threads, "0: one for each processor")->capture_default_str();
  command->add_option("--out", call->out, "also write the report there, as JSON");
  command->add_option("--html", call->html, "also write the report there, as a page to look at");
  command->add_flag("--json", common.json, "print JSON");
  add_model_options(*command, *call);
  command->footer(
      "Every item is a candidate for everyone. Baselines are always judged too, and each model also as a "
      "whole: with\n"
      "popularity for whom it has nothing to say. Intervals are 95 % bootstraps over people.\n"
      "Examples:\n"
      "  millrace evaluate for_you --project my-shop\n"
      "  millrace evaluate --train ratings.csv --liked-from 4\n"
      "  millrace evaluate --train train.tsv --test test.tsv --models als,ease -n 20\n"
      "  millrace evaluate --train clicks.csv.gz --split people --json\n"
      "  millrace evaluate for_you --html report.html\n"
      "  millrace evaluate for_you --retrain never,quarterly,monthly,weekly");
  command->callback([call, model, train, &common, &exit_code] {
    if (model->count() + train->count() == 0) throw CLI::RequiredError("MODEL or --train");
    if (model->count() > 0) {
      exit_code = run_with_server(common, ServerConnection::Need::kNeedsData, [&](HttpClient& client) {
        return evaluate_model(client, *call, common.json);
      });
      return;
    }
    StopSignals::release();
    const Status done = run_evaluate(*call, common.json);
    exit_code = done ? kExitDone : report_failure(done.error());
  });
}

}  // namespace millrace
