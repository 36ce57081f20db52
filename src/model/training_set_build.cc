#include "model/training_set_build.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/text.h"
#include "model/training_set_sql.h"
#include "warehouse/duck.h"
#include "warehouse/transform.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kFileRows = 1'000'000;
constexpr std::string_view kManifest = "_manifest.json";
/// The files of a set that is being replaced, while it has no manifest.
constexpr std::string_view kUnderWay = "_under_way.json";

std::string folder_of(const TrainingSet& set) {
  return set.path.empty() ? "training_sets/" + set.name : set.path;
}

/// Errors of SQL speak of what the user wrote.
Status named(Status done, std::string_view what) {
  if (done) return done;
  return fail(Error(done.error()).with_context(what));
}

/// Call `take` with each row of a result, as (rows, its number in the chunk).
template <class Take>
Status each_row(Result<duck::Rows> rows, Take take) {
  if (!rows) return fail(rows.error());
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows->next_chunk());
    if (!more) return {};
    for (std::size_t row = 0; row < rows->size(); ++row) take(*rows, row);
  }
}

/// One build, from the labels to the manifest.
class Build {
 public:
  Build(duck::Connection connection, Warehouse& warehouse, ObjectStore& lake, const Path& staging,
        const TrainingSet& set, const TrainingSetBuilder::OnStep& on_step)
      : connection_(std::move(connection)),
        warehouse_(warehouse),
        lake_(lake),
        staging_(staging),
        set_(set),
        sql_(set),
        on_step_(on_step) {}

  Result<TrainingSetResult> run() {
    MILLRACE_ASSIGN(auto snapshot, duck::Transaction::begin(connection_));
    MILLRACE_TRY(make_labels());
    for (std::size_t i = 0; i < set_.features.size(); ++i) MILLRACE_TRY(make_feature(i));
    MILLRACE_TRY(put_together());
    MILLRACE_TRY(describe());
    on_step_("files");
    MILLRACE_TRY(publish());
    return result_;  // the transaction is rolled back: it made temporary tables alone
  }

 private:
  Status execute(const std::string& sql, std::string_view what) {
    return named(connection_.execute(sql), what);
  }

  Result<std::uint64_t> number(const std::string& sql) {
    MILLRACE_ASSIGN(const auto value, connection_.scalar(sql));
    return static_cast<std::uint64_t>(value.value_or(0));
  }

  Status make_labels() {
    on_step_("labels");
    MILLRACE_TRY(named(make_checked(connection_, sql_.all_labels()), "labels.from"));
    MILLRACE_TRY(check_names());
    MILLRACE_ASSIGN(const auto all, number("SELECT count(*) FROM ts_all"));
    MILLRACE_TRY(execute(sql_.labels(), "labels"));
    MILLRACE_ASSIGN(const auto complete, number(sql_.complete_labels()));
    MILLRACE_ASSIGN(result_.rows, number("SELECT count(*) FROM ts_labels"));
    result_.incomplete = all - complete;
    result_.repeats = complete - result_.rows;
    return connection_.execute("DROP TABLE ts_all");
  }

  /// Columns that would be called alike, which DuckDB would rename or mistake for each other.
  Status check_names() {
    std::set<std::string> labels;
    MILLRACE_TRY(
        each_row(connection_.query("SELECT lower(column_name) FROM (DESCRIBE ts_all)"),
                 [&](const duck::Rows& rows, std::size_t row) { labels.emplace(rows.text(0, row)); }));
    if (labels.contains("_row") || (set_.test > 0 && labels.contains("split")))
      return fail(Code::kInvalid, "a column cannot be called _row, nor split where there is a split",
                  "labels");
    for (const auto& feature : set_.features)
      for (const auto& [name, expression] : feature.columns)
        if (labels.contains(to_lower(name)))
          return fail(Code::kInvalid,
                      "the labels have a column of that name; name one otherwise: {NAME: column}",
                      fmt::format("features.{}.{}", feature.name, name));
    return {};
  }

  Status make_feature(std::size_t i) {
    const TrainingFeature& feature = set_.features[i];
    const std::string what = "feature " + feature.name;
    on_step_(what);
    MILLRACE_TRY(named(make_checked(connection_, sql_.feature_rows(i)), what));
    if (!feature.has_time()) {
      MILLRACE_ASSIGN(const auto several, number(sql_.ambiguous_keys(i)));
      if (several > 0)
        return fail(Code::kInvalid,
                    fmt::format("{} keys have several rows; give time, or make `from` a SELECT with one each",
                                several),
                    what);
    }
    MILLRACE_TRY(execute(sql_.matches(i), what));
    return connection_.execute(sql_.drop_rows(i));
  }

  Status put_together() { return execute(sql_.joined(), "the features together"); }

  /// Name the version by the definition and the contents, in whatever order they lie.
  Status describe() {
    std::string cells, contents;
    MILLRACE_TRY(
        each_row(connection_.query(
                     "SELECT column_name, column_type FROM (DESCRIBE ts_out) WHERE column_name <> '_row'"),
                 [&](const duck::Rows& rows, std::size_t row) {
                   const std::string name(rows.text(0, row));
                   columns_.push_back({{"name", name}, {"type", std::string(rows.text(1, row))}});
                   cells += fmt::format("{}coalesce({}::VARCHAR, chr(30))", cells.empty() ? "" : ", ",
                                        sql_identifier(name));
                 }));
    MILLRACE_TRY(each_row(
        connection_.query(fmt::format(
            "SELECT coalesce(sum(md5_number_lower(concat_ws(chr(31), {})))::VARCHAR, '') FROM ts_out",
            cells)),
        [&](const duck::Rows& rows, std::size_t row) { contents = rows.text(0, row); }));
    std::string definition = set_.text + '\n';
    for (const auto& [name, text] : set_.views) definition += text + '\n';
    result_.version = to_hex(hash128(definition + columns_.dump() + '\n' + contents)).substr(0, 16);
    result_.path = set_.path.empty() ? folder_of(set_) + "/v=" + result_.version : set_.path;
    if (set_.test > 0) {
      MILLRACE_ASSIGN(result_.test_rows, number("SELECT count(*) FROM ts_out WHERE split = 'test'"));
    }
    return {};
  }

  std::string key_of(std::string_view file) const { return fmt::format("{}/{}", result_.path, file); }

  /// Nothing of what was there is touched before all files lie ready.
  Status publish() {
    if (set_.path.empty()) {
      MILLRACE_ASSIGN(const bool made, is_published());
      if (made) return lake_.put(folder_of(set_) + "/_latest.json", result_.manifest);
    }
    std::error_code ignored;
    std::filesystem::remove_all(staging_, ignored);
    MILLRACE_TRY(warehouse_.env().make_dirs(staging_));
    std::vector<std::string> names;
    Status done = set_.partitions.empty() ? stage_parts() : stage_partitions();
    if (done) done = find_staged(names);
    if (done) done = replace(names);
    std::filesystem::remove_all(staging_, ignored);
    return done;
  }

  /// Find whether this version lies there whole. Its files never change, so nothing is left to do then.
  Result<bool> is_published() {
    auto text = lake_.get(key_of(kManifest));
    if (!text && text.error().code == Code::kNotFound) return false;
    if (!text) return fail(std::move(text).error());
    MILLRACE_ASSIGN(const auto objects, lake_.list(result_.path + "/"));
    const auto files = files_in(*text);
    const auto is_there = [&](const std::string& name) {
      return std::ranges::find(objects, key_of(name), &ObjectInfo::key) != objects.end();
    };
    if (files.empty() || !std::ranges::all_of(files, is_there)) return false;
    result_.files = files.size();
    result_.manifest = *std::move(text);
    return true;
  }

  /// The files that a manifest names.
  static std::vector<std::string> files_in(const std::string& manifest) {
    std::vector<std::string> names;
    const Json json = Json::parse(manifest, nullptr, false);
    const auto files = json.is_object() ? json.find("files") : json.end();
    if (!json.is_object() || files == json.end() || !files->is_array()) return names;
    for (const Json& name : *files)
      if (name.is_string()) names.push_back(name.get<std::string>());
    return names;
  }

  /// Find which files are of the set made before: in a folder of Millrace's own all are. In a `path` those
  /// that the manifest names, and those of a build that was cut off. Errors: kExists when others' lie there.
  Result<std::vector<std::string>> files_before() {
    std::vector<std::string> before;
    MILLRACE_ASSIGN(const auto objects, lake_.list(result_.path + "/"));
    bool is_ours = set_.path.empty() || objects.empty();
    for (const auto& object : objects)
      if (set_.path.empty()) before.push_back(object.key.substr(result_.path.size() + 1));
    if (set_.path.empty()) return before;
    for (const std::string_view list : {kManifest, kUnderWay}) {
      const auto text = lake_.get(key_of(list));
      if (!text && text.error().code == Code::kNotFound) continue;
      if (!text) return fail(text.error());
      is_ours = true;
      for (auto& name : files_in(*text)) before.push_back(std::move(name));
    }
    if (is_ours) return before;
    return fail(Code::kExists, "holds files that no training set made: give another path, or move them away",
                "path " + result_.path);
  }

  /// Put the staged files in the place of those before. The manifest goes first and comes last; in between
  /// `kUnderWay` says whose files these are.
  Status replace(const std::vector<std::string>& names) {
    MILLRACE_ASSIGN(auto before, files_before());
    auto all = before;
    all.insert(all.end(), names.begin(), names.end());
    if (!set_.path.empty()) MILLRACE_TRY(lake_.put(key_of(kUnderWay), Json{{"files", all}}.dump()));
    MILLRACE_TRY(lake_.remove(key_of(kManifest)));
    for (const auto& name : names) MILLRACE_TRY(put_file(name));
    for (const auto& old : before)
      if (std::ranges::find(names, old) == names.end()) MILLRACE_TRY(lake_.remove(key_of(old)));
    result_.files = names.size();
    MILLRACE_TRY(write_manifest(names));
    return set_.path.empty() ? Status{} : lake_.remove(key_of(kUnderWay));
  }

  Status put_file(const std::string& name) {
    MILLRACE_ASSIGN(const std::string bytes, read_file(warehouse_.env(), staging_ / name));
    MILLRACE_TRY(lake_.put(key_of(name), bytes));
    return warehouse_.env().remove(staging_ / name);
  }

  Status stage_parts() {
    for (std::uint64_t from = 0; from == 0 || from < result_.rows; from += kFileRows) {
      const Path file = staging_ / fmt::format("part-{:05}.parquet", from / kFileRows);
      MILLRACE_TRY(execute(
          fmt::format(
              "COPY (SELECT * EXCLUDE (_row) FROM ts_out WHERE _row > {} AND _row <= {} ORDER BY _row) TO {} "
              "(FORMAT parquet, COMPRESSION snappy)",
              from, from + kFileRows, sql_literal(file.string())),
          "files"));
    }
    return {};
  }

  Status stage_partitions() {
    std::string columns;
    for (const auto& name : set_.partitions) columns += (columns.empty() ? "" : ", ") + sql_identifier(name);
    return execute(
        fmt::format("COPY (SELECT * EXCLUDE (_row) FROM ts_out ORDER BY {}, _row) TO {} (FORMAT parquet, "
                    "COMPRESSION snappy, PARTITION_BY ({}), FILENAME_PATTERN 'part-{{i}}', "
                    "OVERWRITE_OR_IGNORE)",
                    columns, sql_literal(staging_.string()), columns),
        "partitions");
  }

  Status find_staged(std::vector<std::string>& names) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(staging_))
      if (entry.is_regular_file()) names.push_back(entry.path().lexically_relative(staging_).string());
    std::ranges::sort(names);
    for (const auto& name : names)
      if (!check_object_key(key_of(name)))
        return fail(
            Code::kInvalid,
            "the values of columns that become folders may hold letters, digits, '.', '_', '-' alone: " +
                key_of(name),
            "partitions");
    return {};
  }

  Status write_manifest(const std::vector<std::string>& files) {
    Json offsets = Json::object();
    MILLRACE_TRY(each_row(
        connection_.query("SELECT log_topic, log_partition::BIGINT, next_offset FROM _offsets ORDER BY ALL"),
        [&](const duck::Rows& rows, std::size_t row) {
          offsets[fmt::format("{}/{}", rows.text(0, row), rows.int64(1, row))] = rows.int64(2, row);
        }));
    result_.manifest = Json{{"name", set_.name},
                            {"version", result_.version},
                            {"description", set_.description},
                            {"path", result_.path},
                            {"rows", result_.rows},
                            {"test_rows", result_.test_rows},
                            {"repeats_left_out", result_.repeats},
                            {"incomplete_left_out", result_.incomplete},
                            {"columns", columns_},
                            {"key", set_.key},
                            {"time", set_.time},
                            {"partitions", set_.partitions},
                            {"files", files},
                            {"offsets", offsets},
                            {"definition", set_.text},
                            {"views", set_.views},
                            {"made", format_time(warehouse_.env().now())}}
                           .dump(1, ' ', false, Json::error_handler_t::replace);
    MILLRACE_TRY(lake_.put(key_of(kManifest), result_.manifest));
    if (!set_.path.empty()) return {};
    return lake_.put(folder_of(set_) + "/_latest.json", result_.manifest);
  }

  duck::Connection connection_;
  Warehouse& warehouse_;
  ObjectStore& lake_;
  const Path& staging_;
  const TrainingSet& set_;
  const TrainingSetSql sql_;
  const TrainingSetBuilder::OnStep& on_step_;
  Json columns_ = Json::array();
  TrainingSetResult result_;
};

}  // namespace

Result<TrainingSetResult> TrainingSetBuilder::build(const TrainingSet& set, const OnStep& on_step) {
  MILLRACE_ASSIGN(auto connection, warehouse_.connect_for_answer());
  return Build(std::move(connection), warehouse_, lake_, staging_, set, on_step).run();
}

Result<std::string> training_set_manifest(const ObjectStore& lake, const TrainingSet& set) {
  return lake.get(set.path.empty() ? folder_of(set) + "/_latest.json"
                                   : set.path + "/" + std::string(kManifest));
}

}  // namespace millrace
