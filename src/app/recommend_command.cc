#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

struct RecommendOptions {
  std::string user;
  std::string items;
  std::string placement = "home";
  std::string filter;
  int n = 5;
  bool explain = false;
};

std::string target_of(const RecommendOptions& options) {
  std::string target = fmt::format("/v1/recommendations?user={}&placement={}&n={}", url_encode(options.user),
                                   url_encode(options.placement), options.n);
  if (!options.items.empty()) target += "&items=" + url_encode(options.items);
  if (!options.filter.empty()) target += "&filter=" + url_encode(options.filter);
  if (options.explain) target += "&explain=1";
  return target;
}

void print_answer(const Json& answer) {
  if (!answer["fallback"].is_null()) fmt::print("fallback: {}\n", answer["fallback"].get<std::string>());
  for (const Json& item : answer["items"])
    fmt::print("{:<16} {:>8.4f}  {}\n", item["id"].get<std::string>(), item["score"].get<double>(),
               item["reason"]["text"].get<std::string>());
  if (answer.contains("explanation")) fmt::print("{}\n", answer["explanation"].dump(2));
}

int run_recommend(const CommonOptions& common, const RecommendOptions& options) {
  Result<std::unique_ptr<ServerConnection>> server =
      ServerConnection::open(common, ServerConnection::Need::kNeedsData);
  if (!server) return report_failure(server.error());
  if (Status ready = (*server)->wait_ready(kMinuteUs); !ready) return report_failure(ready.error());
  const Result<HttpResponse> answer = (*server)->client().get(target_of(options));
  if (!answer) return report_failure(answer.error());
  if (Status good = check_answer(*answer); !good) return report_failure(good.error());
  if (common.json) {
    fmt::print("{}\n", answer->body);
  } else {
    print_answer(Json::parse(answer->body));
  }
  return kExitDone;
}

}  // namespace

void add_recommend_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command = app.add_subcommand("recommend", "Ask for recommendations");
  add_data_options(*command, common);
  auto options = std::make_shared<RecommendOptions>();
  command->add_option("--user", options->user, "user or anonymous id; none: somebody new");
  command->add_option("--items", options->items, "ids on the page or in the cart, commas between");
  command->add_option("--placement", options->placement, "home, item, cart or checkout");
  command->add_option("--filter", options->filter, "such as category:Garden/Tools,price<50");
  command->add_option("--n", options->n, "how many")->check(CLI::Range(1, 200));
  command->add_flag("--explain", options->explain, "say how the answer came about");
  command->add_flag("--json", common.json, "print JSON");
  command->callback([&common, &exit_code, options] { exit_code = run_recommend(common, *options); });
}

}  // namespace millrace
