#include "app/follow_config.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "log/topics.h"

namespace millrace {
namespace {

Path absolute(const Path& project, const std::string& path) {
  return std::filesystem::absolute(project / path).lexically_normal();
}

/// Read the mapping of what comes row by row.
void read_mapping(Env& env, const Path& path, const YamlValue& where, std::string_view what,
                  FollowedShape& shape) {
  auto mapping = load_mapping(env, path);
  if (!mapping) return where.error(mapping.error().text());
  if (mapping->format != RowFormat::kJsonLines)
    return where.error("only JSON lines can be followed; the mapping must say 'format: jsonl'");
  if (!mapping->group_by.empty())
    return where.error(
        fmt::format("rows cannot be grouped while {} grows; leave 'group_by' out of the mapping", what));
  if (shape.source.empty()) shape.source = mapping->source;
  shape.mapping = *std::move(mapping);
}

FollowedFile read_file_entry(Env& env, const Path& project, const std::string& name, const YamlValue& entry) {
  FollowedFile file{.name = name, .path = {}, .source = {}, .codec = {}, .mapping = {}};
  if (!is_log_name(name) || name.contains('.')) entry.error("a name is letters, digits, - and _");
  const auto map = entry.map();
  std::string path;
  map.required("path", path);
  file.path = absolute(project, path);
  auto shape = read_followed_shape(env, project, map, "", "the file");
  file.codec = shape.codec;
  file.mapping = std::move(shape.mapping);
  file.source = shape.source.empty() ? name : std::move(shape.source);
  return file;
}

}  // namespace

FollowedShape read_followed_shape(Env& env, const Path& project, const YamlMap& map, std::string format,
                                  std::string_view what) {
  FollowedShape shape;
  std::string mapping;
  if (!map.optional("format", format) && format.empty()) map.missing("format");
  map.optional("source", shape.source);
  shape.codec = codec_of_format(format);
  const bool has_mapping = map.optional("map", mapping);
  if (!shape.codec && format != "jsonl") {
    if (const auto at = map.find("format"))
      at->error("takes segment, cloudevents, native, visits, activity, ga4, or jsonl with a mapping");
  } else if (shape.codec && has_mapping) {
    map.find("map")->error(fmt::format("format {} needs no mapping", format));
  } else if (!shape.codec && !has_mapping) {
    map.missing("map");
  } else if (has_mapping) {
    read_mapping(env, absolute(project, mapping), *map.find("map"), what, shape);
  }
  return shape;
}

std::vector<FollowedFile> read_followed_files(Env& env, const Path& project, const YamlMap& follow) {
  std::vector<FollowedFile> files;
  for (const auto& [name, entry] : follow.entries()) {
    files.push_back(read_file_entry(env, project, name, entry));
    const auto same = [&](const FollowedFile& other) { return other.path == files.back().path; };
    if (std::ranges::count_if(files, same) > 1)
      entry.error("this file is followed under another name already");
  }
  return files;
}

}  // namespace millrace
