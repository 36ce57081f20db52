#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/npy.h"
#include "base/text.h"
#include "vector/embedding_file.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

struct ModelFiles {
  std::string model;  ///< NAME, or NAME@VERSION
  std::string items;
  std::string item_ids;
  std::string users;
  std::string user_ids;
  std::string towers;
  std::string deploy = "if_good";
};

/// The server's working directory is its own.
std::string absolute(const std::string& path) {
  return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
}

Status import_model(HttpClient& client, const ModelFiles& files, bool as_json) {
  Json body = Json::object();
  const std::pair<const char*, const std::string*> members[] = {{"items", &files.items},
                                                                {"item_ids", &files.item_ids},
                                                                {"users", &files.users},
                                                                {"user_ids", &files.user_ids},
                                                                {"towers", &files.towers}};
  for (const auto& [name, path] : members)
    if (!path->empty()) body[name] = absolute(*path);
  MILLRACE_ASSIGN(
      const Json made,
      ask_long(client, fmt::format("/v1/models/{}/import?deploy={}", url_encode(files.model), files.deploy),
               as_json ? "" : files.model, body.dump()));
  if (as_json) {
    fmt::print("{}\n", made.dump());
    return {};
  }
  const Json& training = made["manifest"]["training"];
  fmt::print("{}@{}: {} and {}\n{}\n", files.model, made.value("version", ""),
             counted(training.value("users", 0ULL), "user"), counted(training.value("items", 0ULL), "item"),
             made.value("gate", ""));
  return {};
}

/// The version to write out: the one named, else the deployed one.
Result<Json> manifest_of(HttpClient& client, const std::string& model) {
  const auto at = model.find('@');
  const std::string path = "/v1/models/" + url_encode(model.substr(0, at));
  std::string version = at == std::string::npos ? "" : model.substr(at + 1);
  if (version.empty()) {
    MILLRACE_ASSIGN(const Json known, ask(client, "GET", path));
    if (!known.contains("deployed"))
      return fail(
          Code::kNotFound,
          fmt::format("no version of {0} is deployed: say which, {0}@VERSION; millrace model list", model));
    version = known["deployed"].get<std::string>();
  }
  return ask(client, "GET", fmt::format("{}/versions/{}", path, url_encode(version)));
}

Result<std::string> file_of(HttpClient& client, const Json& manifest, const std::string& file) {
  MILLRACE_ASSIGN(
      HttpResponse answer,
      client.get(fmt::format("/v1/models/{}/versions/{}/files/{}", manifest["name"].get<std::string>(),
                             manifest["version"].get<std::string>(), url_encode(file))));
  MILLRACE_TRY(check_answer(answer));
  return std::move(answer.body);
}

/// Read the vectors of "users" or "items", whose files are named by what the kind of model calls them.
Result<EmbeddingRows> vectors_of_version(HttpClient& client, const Json& manifest, const std::string& whose) {
  const std::string one = whose.substr(0, whose.size() - 1);  // user, item
  const std::string vectors = one + "_vectors.npy", factors = one + "_factors.npy";
  const bool has_vectors = manifest["files"].contains(vectors);
  if (!has_vectors && !manifest["files"].contains(factors))
    return fail(Code::kInvalid, fmt::format("a model of kind {} has no vectors", manifest.value("kind", "")));
  MILLRACE_ASSIGN(const std::string bytes, file_of(client, manifest, has_vectors ? vectors : factors));
  MILLRACE_ASSIGN(const std::string ids, file_of(client, manifest, whose + ".jsonl"));
  MILLRACE_ASSIGN(const NpyView view, parse_npy(std::as_bytes(std::span(bytes)), vectors));
  EmbeddingRows rows{view.columns, {}};
  rows.rows.values.assign(view.floats().begin(), view.floats().end());
  for (std::string_view rest = ids; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rows.rows.ids.push_back(Json::parse(line).get<std::string>());
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return rows;
}

Status export_towers(HttpClient& client, const Json& manifest, const Path& folder) {
  if (!manifest["files"].contains("towers.json"))
    return fail(Code::kInvalid, fmt::format("a model of kind {} has no towers", manifest.value("kind", "")));
  Env& env = Env::system();
  MILLRACE_TRY(env.make_dirs(folder));
  MILLRACE_ASSIGN(const std::string towers, file_of(client, manifest, "towers.json"));
  for (const auto& [file, about] : manifest["files"].items())
    if (towers.find(fmt::format("\"{}\"", file)) != std::string::npos) {
      MILLRACE_ASSIGN(const std::string bytes, file_of(client, manifest, file));
      MILLRACE_TRY(write_file_atomically(env, folder / file, bytes));
    }
  return write_file_atomically(env, folder / "towers.json", towers);
}

Status export_model(HttpClient& client, const ModelFiles& files, bool as_json) {
  if (files.items.empty() && files.users.empty() && files.towers.empty())
    return fail(Code::kInvalid, "say what to write: --items FILE, --users FILE, --towers FOLDER");
  MILLRACE_ASSIGN(const Json manifest, manifest_of(client, files.model));
  Json written = {{"model", manifest.value("name", "") + "@" + manifest.value("version", "")}};
  const auto write = [&](const char* whose, const std::string& file, const std::string& ids) -> Status {
    if (file.empty()) return {};
    MILLRACE_ASSIGN(const EmbeddingRows rows, vectors_of_version(client, manifest, whose));
    MILLRACE_TRY(write_embeddings(Env::system(), file, ids, rows));
    written[whose] = {{"file", file}, {"vectors", rows.rows.ids.size()}, {"dimensions", rows.dimensions}};
    if (!as_json)
      fmt::print("{} of {} written to {}\n", counted(rows.rows.ids.size(), "vector"), whose, file);
    return {};
  };
  MILLRACE_TRY(write("items", files.items, files.item_ids));
  MILLRACE_TRY(write("users", files.users, files.user_ids));
  if (!files.towers.empty()) {
    MILLRACE_TRY(export_towers(client, manifest, files.towers));
    written["towers"] = files.towers;
    if (!as_json) fmt::print("towers written to {}\n", files.towers);
  }
  if (as_json) fmt::print("{}\n", written.dump());
  return {};
}

CLI::App* add_files_command(CLI::App& models, CommonOptions& common, int& exit_code, const char* name,
                            const char* what, const std::shared_ptr<ModelFiles>& files,
                            Status (*work)(HttpClient&, const ModelFiles&, bool)) {
  CLI::App* command = models.add_subcommand(name, what);
  add_data_options(*command, common);
  command->add_option("--items", files->items, "vectors of items: id,embedding as CSV, or .npy");
  command->add_option("--item-ids", files->item_ids, "with .npy: their ids, one a line");
  command->add_option("--users", files->users, "vectors of users, likewise");
  command->add_option("--user-ids", files->user_ids, "with .npy: their ids, one a line");
  command->add_option("--towers", files->towers, "a folder with towers.json (docs/formats/towers.md)");
  command->add_flag("--json", common.json, "print JSON");
  command->callback([&common, &exit_code, files, work] {
    exit_code = run_with_server(common, ServerConnection::Need::kMayBeNew,
                                [&](HttpClient& client) { return work(client, *files, common.json); });
  });
  return command;
}

}  // namespace

void add_model_files_commands(CLI::App& models, CommonOptions& common, int& exit_code) {
  const auto in = std::make_shared<ModelFiles>(), out = std::make_shared<ModelFiles>();
  CLI::App* import = add_files_command(models, common, exit_code, "import",
                                       "Serve a model that was made elsewhere", in, import_model);
  import->add_option("NAME", in->model, "what it is called here")->required();
  import->add_option("--deploy", in->deploy, "if_good: when it passes the gate; never; always")
      ->check(CLI::IsMember({"if_good", "never", "always"}))
      ->capture_default_str();
  import->footer(
      "With a models/NAME.yaml it is judged, as it is, on the interactions that file asks for; with "
      "--towers, "
      "all in\n"
      "that file's tables who have no vector yet get one.\nExample:\n  millrace model import ours --items "
      "item_embeddings.csv --users user_embeddings.csv");
  CLI::App* export_command =
      add_files_command(models, common, exit_code, "export", "Write the vectors, or the towers, of a version",
                        out, export_model);
  export_command->add_option("NAME", out->model, "NAME@VERSION; NAME: what is deployed")->required();
  export_command->footer(
      "Example:\n  millrace model export for_you --items item_embeddings.csv --users user_embeddings.csv");
}

}  // namespace millrace
