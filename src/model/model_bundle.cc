#include "model/model_bundle.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "event/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr int kBundleFormat = 1;
constexpr std::string_view kBundleManifest = "model.json";

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

template <class Value>
std::string_view text_of(std::span<const Value> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

Status remove_dir(Env& env, const Path& dir) {
  MILLRACE_ASSIGN(const auto names, env.list_dir(dir));
  for (const std::string& name : names) MILLRACE_TRY(env.remove(dir / name));
  return env.remove(dir);
}

/// Compare a file with what the manifest says of it.
Status check_file(const FileBytes& file, const Json& want, const Path& path) {
  if (!want.contains("bytes") || want["bytes"] != file.bytes().size())
    return fail(Code::kCorrupt, fmt::format("has {} bytes, not those that were written", file.bytes().size()),
                path.string());
  if (!want.contains("xxh3") || want["xxh3"] != to_hex(hash128(file.text())))
    return fail(Code::kCorrupt, "is not what was written: its hash differs", path.string());
  return {};
}

}  // namespace

Result<BundleWriter> BundleWriter::begin(Env& env, const Path& dir) {
  if (env.exists(dir)) return fail(Code::kExists, "this version is there already", dir.string());
  BundleWriter writer(env, dir);
  if (env.exists(writer.staging())) MILLRACE_TRY(remove_dir(env, writer.staging()));
  MILLRACE_TRY(env.make_dirs(writer.staging()));
  return writer;
}

Status BundleWriter::add_file(const std::string& name, std::span<const std::string_view> parts) {
  MILLRACE_ASSIGN(const auto file, env_->open(staging() / name, OpenMode::kCreate));
  Hasher128 hasher;
  std::uint64_t written = 0;
  for (const std::string_view part : parts) {
    MILLRACE_TRY(file->write_at(written, bytes_of(part)));
    hasher.add(part);
    written += part.size();
  }
  MILLRACE_TRY(file->sync());
  files_[name] = {{"bytes", written}, {"xxh3", to_hex(hasher.result())}};
  return {};
}

Status BundleWriter::add_bytes(const std::string& file, std::string_view bytes) {
  return add_file(file, std::span(&bytes, 1));
}

template <class Value>
Status BundleWriter::add_values(std::string_view name, NpyType type, std::span<const Value> values,
                                std::size_t rows, std::size_t columns) {
  const std::string header = npy_header(type, rows, columns);
  const std::string_view parts[] = {header, text_of(values)};
  return add_file(fmt::format("{}.npy", name), parts);
}

Status BundleWriter::add(std::string_view name, MatrixView matrix) {
  return add_values(name, NpyType::kFloat32, matrix.all(), matrix.rows,
                    std::max<std::size_t>(matrix.columns, 1));
}

Status BundleWriter::add(std::string_view name, std::span<const float> values) {
  return add_values(name, NpyType::kFloat32, values, values.size(), 0);
}

Status BundleWriter::add(std::string_view name, std::span<const std::int32_t> values) {
  return add_values(name, NpyType::kInt32, values, values.size(), 0);
}

Status BundleWriter::add(std::string_view name, std::span<const std::int64_t> values) {
  return add_values(name, NpyType::kInt64, values, values.size(), 0);
}

Status BundleWriter::add(std::string_view name, const SparseMatrix& matrix) {
  std::vector<std::int64_t> begin = {0};
  std::vector<std::int32_t> columns;
  std::vector<float> values;
  for (std::size_t i = 0; i < matrix.rows(); ++i) {
    const auto row = matrix.row(i);
    columns.insert(columns.end(), row.columns.begin(), row.columns.end());
    values.insert(values.end(), row.values.begin(), row.values.end());
    begin.push_back(static_cast<std::int64_t>(columns.size()));
  }
  MILLRACE_TRY(add(fmt::format("{}_begin", name), std::span<const std::int64_t>(begin)));
  MILLRACE_TRY(add(fmt::format("{}_column", name), std::span<const std::int32_t>(columns)));
  return add(fmt::format("{}_value", name), std::span<const float>(values));
}

Status BundleWriter::add(std::string_view name, const IdMap& ids) {
  std::string text;
  for (std::uint32_t i = 0; i < ids.size(); ++i) {
    text += Json(ids.id(i)).dump(-1, ' ', false, Json::error_handler_t::replace);
    text += '\n';
  }
  const std::string_view parts[] = {text};
  return add_file(fmt::format("{}.jsonl", name), parts);
}

Status BundleWriter::add_json(std::string_view name, const Json& json) {
  const std::string text = json.dump(1) + "\n";
  const std::string_view parts[] = {text};
  return add_file(fmt::format("{}.json", name), parts);
}

Status BundleWriter::finish(Json manifest) {
  manifest["format"] = kBundleFormat;
  manifest["files"] = files_;
  const std::string text = manifest.dump(1) + "\n";
  const std::string_view parts[] = {text};
  MILLRACE_TRY(add_file(std::string(kBundleManifest), parts));
  MILLRACE_TRY(env_->sync_dir(staging()));
  MILLRACE_TRY(env_->rename(staging(), dir_));
  return env_->sync_dir(dir_.parent_path());
}

Result<BundleReader> BundleReader::open(Env& env, const Path& dir) {
  if (!env.exists(dir)) return fail(Code::kNotFound, "there is no such version", dir.string());
  MILLRACE_ASSIGN(const std::string text, read_file(env, dir / kBundleManifest, 64 << 20));
  const bool sound = is_utf8(text) && json::check_json(text);
  Json manifest = sound ? Json::parse(text, nullptr, false) : Json();
  if (!manifest.is_object() || !manifest.contains("files") || !manifest["files"].is_object() ||
      !manifest.contains("format"))
    return fail(Code::kCorrupt, "is no manifest of a model", (dir / kBundleManifest).string());
  if (manifest["format"] != kBundleFormat)
    return fail(
        Code::kInvalid,
        fmt::format("is of format {}; this version of Millrace reads {}: train the model again, or update",
                    manifest["format"].dump(), kBundleFormat),
        (dir / kBundleManifest).string());
  auto files = std::make_shared<Files>();
  for (const auto& [name, want] : manifest["files"].items()) {
    if (name.find('/') != std::string::npos || name.starts_with('.') || !want.is_object())
      return fail(Code::kCorrupt, fmt::format("names a file {}", name), (dir / kBundleManifest).string());
    auto file = env.open(dir / name, OpenMode::kRead);
    if (!file && file.error().code == Code::kNotFound)
      return fail(Code::kCorrupt, "is missing", (dir / name).string());
    if (!file) return fail(std::move(file).error());
    MILLRACE_ASSIGN((*files)[name], (*file)->map());
    MILLRACE_TRY(check_file(*(*files)[name], want, dir / name));
  }
  return BundleReader(dir, std::move(manifest), std::move(files));
}

std::unexpected<Error> BundleReader::unfit(std::string_view name, std::string_view what) const {
  return fail(Code::kCorrupt, std::string(what), (dir_ / name).string());
}

Result<const FileBytes*> BundleReader::file(const std::string& name) const {
  const auto found = files_->find(name);
  if (found == files_->end()) return unfit(name, "is not in the bundle");
  return found->second.get();
}

Result<std::string_view> BundleReader::bytes(const std::string& name) const {
  MILLRACE_ASSIGN(const FileBytes* bytes, file(name));
  return bytes->text();
}

Result<NpyView> BundleReader::array(std::string_view name, NpyType type) const {
  const std::string file_name = fmt::format("{}.npy", name);
  MILLRACE_ASSIGN(const FileBytes* bytes, file(file_name));
  MILLRACE_ASSIGN(const NpyView view, parse_npy(bytes->bytes(), (dir_ / file_name).string()));
  if (view.type != type) return unfit(file_name, "holds numbers of another type");
  return view;
}

Result<MatrixView> BundleReader::matrix(std::string_view name) const {
  MILLRACE_ASSIGN(const NpyView view, array(name, NpyType::kFloat32));
  return MatrixView(view.floats().data(), view.rows, view.columns);
}

Result<std::span<const float>> BundleReader::floats(std::string_view name) const {
  MILLRACE_ASSIGN(const NpyView view, array(name, NpyType::kFloat32));
  return view.floats();
}

Result<std::span<const std::int32_t>> BundleReader::int32s(std::string_view name) const {
  MILLRACE_ASSIGN(const NpyView view, array(name, NpyType::kInt32));
  return view.int32s();
}

Result<std::span<const std::int64_t>> BundleReader::int64s(std::string_view name) const {
  MILLRACE_ASSIGN(const NpyView view, array(name, NpyType::kInt64));
  return view.int64s();
}

Result<SparseMatrix> BundleReader::sparse(std::string_view name, std::size_t columns) const {
  MILLRACE_ASSIGN(const auto begin, int64s(fmt::format("{}_begin", name)));
  MILLRACE_ASSIGN(const auto column, int32s(fmt::format("{}_column", name)));
  MILLRACE_ASSIGN(const auto value, floats(fmt::format("{}_value", name)));
  std::vector<SparseEntry> cells;
  if (begin.empty() || column.size() != value.size()) return unfit(name, "is no sparse matrix");
  for (std::size_t i = 0; i + 1 < begin.size(); ++i) {
    if (begin[i] < 0 || begin[i] > begin[i + 1] || begin[i + 1] > static_cast<std::int64_t>(column.size()))
      return unfit(name, "is no sparse matrix: its rows do not follow each other");
    for (auto at = static_cast<std::size_t>(begin[i]); at < static_cast<std::size_t>(begin[i + 1]); ++at) {
      if (column[at] < 0 || static_cast<std::size_t>(column[at]) >= columns)
        return unfit(name, "has a column beyond its width");
      cells.push_back({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(column[at]), value[at]});
    }
  }
  return SparseMatrix(begin.size() - 1, columns, cells);
}

Result<IdMap> BundleReader::ids(std::string_view name) const {
  const std::string file_name = fmt::format("{}.jsonl", name);
  MILLRACE_ASSIGN(const FileBytes* bytes, file(file_name));
  IdMap ids;
  std::string_view text = bytes->text();
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const Json id = Json::parse(text.substr(0, end), nullptr, false);
    if (!id.is_string()) return unfit(file_name, fmt::format("line {} is no id", line));
    if (ids.add(id.get_ref<const std::string&>()) + 1 != line)
      return unfit(file_name, fmt::format("line {} repeats an id", line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ids;
}

Result<Json> BundleReader::json(std::string_view name) const {
  const std::string file_name = fmt::format("{}.json", name);
  MILLRACE_ASSIGN(const FileBytes* bytes, file(file_name));
  Json json = Json::parse(bytes->text(), nullptr, false);
  if (json.is_discarded()) return unfit(file_name, "is no JSON");
  return json;
}

}  // namespace millrace
