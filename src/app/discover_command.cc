#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/discover.h"
#include "app/discover_report.h"
#include "app/parquet_texts.h"
#include "base/text.h"

namespace millrace {
namespace {

using nlohmann::json;

struct DiscoverCall {
  std::string what;
  std::string out;
  std::string sample = "16MiB";
  bool force = false;
};

/// Return a table's name as that of a file, which has no folders.
std::string table_file(const std::string& table) {
  std::string name = without_controls(table);
  std::ranges::replace(name, '/', '_');
  return name;
}

/// Looks at what a call names, prints and writes what is proposed.
class Discovery {
 public:
  Discovery(const CommonOptions& common, const DiscoverCall& call)
      : common_(common), call_(call), env_(Env::system()) {}

  Result<int> run();

 private:
  Status discover_one(FileGroup group);
  Status discover_file();
  Status discover_folder();
  Status discover_source();
  Status write();
  void propose(Path path, std::string content) { files_.push_back({std::move(path), std::move(content)}); }
  Path place(const Path& path) const { return Path(call_.out.empty() ? "proposals" : call_.out) / path; }
  void say(const std::string& text) const {
    if (!common_.json) fmt::print("{}\n", text);
  }
  void print_next() const;

  const CommonOptions& common_;
  const DiscoverCall& call_;
  Env& env_;
  ProfileLimits limits_;
  json answer_ = {{"proposals", json::array()}, {"problems", json::array()}};
  std::vector<ProposedFile> files_;
  std::vector<std::string> next_;  ///< commands
  int problems_ = 0;
};

Status Discovery::discover_one(FileGroup group) {
  MILLRACE_ASSIGN(const auto found, discover_files(env_, std::move(group), limits_));
  say(files_report(found));
  answer_["proposals"].push_back(files_json(found));
  const std::string name = found.group.name + ".yaml";
  if (!found.mapping.yaml.empty()) propose(Path("mappings") / name, found.mapping.yaml);
  if (!found.contract.empty()) propose(Path("contracts") / name, found.contract);
  if (!found.contract.empty())
    next_.push_back("millrace contract check " + shell_text(place(Path("contracts") / name).string()));
  if (!found.mapping.yaml.empty() || !found.profile.known.empty())
    next_.push_back(ingest_command(found, place(Path("mappings") / name)));
  return {};
}

Status Discovery::discover_file() {
  const Path path = call_.what;
  std::error_code ignored;
  return discover_one({.name = plain_name(path),
                       .pattern = path.filename().string(),
                       .files = {path},
                       .bytes = std::filesystem::file_size(path, ignored)});
}

Status Discovery::discover_folder() {
  MILLRACE_ASSIGN(auto found, find_file_groups(env_, call_.what, open_parquet_texts));
  auto problems = std::move(found.problems);
  for (auto& group : found.groups)
    if (auto done = discover_one(std::move(group)); !done) problems.push_back(std::move(done).error());
  if (!found.others.empty())
    say(fmt::format("{} passed over, by their names no data, such as {}",
                    counted(found.others.size(), "file"), without_controls(found.others.front())));
  for (const auto& problem : problems) {
    fmt::print(stderr, "millrace: {}\n", without_controls(problem.text()));
    answer_["problems"].push_back(problem.text());
  }
  problems_ = static_cast<int>(problems.size());
  if (found.groups.empty() && problems.empty())
    return fail(Code::kNotFound,
                "there are no data files in it (csv, tsv, json, jsonl, ndjson, parquet, also .gz)",
                call_.what);
  return {};
}

Status Discovery::discover_source() {
  CommonOptions common = common_;
  if (common.project.empty() && env_.exists("millrace.yaml")) common.project = ".";
  MILLRACE_ASSIGN(const auto config, config_of(common));
  if (std::ranges::find(config.apis, call_.what, &HttpSource::name) != config.apis.end())
    return fail(Code::kInvalid,
                "is an API: save an answer as a file (curl URL > page.json) and discover that", call_.what);
  const auto source = std::ranges::find(config.sources, call_.what, &MysqlSource::name);
  if (source == config.sources.end())
    return fail(Code::kNotFound,
                common.project.empty() ? "there is no such file or folder; for a source, --project names the "
                                         "folder with its millrace.yaml"
                                       : "there is no such file, folder, or source in millrace.yaml",
                call_.what);
  MILLRACE_ASSIGN(const auto proposal, propose_database(*source));
  say(database_report(source->name, proposal));
  answer_ = database_json(source->name, proposal);
  propose(Path("sources") / (source->name + ".yaml"), proposal.config);
  for (const auto& table : proposal.tables)
    propose(Path("contracts") / fmt::format("{}_{}.yaml", source->name, table_file(table.name)),
            table.contract);
  next_.push_back(fmt::format("millrace contract check {}/*.yaml", shell_text(place("contracts").string())));
  next_.push_back(
      fmt::format("millrace extract {} --project {}", shell_text(source->name), shell_text(common.project)));
  return {};
}

Status Discovery::write() {
  if (call_.out.empty()) return {};
  MILLRACE_TRY(write_proposals(env_, call_.out, files_, call_.force));
  answer_["written"] = json::array();
  for (const auto& file : files_) answer_["written"].push_back(place(file.path).string());
  return {};
}

void Discovery::print_next() const {
  if (call_.out.empty() && !files_.empty()) {
    fmt::print(
        "Nothing was written. Next:\n  millrace discover {}{} --out proposals   # {} to read and change\n",
        shell_text(call_.what), common_.project.empty() ? "" : " --project " + shell_text(common_.project),
        counted(files_.size(), "file"));
  } else if (!files_.empty()) {
    fmt::print("Written, for you to read and change:\n");
    for (const auto& file : files_) fmt::print("  {}\n", without_controls(place(file.path).string()));
    fmt::print("Next:\n");
  } else if (!next_.empty()) {
    fmt::print("Next:\n");
  }
  for (const auto& command : next_) fmt::print("  {}\n", command);
}

Result<int> Discovery::run() {
  MILLRACE_ASSIGN(limits_.bytes_max, parse_bytes(call_.sample));
  std::error_code ignored;
  const auto status = std::filesystem::status(call_.what, ignored);
  if (std::filesystem::is_directory(status)) {
    MILLRACE_TRY(discover_folder());
  } else if (std::filesystem::exists(status)) {
    MILLRACE_TRY(discover_file());
  } else {
    MILLRACE_TRY(discover_source());
  }
  MILLRACE_TRY(write());
  if (common_.json) {
    fmt::print("{}\n", answer_.dump(-1, ' ', false, json::error_handler_t::replace));
  } else {
    print_next();
  }
  return problems_ == 0 ? kExitDone : kExitFailed;
}

constexpr const char* kFooter =
    "Looks at the beginning of files (CSV, JSON, Parquet, also gzipped), or asks a database for its tables, "
    "and\n"
    "proposes a mapping that reads them and a contract that says what they look like. It changes nothing by "
    "itself:\n"
    "with --out it writes mappings/NAME.yaml and contracts/NAME.yaml for you to read and change.\n"
    "Examples:\n"
    "  millrace discover orders.csv.gz\n"
    "  millrace discover exports/ --out proposals          # files that are alike get one proposal\n"
    "  millrace discover shop --project my-shop            # a database of millrace.yaml\n"
    "More: docs/how-to/discover.md";

}  // namespace

void add_discover_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("discover", "Propose mappings and contracts for files or a database");
  auto call = std::make_shared<DiscoverCall>();
  command->add_option("WHAT", call->what, "a file, a folder, or the name of a source in millrace.yaml")
      ->required();
  command->add_option("--out", call->out, "folder to write the proposals to");
  command->add_flag("--force", call->force, "replace what is there");
  command->add_option("--sample", call->sample, "how much of each file to look at (16MiB)");
  command->add_option("--project", common.project, "folder with a millrace.yaml");
  command->add_flag("--json", common.json, "print JSON");
  command->footer(kFooter);
  command->callback([&common, &exit_code, call] {
    StopSignals::release();
    const auto done = Discovery(common, *call).run();
    exit_code = done ? *done : report_failure(done.error());
  });
}

}  // namespace millrace
