#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/text.h"
#include "vector/embedding_file.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kSendBytes = 8 << 20;  ///< of rows in one request
constexpr int kExportTries = 3;

struct VectorOptions {
  std::string set;
  std::string file;
  std::string ids;
  std::string similarity;
  std::string id;
  std::string vector;
  std::size_t n = 10;
  std::vector<std::string> exclude;
};

std::string address_of_set(const std::string& set) {
  return "/v1/vectors/" + url_encode(set);
}

/// Make the set, unless it is there and nothing was said of its similarity.
Status make_set(HttpClient& client, const VectorOptions& options, std::size_t dimensions) {
  if (options.similarity.empty()) {
    MILLRACE_ASSIGN(const HttpResponse there, client.get(address_of_set(options.set)));
    if (there.status == 200) {
      const auto known = Json::parse(there.body).value("dimensions", std::size_t{0});
      if (known == dimensions) return {};
      return fail(Code::kInvalid, fmt::format("the set {} has vectors of {} dimensions, the file of {}",
                                              options.set, known, dimensions));
    }
  }
  const Json shape = {{"dimensions", dimensions},
                      {"similarity", options.similarity.empty() ? "dot" : options.similarity}};
  MILLRACE_TRY(ask(client, "PUT", address_of_set(options.set), shape.dump()));
  return {};
}

std::string row_line(const std::string& id, std::span<const float> vector) {
  std::string line = Json{{"id", id}}.dump();
  line.pop_back();
  line += R"(,"vector":[)";
  for (std::size_t i = 0; i < vector.size(); ++i)
    fmt::format_to(std::back_inserter(line), "{}{}", i == 0 ? "" : ",", vector[i]);
  return line + "]}\n";
}

Status import_file(HttpClient& client, const VectorOptions& options, bool as_json) {
  // All of it is read before anything is sent, so a file with a mistake changes nothing.
  MILLRACE_ASSIGN(const EmbeddingRows read, read_embeddings(Env::system(), options.file, options.ids));
  MILLRACE_TRY(make_set(client, options, read.dimensions));
  const std::size_t count = read.rows.ids.size();
  std::string body;
  for (std::size_t i = 0; i < count; ++i) {
    body += row_line(read.rows.ids[i], read.rows.row(i, read.dimensions));
    if (body.size() < kSendBytes && i + 1 < count) continue;
    MILLRACE_TRY(
        ask(client, "POST", address_of_set(options.set), body, {{"Content-Type", "application/x-ndjson"}}));
    body.clear();
    if (!as_json && on_terminal()) {
      fmt::print("\r{} of {}", with_thousands(i + 1), counted(count, "vector"));
      std::fflush(stdout);
    }
  }
  if (as_json)
    fmt::print("{}\n", Json{{"set", options.set}, {"put", count}, {"dimensions", read.dimensions}}.dump());
  else
    fmt::print("{}{} of {} dimensions put into {}, durable\n", on_terminal() ? "\r" : "",
               counted(count, "vector"), read.dimensions, options.set);
  return {};
}

/// Read all pages; nothing when the index was made anew in between.
Result<std::optional<EmbeddingRows>> read_set(HttpClient& client, const VectorOptions& options) {
  MILLRACE_ASSIGN(const Json set, ask(client, "GET", address_of_set(options.set)));
  EmbeddingRows all{set.value("dimensions", std::size_t{0}), {}};
  for (Json from = Json::object(); !from.is_null();) {
    MILLRACE_ASSIGN(const HttpResponse answer,
                    client.request("POST", address_of_set(options.set) + "/rows", from.dump()));
    if (answer.status == 409) return std::nullopt;
    MILLRACE_TRY(check_answer(answer));
    const Json page = Json::parse(answer.body);
    for (const Json& row : page["rows"]) {
      all.rows.ids.push_back(row["id"].get<std::string>());
      for (const Json& value : row["vector"]) all.rows.values.push_back(value.get<float>());
    }
    from = page["next"].is_null() ? Json() : Json{{"from", page["next"]}};
  }
  return all;
}

Status export_file(HttpClient& client, const VectorOptions& options, bool as_json) {
  std::optional<EmbeddingRows> all;
  for (int i = 0; i < kExportTries && !all; ++i) {
    MILLRACE_ASSIGN(all, read_set(client, options));
  }
  if (!all) return fail(Code::kIo, "the index of the set is being made anew again and again; try later");
  MILLRACE_TRY(write_embeddings(Env::system(), options.file, options.ids, *all));
  if (as_json)
    fmt::print("{}\n",
               Json{{"set", options.set}, {"vectors", all->rows.ids.size()}, {"file", options.file}}.dump());
  else
    fmt::print("{} of {} written to {}\n", counted(all->rows.ids.size(), "vector"), options.set,
               options.file);
  return {};
}

Status query_set(HttpClient& client, const VectorOptions& options, bool as_json) {
  Json body = {{"n", options.n}, {"exclude", options.exclude}};
  if (options.vector.empty() == options.id.empty())
    return fail(Code::kInvalid, "say near to what: --id ID, or --vector 0.1,0.2,…");
  if (!options.id.empty()) {
    body["id"] = options.id;
  } else {
    body["vector"] = Json::parse("[" + options.vector + "]", nullptr, false);
    if (body["vector"].is_discarded())
      return fail(Code::kInvalid, "--vector takes numbers with commas between them");
  }
  MILLRACE_ASSIGN(const Json answer,
                  ask(client, "POST", address_of_set(options.set) + "/query", body.dump()));
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return {};
  }
  for (const Json& item : answer["items"])
    fmt::print("{:<32} {:.4g}\n", item["id"].get<std::string>(), item["score"].get<double>());
  if (answer["items"].empty()) fmt::print("there are no others\n");
  return {};
}

std::string index_text(const Json& set) {
  const Json& index = set["index"];
  std::string text = index.value("kind", "");
  if (index.contains("recall"))
    text += fmt::format(", finds {:.1f} % ({:.0f} % wanted; {})", 100 * index.value("recall", 0.0),
                        100 * index.value("recall_wanted", 0.0), index.value("settings", ""));
  if (index.value("building", false)) text += ", another is being made";
  return text;
}

Status list_sets(HttpClient& client, bool as_json) {
  MILLRACE_ASSIGN(const Json answer, ask(client, "GET", "/v1/vectors"));
  if (as_json) {
    fmt::print("{}\n", answer.dump());
    return {};
  }
  if (answer["sets"].empty()) fmt::print("there are no sets of vectors; millrace vectors import makes one\n");
  for (const Json& set : answer["sets"]) {
    if (set.contains("problem")) {
      fmt::print("{:<24} cannot be read: {}\n", set.value("name", ""), set.value("problem", ""));
      continue;
    }
    fmt::print("{:<24} {:>12} vectors of {:>4}  {:<6}  {}\n", set.value("name", ""),
               with_thousands(set.value("vectors", 0ull)), set.value("dimensions", 0),
               set.value("similarity", ""), index_text(set));
  }
  return {};
}

Status drop_set(HttpClient& client, const VectorOptions& options) {
  MILLRACE_TRY(ask(client, "DELETE", address_of_set(options.set)));
  fmt::print("{} is gone\n", options.set);
  return {};
}

using VectorWork = Status (*)(HttpClient&, const VectorOptions&, bool as_json);

CLI::App* add_vectors_subcommand(CLI::App& vectors, CommonOptions& common, int& exit_code,
                                 const std::shared_ptr<VectorOptions>& options, const char* name,
                                 const char* what, VectorWork work) {
  CLI::App* command = vectors.add_subcommand(name, what);
  add_data_options(*command, common);
  command->add_flag("--json", common.json, "print JSON");
  command->callback([&common, &exit_code, options, work] {
    exit_code = run_with_server(common, ServerConnection::Need::kMayBeNew,
                                [&](HttpClient& client) { return work(client, *options, common.json); });
  });
  return command;
}

}  // namespace

void add_vectors_command(CLI::App& app, CommonOptions& common, int& exit_code) {
  CLI::App* vectors =
      app.add_subcommand("vectors", "Sets of vectors: bring your own embeddings, find the nearest");
  vectors->require_subcommand(1);
  auto options = std::make_shared<VectorOptions>();
  const auto add = [&](const char* name, const char* what, VectorWork work, bool of_set = true) {
    CLI::App* command = add_vectors_subcommand(*vectors, common, exit_code, options, name, what, work);
    if (of_set) command->add_option("SET", options->set, "its name")->required();
    return command;
  };
  CLI::App* in =
      add("import", "Put the vectors of a file into a set, which is made when it is not there", import_file);
  in->add_option("FILE", options->file,
                 "lines id,embedding with that header; or .npy (float32, two dimensions)")
      ->required();
  in->add_option("--ids", options->ids, "of a .npy file: the ids of its rows, one a line");
  in->add_option("--similarity", options->similarity, "of a new set: dot (default) or cosine");
  CLI::App* out = add("export", "Write all vectors of a set to a file", export_file);
  out->add_option("FILE", options->file, "lines id,embedding; or .npy")->required();
  out->add_option("--ids", options->ids, "of a .npy file: where the ids go, one a line");
  CLI::App* nearest = add("query", "Show the nearest to a vector of the set, or to another", query_set);
  nearest->add_option("--id", options->id, "near to the vector of this id");
  nearest->add_option("--vector", options->vector, "near to this one: 0.1,0.2,…");
  nearest->add_option("-n", options->n, "how many")->capture_default_str();
  nearest->add_option("--exclude", options->exclude, "not these ids");
  add(
      "list", "Show the sets, and how well their indexes find",
      [](HttpClient& client, const VectorOptions&, bool as_json) { return list_sets(client, as_json); },
      false);
  add("drop", "Forget a set and its vectors",
      [](HttpClient& client, const VectorOptions& chosen, bool) { return drop_set(client, chosen); });
  vectors->footer(
      "Examples:\n"
      "  millrace vectors import items embeddings/item_embeddings.csv\n"
      "  millrace vectors import items items.npy --ids items.txt --similarity cosine\n"
      "  millrace vectors query items --id S10_1678 -n 5\n"
      "docs/how-to/vectors.md says what can be done with them over HTTP.");
}

}  // namespace millrace
