#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/ingest_client.h"
#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

void print_result(const Json& result) {
  for (const Json& file : result["files"]) {
    const std::string name = file["file"].get<std::string>();
    if (file["skipped"].get<bool>()) {
      fmt::print("{}: loaded before, skipped (--again loads it once more, in place of what it made)\n", name);
    } else {
      fmt::print("{}: {} rows, {} events, {} in quarantine\n", name,
                 with_thousands(file["rows"].get<std::uint64_t>()),
                 with_thousands(file["events"].get<std::uint64_t>()),
                 with_thousands(file["quarantined"].get<std::uint64_t>()));
    }
    if (!file["error"].is_null()) fmt::print(stderr, "millrace: {}\n", file["error"].get<std::string>());
  }
  if (result["quarantined"].get<std::uint64_t>() > 0)
    fmt::print(
        "see what was refused: millrace sql \"SELECT where_, message FROM quarantine ORDER BY received_time "
        "DESC LIMIT 20\"\n");
}

int run_ingest(const CommonOptions& common, const IngestCall& call) {
  Result<std::unique_ptr<ServerConnection>> server =
      ServerConnection::open(common, ServerConnection::Need::kMayBeNew);
  if (!server) return report_failure(server.error());
  Result<std::string> result = [&] {
    ProgressLine line("loading", common.json ? stderr : stdout);  // what is printed last must stay JSON alone
    return call_ingest((*server)->client(), call,
                       [&](const IngestCallProgress& progress) { line.show(progress); });
  }();
  if (!result) return report_failure(result.error());
  const Json parsed = Json::parse(*result);
  if (common.json) {
    fmt::print("{}\n", *result);
  } else {
    print_result(parsed);
  }
  return parsed["failed_files"].get<std::uint64_t>() == 0 ? kExitDone : kExitFailed;
}

}  // namespace

void add_ingest_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command = app.add_subcommand("ingest", "Load files of events, rows, items or people");
  add_data_options(*command, common);
  auto call = std::make_shared<IngestCall>();
  command
      ->add_option("FORMAT", call->format,
                   "segment, cloudevents, native, visits, activity, ga4, csv, jsonl, parquet, items or users")
      ->required();
  command->add_option("FILES", call->files, "files: plain, gzip or Parquet")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--map", call->map, "mapping of columns (docs/formats/mapping.md)")
      ->check(CLI::ExistingFile);
  command->add_option("--source", call->source, "name of the source, instead of the mapping's or the file's");
  command->add_flag("--again", call->again,
                    "load also files that were loaded before, in place of what they made");
  command->add_flag("--json", common.json, "print JSON");
  command->footer(
      "Examples:\n"
      "  millrace ingest visits visits.jsonl.gz\n"
      "  millrace ingest csv --map examples/shop/mappings/online_retail.yaml online_retail.csv.gz\n"
      "  millrace ingest items products.csv");
  command->callback([&common, &exit_code, call] { exit_code = run_ingest(common, *call); });
}

}  // namespace millrace
