#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/text.h"
#include "event/contract_diff.h"
#include "event/contract_report.h"
#include "event/contract_types.h"
#include "source/file_reader.h"
#include "source/json_elements.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kContractBytesMax = 1 << 20;
constexpr std::size_t kEventBytesMax = 4 << 20;
constexpr std::size_t kEventsMax = 10'000'000;

struct CheckCall {
  std::vector<std::string> files;
  std::string codec = "native";
  std::string source = "web";
};

bool is_yaml(const Path& path) {
  return path.extension() == ".yaml" || path.extension() == ".yml";
}

Result<Contract> read_contract(Env& env, const Path& path) {
  MILLRACE_ASSIGN(const std::string text, read_file(env, path, kContractBytesMax));
  return parse_contract(text, path);
}

Result<std::vector<Contract>> contracts_of(Env& env, const CommonOptions& common) {
  return load_contracts(env, Path(common.project.empty() ? "." : common.project) / "contracts");
}

std::string state_of(const Contract& contract) {
  if (!contract.effective) return contract.status;
  return fmt::format("{}, from {}", contract.status, format_time(*contract.effective));
}

/// Hold a file of events against contracts, as ingesting it would.
Result<ValidationReport> check_events(Env& env, const Path& path, const CheckCall& call,
                                      const Contracts& contracts) {
  const auto codec = codec_of(call.codec);
  if (!codec || *codec == CodecId::kPubSub)
    return fail(Code::kInvalid, fmt::format("there is no codec named '{}'", call.codec), "--codec");
  MILLRACE_ASSIGN(auto file, FileReader::open(env, path));
  JsonElements elements(std::move(file), kEventBytesMax);
  const BodyLimits limits{kEventBytesMax, kEventBytesMax, kEventsMax, &contracts};
  BodyFacts facts;
  facts.source = call.source;
  facts.received_time = env.now();
  facts.may_be_cloud_events = *codec == CodecId::kNative;
  ValidationReport report;
  for (Row row;;) {
    MILLRACE_ASSIGN(const auto step, elements.next(row));
    if (step == RowReader::Step::kEnd) return report;
    const auto place = fmt::format("{}:{}", path.filename().string(), row.place.text());
    if (step == RowReader::Step::kBadRow) {
      report.add_refused({row.problem.code, row.problem.message, place});
    } else if (const auto split = split_body(*codec, row.raw, facts, limits, env)) {
      report.add(*split, place);
    } else {
      report.add_refused({split.error().code, split.error().text(), place});
    }
  }
}

void print_report(const Path& path, const ValidationReport& report) {
  for (const Error& reason : report.refused()) fmt::print("{}\n", reason.text());
  if (report.refused().size() < report.refused_total())
    fmt::print("… and {} more\n", report.refused_total() - report.refused().size());
  for (const auto& seen : report.notes().checked)
    if (seen.warned > 0)
      fmt::print("warning: {} {}: {} ({})\n", seen.rules->contract().title(), seen.rules->object().name,
                 seen.warning, counted(seen.warned, "event"));
  for (const auto& seen : report.notes().unannounced)
    fmt::print("unannounced: {} {} has no property '{}' ({}); it would be kept\n",
               seen.rules->contract().title(), seen.rules->object().name, seen.property,
               counted(seen.events, "event"));
  fmt::print("{}: {} would be taken in, {} held against a contract; {} would be refused\n", path.string(),
             counted(report.events(), "event"), with_thousands(report.checked()),
             with_thousands(report.refused_total()));
}

/// Checks the files of one call, one after the other.
class Checker {
 public:
  Checker(Env& env, const CheckCall& call, const CommonOptions& common)
      : env_(env), call_(call), common_(common) {}

  /// Return whether all are sound.
  Result<bool> run() {
    for (const Path file : call_.files)
      if (is_yaml(file)) check_contract(file);
    if (sound_) MILLRACE_TRY(check_versions(named_));
    MILLRACE_TRY(check_data());
    if (common_.json) fmt::print("{}\n", Json{{"valid", sound_}, {"files", answers_}}.dump());
    return sound_;
  }

 private:
  void tell(const Contract& contract) {
    answers_.push_back({{"file", contract.path.string()},
                        {"valid", true},
                        {"id", contract.id},
                        {"version", contract.version}});
    if (!common_.json)
      fmt::print("{}: {} ({}), {}\n", contract.path.string(), contract.title(), state_of(contract),
                 counted(contract.objects.size(), "object"));
  }

  void check_contract(const Path& file) {
    auto contract = read_contract(env_, file);
    if (contract) {
      tell(*contract);
      return named_.push_back(*std::move(contract));
    }
    sound_ = false;
    answers_.push_back({{"file", file.string()}, {"valid", false}, {"message", contract.error().text()}});
    if (!common_.json) fmt::print(stderr, "millrace: {}\n", contract.error().text());
  }

  /// Hold files of events against the contracts that are named, else against the project's.
  Status check_data() {
    const bool has_data = std::ranges::any_of(call_.files, [](const auto& file) { return !is_yaml(file); });
    if (!has_data && !call_.files.empty()) return {};
    if (named_.empty()) {
      MILLRACE_ASSIGN(named_, contracts_of(env_, common_));
      if (named_.empty())
        return fail(Code::kNotFound,
                    "the project has no contracts; add files contracts/NAME.yaml (docs/how-to/contracts.md)");
      if (!has_data) std::ranges::for_each(named_, [this](const Contract& contract) { tell(contract); });
    }
    const Contracts contracts(std::move(named_));
    for (const Path file : call_.files) {
      if (is_yaml(file)) continue;
      MILLRACE_ASSIGN(const ValidationReport report, check_events(env_, file, call_, contracts));
      sound_ = sound_ && report.is_valid();
      if (!common_.json) print_report(file, report);
      Json answer = Json::parse(report.json());
      answer["file"] = file.string();
      answers_.push_back(std::move(answer));
    }
    return {};
  }

  Env& env_;
  const CheckCall& call_;
  const CommonOptions& common_;
  std::vector<Contract> named_;
  Json answers_ = Json::array();
  bool sound_ = true;
};

/// Have the server judge tables by the contracts; return whether nothing stops them.
Result<bool> check_tables(const CommonOptions& common, const std::string& table) {
  MILLRACE_ASSIGN(const auto server, ServerConnection::open(common, ServerConnection::Need::kNeedsData));
  const std::string body = table.empty() ? "{}" : Json{{"table", table}}.dump();
  MILLRACE_ASSIGN(const HttpResponse answer, server->client().request("POST", "/v1/contracts/check", body));
  MILLRACE_TRY(check_answer(answer));
  const Json checked = Json::parse(answer.body);
  if (common.json) {
    fmt::print("{}\n", checked.dump());
    return checked.value("valid", false);
  }
  for (const Json& one : checked["results"]) {
    const bool stops = one.value("severity", "") == "stop";
    fmt::print("{:<7} {}: {}\n",
               one.value("passed", false) ? "passed"
               : stops                    ? "BROKEN"
                                          : "warning",
               one.value("table", ""), one.value("text", ""));
    for (const Json& sample : one["samples"]) fmt::print("          {}\n", sample.dump());
  }
  fmt::print("{} counted, {} broken\n", counted(checked.value("rules", 0ull), "rule"),
             checked.value("broken", 0ull));
  return checked.value("valid", false);
}

/// Return whether nothing breaks.
Result<bool> diff(Env& env, const std::string& before, const std::string& after, bool as_json) {
  MILLRACE_ASSIGN(const Contract old, read_contract(env, before));
  MILLRACE_ASSIGN(const Contract now, read_contract(env, after));
  const auto changes = diff_contracts(old, now);
  const bool breaks = is_breaking(changes);
  if (as_json) {
    Json list = Json::array();
    for (const ContractChange& change : changes)
      list.push_back({{"breaking", change.breaking},
                      {"place", change.place},
                      {"what", change.what},
                      {"why", change.why}});
    fmt::print("{}\n", Json{{"breaking", breaks}, {"changes", std::move(list)}}.dump());
    return !breaks;
  }
  for (const ContractChange& change : changes)
    fmt::print("{:<10} {}{}{}: {}\n", change.breaking ? "BREAKING" : "compatible", change.place,
               change.place.empty() ? "" : ": ", change.what, change.why);
  const auto breaking =
      static_cast<std::size_t>(std::ranges::count(changes, true, &ContractChange::breaking));
  if (changes.empty())
    fmt::print("{} and {} promise the same\n", old.title(), now.title());
  else if (breaks)
    fmt::print("from {} to {}: breaking, {} of {}\n", old.title(), now.title(), breaking,
               counted(changes.size(), "change"));
  else
    fmt::print("from {} to {}: compatible, {}\n", old.title(), now.title(),
               counted(changes.size(), "change"));
  return !breaks;
}

Result<bool> list(Env& env, const CommonOptions& common) {
  MILLRACE_ASSIGN(auto loaded, contracts_of(env, common));
  const Contracts contracts(std::move(loaded));
  if (common.json) {
    fmt::print("{}\n", contracts_json(contracts, env.now()));
    return true;
  }
  if (contracts.all().empty())
    fmt::print(
        "there are no contracts; add files contracts/NAME.yaml to your project (docs/how-to/contracts.md)\n");
  for (const Contract& contract : contracts.all()) {
    fmt::print("{:<32} {:<7} {}\n", contract.title(), contracts.holds_at(contract, env.now()) ? "holds" : "",
               state_of(contract));
    for (const ContractObject& object : contract.objects)
      fmt::print("    {} {}  {}\n", object.is_event() ? "events" : "table ", object.table(),
                 object.description);
  }
  return true;
}

/// Print what a producer's own tools check or compile against.
Result<bool> print_types(Env& env, const std::string& file, const std::string& format) {
  MILLRACE_ASSIGN(const Contract contract, read_contract(env, file));
  const bool is_schema = format == "json-schema";
  if (!is_schema && format != "typescript")
    return fail(Code::kInvalid, "is json-schema or typescript", "--format");
  fmt::print("{}",
             is_schema ? Json::parse(json_schema_of(contract)).dump(2) + "\n" : typescript_of(contract));
  return true;
}

int exit_code_of(const Result<bool>& outcome) {
  if (!outcome) return report_failure(outcome.error());
  return *outcome ? kExitDone : kExitFailed;
}

void add_project_options(CLI::App& command, CommonOptions& common) {
  command.add_option("--project", common.project, "the folder whose contracts/ is meant; here, unless said");
  command.add_flag("--json", common.json, "print JSON");
}

void add_check(CLI::App& contract, CommonOptions& common, int& exit_code) {
  auto call = std::make_shared<CheckCall>();
  CLI::App* check =
      contract.add_subcommand("check", "Say what is wrong with contracts, or with events held against them");
  check->add_option("FILE", call->files,
                    "contracts (.yaml), and files of events (JSON) to hold against them, or else against the "
                    "project's; none: the project's contracts");
  check->add_option("--codec", call->codec,
                    "what the events are: native, segment, cloudevents, visit, activity, ga4");
  check->add_option("--source", call->source, "who would send them; web, unless said");
  add_project_options(*check, common);
  check->callback(
      [&common, &exit_code, call] { exit_code = exit_code_of(Checker(Env::system(), *call, common).run()); });
}

void add_check_tables(CLI::App& contract, CommonOptions& common, int& exit_code) {
  auto table = std::make_shared<std::string>();
  CLI::App* judge = contract.add_subcommand(
      "check-tables",
      "Count the rules of contracts over tables, keep the results; fails when one stops data");
  add_data_options(*judge, common);
  judge->add_option("TABLE", *table, "such as analytics.purchases; none: all that contracts speak of");
  judge->add_flag("--json", common.json, "print JSON");
  judge->callback([&common, &exit_code, table] { exit_code = exit_code_of(check_tables(common, *table)); });
}

void add_diff(CLI::App& contract, CommonOptions& common, int& exit_code) {
  auto versions = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App* compare =
      contract.add_subcommand("diff", "Say what is different, and whom it breaks; fails when it does");
  compare->add_option("OLD", versions->first, "a contract")->required();
  compare->add_option("NEW", versions->second, "another version of it")->required();
  compare->add_flag("--json", common.json, "print JSON");
  compare->callback([&common, &exit_code, versions] {
    exit_code = exit_code_of(diff(Env::system(), versions->first, versions->second, common.json));
  });
}

void add_types(CLI::App& contract, int& exit_code) {
  auto asked = std::make_shared<std::pair<std::string, std::string>>("", "json-schema");
  CLI::App* types =
      contract.add_subcommand("types", "Print a contract as a JSON Schema, or as types of TypeScript");
  types->add_option("FILE", asked->first, "a contract")->required();
  types->add_option("--format", asked->second, "json-schema (unless said), or typescript");
  types->callback([&exit_code, asked] {
    exit_code = exit_code_of(print_types(Env::system(), asked->first, asked->second));
  });
}

}  // namespace

void add_contract_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* contract =
      app.add_subcommand("contract", "Check data contracts, what changes between two, and data against them");
  contract->require_subcommand(1);
  add_check(*contract, common, exit_code);
  add_check_tables(*contract, common, exit_code);
  add_diff(*contract, common, exit_code);
  add_types(*contract, exit_code);
  CLI::App* show =
      contract->add_subcommand("list", "Show the project's contracts, and which version holds now");
  add_project_options(*show, common);
  show->callback([&common, &exit_code] { exit_code = exit_code_of(list(Env::system(), common)); });
  contract->footer(
      "Examples:\n"
      "  millrace contract check contracts/shop.yaml\n"
      "  millrace contract check events.jsonl --project my-shop --codec segment\n"
      "  millrace contract check-tables analytics.purchases\n"
      "  millrace contract diff contracts/shop.yaml contracts/shop-2.yaml\n"
      "  millrace contract types contracts/shop.yaml --format typescript > events.ts\n"
      "docs/how-to/contracts.md says how one is written.");
}

}  // namespace millrace
