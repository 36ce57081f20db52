#include "warehouse/transform.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "base/yaml.h"

namespace millrace {
namespace {

constexpr std::size_t kNameMax = 48;

/// Names such as visits_v2 are those of versions.
bool is_version_name(std::string_view name) {
  const auto end = name.find_last_not_of("0123456789");
  return end != std::string_view::npos && end + 1 < name.size() && end >= 1 &&
         name.substr(end - 1, 2) == "_v";
}

/// Return the YAML of the comment that the file begins with, on the lines where it stands in the file; ""
/// when there is none.
std::string head_of(std::string_view text) {
  const auto start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text.substr(start, 2) != "/*") return {};
  const auto end = text.find("*/", start + 2);
  if (end == std::string_view::npos) return {};
  const auto lines_before = std::ranges::count(text.substr(0, start), '\n');
  return std::string(static_cast<std::size_t>(lines_before), '\n') +
         std::string(text.substr(start + 2, end - start - 2));
}

void read_interval(const YamlMap& root, Transform& transform) {
  if (!root.optional_duration("interval", transform.interval, kMinuteUs, 366 * kDayUs)) return;
  const bool fits = kDayUs % transform.interval == 0 || transform.interval % kDayUs == 0;
  if (!fits)
    root.find("interval")->error("must divide a day, such as 1h or 6h, or be whole days, such as 1d");
  root.required("time", transform.time);
}

std::optional<TimeUs> read_time(const YamlMap& root, std::string_view key) {
  std::string text;
  if (!root.optional(key, text)) return std::nullopt;
  const auto time = parse_time(text);
  if (!time) {
    root.find(key)->error(time.error().message);
    return std::nullopt;
  }
  return *time;
}

void read_checks(const YamlMap& root, Transform& transform) {
  for (const YamlValue& entry : root.list("unique")) entry.read(transform.unique.emplace_back());
  root.optional("not_null", transform.not_null);
  for (const auto& [column, value] : root.map("accepted").entries()) {
    Transform::Accepted accepted{.column = column, .values = {}};
    value.read(accepted.values);
    transform.accepted.push_back(std::move(accepted));
  }
}

void read_head(const YamlMap& root, Transform& transform) {
  root.optional("description", transform.description);
  for (const auto& [column, value] : root.map("columns").entries()) value.read(transform.columns[column]);
  read_interval(root, transform);
  transform.begin = read_time(root, "begin");
  root.optional("lookback", transform.lookback, 0, 1'000);
  root.optional("batch", transform.batch, 1, 10'000);
  if (!transform.is_incremental()) {
    for (const char* key : {"time", "begin", "lookback", "batch"})
      if (const auto found = root.find(key)) found->error(fmt::format("{} goes with interval", key));
  }
  read_checks(root, transform);
  root.optional("version", transform.version, 1, 1'000'000);
  transform.old_until = read_time(root, "old_until");
  if (transform.old_until && transform.version < 2)
    root.find("old_until")
        ->error("goes with a version of 2 or more: it says until when the one before is kept");
}

}  // namespace

std::string sql_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string Transform::table() const {
  return fmt::format("{}.{}", kTransformSchema, sql_identifier(name));
}

Result<Transform> parse_transform(const TransformFile& file) {
  Transform transform;
  transform.name = file.path.stem().string();
  transform.path = file.path;
  transform.text = file.text;
  if (!is_snake_case(transform.name, kNameMax))
    return fail(
        Code::kInvalid,
        fmt::format("the name of a transform is of small letters, digits and '_', at most {}: rename it",
                    kNameMax),
        file.path.string());
  if (is_version_name(transform.name))
    return fail(Code::kInvalid, "names that end in _v and a number are those of old versions: rename it",
                file.path.string());
  if (file.text.find('\0') != std::string::npos)
    return fail(Code::kInvalid, "holds a NUL byte", file.path.string());
  const std::string head = head_of(file.text);
  if (head.find_first_not_of(" \t\r\n") == std::string::npos) return transform;
  MILLRACE_ASSIGN(const YamlDocument yaml, YamlDocument::parse(head, file.path));
  read_head(yaml.root(), transform);
  MILLRACE_TRY(yaml.finish());
  return transform;
}

}  // namespace millrace
