#include "app/transforms.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/yaml.h"
#include "log/topics.h"
#include "server/flow_http.h"
#include "stream/flow_sql.h"
#include "stream/transform_job.h"

namespace millrace {
namespace {

constexpr std::string_view kYaml = ".yaml";
constexpr std::string_view kJson = ".json";
constexpr std::size_t kNameMax = 64;

bool is_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, fits);
}

void read_topics(const YamlMap& root, InFlightTransform& transform) {
  root.optional("from", transform.from);
  if (transform.from == kQuarantineTopic)
    root.error("'from' must not be quarantine: what fails would come again");
  root.required("to", transform.to);
  // Millrace's own have records of their own form, and what comes into quarantine must not go round.
  if (is_reserved_topic(transform.to))
    root.error(
        "'to' must be a topic of your own; for tables, push that to /v1/push/native with a subscription");
}

void read_sql(const YamlValue& value, InFlightTransform& transform) {
  value.read(transform.sql);
  if (transform.sql.empty())
    return value.error("must be a SQL expression over data, key, time and attributes");
  if (const auto function = make_sql_function(transform.sql, transform.timeout); !function)
    value.error(function.error().message);
}

void read_url(const YamlValue& value, const std::vector<PushTarget>& targets, InFlightTransform& transform) {
  value.read(transform.url);
  const auto url = PushUrl::parse(transform.url);
  if (!url) return value.error(url.error().message);
  if (const auto function = make_http_function({transform.url, {}, transform.timeout}); !function)
    return value.error(function.error().message);
  for (const PushTarget& target : targets) {
    const auto allowed = PushUrl::parse(target.url);
    if (!allowed || !url->is_below(*allowed)) continue;
    transform.authorization = target.authorization;
    return;
  }
  value.error("is not allowed; whoever runs the server adds it to flow.http_targets in millrace.yaml");
}

Result<InFlightTransform> load_one(Env& env, const Path& file, const std::vector<PushTarget>& targets) {
  InFlightTransform transform;
  transform.name = file.stem().string();
  if (!is_name(transform.name))
    return fail(Code::kInvalid, "the name of a transform is of small letters, digits, '-' and '_'",
                file.string());
  MILLRACE_ASSIGN(const YamlDocument yaml, YamlDocument::load(env, file));
  const YamlMap root = yaml.root();
  read_topics(root, transform);
  root.optional_choice("start", transform.from_start, {{"start", true}, {"end", false}});
  root.optional_duration("timeout", transform.timeout, 10 * kMillisecondUs, kMinuteUs);
  root.optional("batch", transform.batch, 1, 1'000);
  const auto sql = root.find("sql");
  const auto url = root.find("http");
  if (sql) read_sql(*sql, transform);
  if (url) read_url(*url, targets, transform);
  if (sql.has_value() == url.has_value()) root.error("takes either 'sql', an expression, or 'http', a URL");
  MILLRACE_TRY(yaml.finish());
  return transform;
}

/// Refuse what would feed itself: a message would go round for ever.
Status check_circles(const Path& dir, const std::vector<InFlightTransform>& transforms) {
  std::multimap<std::string, const InFlightTransform*> by_source;
  for (const InFlightTransform& transform : transforms) by_source.emplace(transform.from, &transform);
  for (const InFlightTransform& first : transforms) {
    std::vector<std::string> reached = {first.to};
    for (std::size_t i = 0; i < reached.size(); ++i) {
      if (reached[i] == first.from)
        return fail(Code::kInvalid, fmt::format("leads in a circle: from '{}' back to it", first.from),
                    (dir / (first.name + ".yaml")).string());
      const auto [begin, end] = by_source.equal_range(std::string(reached[i]));
      for (auto next = begin; next != end; ++next)
        if (std::ranges::find(reached, next->second->to) == reached.end())
          reached.push_back(next->second->to);
    }
  }
  return {};
}

}  // namespace

Result<std::vector<InFlightTransform>> load_transforms(Env& env, const Path& dir,
                                                       const std::vector<PushTarget>& targets) {
  std::vector<InFlightTransform> transforms;
  if (!env.exists(dir)) return transforms;
  MILLRACE_ASSIGN(const std::vector<std::string> names, env.list_dir(dir));
  for (const std::string& name : names) {
    if (!name.ends_with(kYaml)) continue;
    MILLRACE_ASSIGN(InFlightTransform transform, load_one(env, dir / name, targets));
    transforms.push_back(std::move(transform));
  }
  MILLRACE_TRY(check_circles(dir, transforms));
  return transforms;
}

Result<std::unique_ptr<Job>> make_transform_job(EventLog& log, Env& env, const Path& dir,
                                                const InFlightTransform& transform) {
  std::unique_ptr<FlowFunction> function;
  if (transform.sql.empty()) {
    MILLRACE_ASSIGN(function,
                    make_http_function({transform.url, transform.authorization, transform.timeout}));
  } else {
    MILLRACE_ASSIGN(function, make_sql_function(transform.sql, transform.timeout));
  }
  MILLRACE_TRY(env.make_dirs(dir));
  TransformJobOptions options;
  options.name = transform.name;
  options.from = transform.from;
  options.to = transform.to;
  options.from_start = transform.from_start;
  options.batch_max = transform.batch;
  options.position = dir / (transform.name + std::string(kJson));
  return std::make_unique<TransformJob>(log, env, std::move(options), std::move(function));
}

Status forget_transforms(EventLog& log, Env& env, const Path& dir,
                         const std::vector<InFlightTransform>& declared) {
  if (!env.exists(dir)) return {};
  MILLRACE_ASSIGN(const std::vector<std::string> names, env.list_dir(dir));
  for (const std::string& file : names) {
    if (!file.ends_with(kJson)) continue;
    const std::string name = file.substr(0, file.size() - kJson.size());
    if (std::ranges::find(declared, name, &InFlightTransform::name) != declared.end()) continue;
    MILLRACE_ASSIGN(const std::string text, read_file(env, dir / file, 1 << 20));
    if (const auto position = TransformPosition::parse(text))
      MILLRACE_TRY(log.delete_group(TransformJob::group(name), position->from));
    MILLRACE_TRY(env.remove(dir / file));
  }
  return {};
}

}  // namespace millrace
