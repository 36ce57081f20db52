#include "model/training_set_rows.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "warehouse/duck.h"
#include "warehouse/transform.h"

namespace millrace {

Result<std::string> training_files_sql(Env& env, const Path& lake_dir, const std::string& manifest) {
  const auto known = nlohmann::json::parse(manifest, nullptr, false);
  if (!known.is_object() || !known["files"].is_array())
    return fail(Code::kCorrupt, "the manifest is not JSON");
  const Path folder = lake_dir / known.value("path", "");
  std::string files;
  for (const auto& file : known["files"]) {
    const Path path = folder / file.get<std::string>();
    if (!env.exists(path))
      return fail(Code::kNotFound, "its files have gone; it may be being made: try again",
                  path.filename().string());
    files += (files.empty() ? "" : ", ") + sql_literal(path.string());
  }
  if (files.empty()) return fail(Code::kNotFound, "the training set has no rows");
  return fmt::format("read_parquet([{}], hive_partitioning = {})", files, !known["partitions"].empty());
}

Status read_training_rows(Warehouse& warehouse, const Path& lake_dir, const std::string& manifest,
                          const std::function<bool(std::string_view)>& take) {
  const auto known = nlohmann::json::parse(manifest, nullptr, false);
  if (!known.is_object()) return fail(Code::kCorrupt, "the manifest is not JSON");
  if (known["files"].empty()) return {};
  MILLRACE_ASSIGN(const std::string files, training_files_sql(warehouse.env(), lake_dir, manifest));
  std::string columns;
  for (const auto& column : known["columns"]) {
    const auto name = column["name"].get<std::string>();
    columns += fmt::format("{}{}: {}", columns.empty() ? "" : ", ", sql_literal(name), sql_identifier(name));
  }
  MILLRACE_ASSIGN(auto connection, warehouse.connect_for_answer());
  MILLRACE_ASSIGN(auto rows, connection.stream(fmt::format("SELECT CAST(to_json({{{}}}) AS VARCHAR) FROM {}",
                                                           columns, files)));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    for (std::size_t row = 0; row < rows.size(); ++row)
      if (!take(rows.text(0, row))) return {};
  }
}

}  // namespace millrace
