#include "model/model_registry.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/text.h"
#include "model/ranking_metrics.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kHistoryFile = "deployed.json";
constexpr std::size_t kHistoryMax = 1'000;  ///< of each model; the oldest go

/// Return the number that a version's folder is; nothing for other folders.
std::optional<std::uint64_t> version_number(std::string_view name) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size() || name.empty() || name.front() == '0')
    return std::nullopt;
  return number;
}

std::unexpected<Error> unknown_version(const std::string& name, const std::string& version) {
  return fail(Code::kNotFound,
              fmt::format("{} has no version {}: millrace model list {}", name, version, name));
}

}  // namespace

Result<std::shared_ptr<const ServedModel>> ServedModel::load(Env& env, const Path& dir) {
  MILLRACE_ASSIGN(const BundleReader bundle, BundleReader::open(env, dir));
  auto model = std::make_shared<ServedModel>();
  model->manifest = bundle.manifest();
  for (const auto& [member, into] :
       {std::pair("name", &model->name), std::pair("version", &model->version)}) {
    if (!model->manifest.contains(member) || !model->manifest[member].is_string())
      return fail(Code::kCorrupt, fmt::format("its manifest has no {}", member), dir.string());
    *into = model->manifest[member];
  }
  MILLRACE_ASSIGN(model->settings, ranking_settings_of(model->manifest.value("settings", Json::object())));
  MILLRACE_ASSIGN(model->items, bundle.ids("items"));
  MILLRACE_ASSIGN(model->users, bundle.ids("users"));
  MILLRACE_ASSIGN(model->ranking,
                  load_ranking(bundle, model->settings, model->users.size(), model->items.size()));
  if (bundle.has("fallback_weights.npy")) {
    MILLRACE_ASSIGN(const auto weights, bundle.floats("fallback_weights"));
    if (weights.size() != model->items.size())
      return fail(Code::kCorrupt, "its fallback has not a weight for each item", dir.string());
    // What nobody met is not popular.
    for (const float weight : weights)
      model->fallback.push_back(weight > 0 ? weight : -std::numeric_limits<float>::infinity());
  }
  return model;
}

std::vector<ServedModel::Scored> ServedModel::recommend(const Person& person, std::size_t n,
                                                        bool repeats) const {
  std::vector<float> scores(items.size());
  ranking->score(person, scores);
  const HistoryRow met(person, items.size());
  const auto hidden = repeats ? std::span<const std::uint32_t>() : met.columns;
  const auto best = best_items(scores, n, hidden);
  std::vector<Scored> list;
  for (const std::uint32_t item : best) list.push_back({items.id(item), scores[item]});
  for (const std::uint32_t item : fill_up(best, n, hidden))
    list.push_back({items.id(item), fallback[item] / std::ranges::max(fallback), true});
  return list;
}

std::vector<std::uint32_t> ServedModel::fill_up(std::span<const std::uint32_t> list, std::size_t n,
                                                std::span<const std::uint32_t> met) const {
  if (fallback.empty() || list.size() >= n) return {};
  std::vector<std::uint32_t> hidden(met.begin(), met.end());
  hidden.insert(hidden.end(), list.begin(), list.end());
  std::ranges::sort(hidden);
  return best_items(fallback, n - list.size(), hidden);
}

namespace {

class RenumberedRanking : public RankingModel {
 public:
  RenumberedRanking(const ServedModel& model, const FeedbackSet& set) : model_(model) {
    for (std::uint32_t i = 0; i < set.items.size(); ++i) items_.push_back(model.items.find(set.items.id(i)));
    for (std::uint32_t i = 0; i < set.users.size(); ++i) users_.push_back(model.users.find(set.users.id(i)));
  }

  void score(const Person& person, std::span<float> scores) const override {
    std::vector<Feedback> history;
    for (Feedback row : person.history)
      if (row.item < items_.size() && items_[row.item]) {
        row.item = *items_[row.item];
        history.push_back(row);
      }
    Person known{.history = history, .now = person.now, .user = {}, .features = person.features};
    if (person.user && *person.user < users_.size()) known.user = users_[*person.user];
    std::vector<float> own(model_.items.size());
    model_.ranking->score(known, own);
    for (std::size_t i = 0; i < scores.size(); ++i)
      scores[i] = items_[i] ? own[*items_[i]] : -std::numeric_limits<float>::infinity();
  }
  Status save(BundleWriter&) const override { return fail(Code::kInternal, "it is saved as what it was"); }
  bool foresees_ratings() const override { return model_.ranking->foresees_ratings(); }

 private:
  const ServedModel& model_;
  std::vector<std::optional<std::uint32_t>> items_, users_;  ///< the model's numbers
};

}  // namespace

std::unique_ptr<RankingModel> renumbered(const ServedModel& model, const FeedbackSet& set) {
  return std::make_unique<RenumberedRanking>(model, set);
}

Result<std::unique_ptr<ModelRegistry>> ModelRegistry::open(Env& env, const Path& dir) {
  MILLRACE_TRY(env.make_dirs(dir));
  std::unique_ptr<ModelRegistry> registry(new ModelRegistry(env, dir));
  MILLRACE_ASSIGN(const auto names, env.list_dir(dir));
  for (const std::string& name : names)
    if (env.exists(dir / name / kHistoryFile)) MILLRACE_TRY(registry->load_deployed(name));
  return registry;
}

Status ModelRegistry::load_deployed(const std::string& name) {
  const auto history = read_history(name);
  if (!history) {
    log_error("model", "does not know what is deployed; deploy a version again",
              {field("model", name), field("error", history.error().text())});
    return {};
  }
  for (const Json& entry : *history) {
    if (!entry["version"].is_string()) return {};
    const std::string version = entry["version"];
    auto model = ServedModel::load(env_, dir_ / name / version);
    if (model) {
      const std::lock_guard lock(mutex_);
      current_[name] = *std::move(model);
      return {};
    }
    log_error("model", "cannot be loaded; the version deployed before it is taken",
              {field("model", name + "@" + version), field("error", model.error().text())});
  }
  return {};
}

std::shared_ptr<const ServedModel> ModelRegistry::current(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = current_.find(name);
  return found == current_.end() ? nullptr : found->second;
}

Result<std::vector<std::string>> ModelRegistry::versions(const std::string& name) const {
  std::vector<std::string> versions;
  if (!env_.exists(dir_ / name)) return versions;
  MILLRACE_ASSIGN(const auto names, env_.list_dir(dir_ / name));
  for (const std::string& entry : names)
    if (version_number(entry)) versions.push_back(entry);
  std::ranges::sort(versions, std::greater(),
                    [](const std::string& version) { return *version_number(version); });
  return versions;
}

std::vector<std::shared_ptr<const ServedModel>> ModelRegistry::all_current() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const ServedModel>> all;
  for (const auto& [name, model] : current_) all.push_back(model);
  return all;
}

ModelVersion ModelRegistry::read_version(const std::string& name, const std::string& version) const {
  const auto served = current(name);
  ModelVersion one{.name = name,
                   .version = version,
                   .deployed = served && served->version == version,
                   .manifest = nullptr,
                   .problem = {}};
  const auto text = read_file(env_, dir_ / name / version / "model.json");
  if (text) one.manifest = Json::parse(*text, nullptr, false);
  if (!one.manifest.is_object()) {
    one.manifest = nullptr;
    one.problem = text ? "its manifest cannot be read" : text.error().text();
  }
  return one;
}

Result<std::optional<ModelVersion>> ModelRegistry::newest(const std::string& name) const {
  MILLRACE_ASSIGN(const auto numbers, versions(name));
  if (numbers.empty()) return std::nullopt;
  return read_version(name, numbers.front());
}

Result<std::vector<ModelVersion>> ModelRegistry::list(std::string_view name) const {
  std::vector<ModelVersion> all;
  MILLRACE_ASSIGN(const auto names, env_.list_dir(dir_));
  for (const std::string& model : names) {
    if (!name.empty() && model != name) continue;
    MILLRACE_ASSIGN(const auto numbers, versions(model));
    for (const std::string& version : numbers) all.push_back(read_version(model, version));
  }
  return all;
}

Error ModelRegistry::none_deployed(const std::string& name) const {
  const auto last = newest(name);
  const bool trained = last && *last && (*last)->problem.empty();
  return {Code::kNotFound, fmt::format("no version of {0} is deployed: {1}", name,
                                       trained ? fmt::format("millrace deploy {}@{}", name, (*last)->version)
                                               : "millrace train " + name)};
}

Result<std::pair<std::string, Path>> ModelRegistry::next_version(const std::string& name) {
  const std::lock_guard lock(change_mutex_);
  MILLRACE_ASSIGN(const auto numbers, versions(name));
  std::uint64_t& given = given_[name];
  if (!numbers.empty()) given = std::max(given, *version_number(numbers.front()));
  MILLRACE_TRY(env_.make_dirs(dir_ / name));
  MILLRACE_TRY(env_.sync_dir(dir_));
  const std::string version = std::to_string(++given);
  return std::pair(version, dir_ / name / version);
}

Status ModelRegistry::deploy(const std::string& name, const std::string& version, std::string_view by) {
  const std::lock_guard lock(change_mutex_);
  if (!version_number(version) || !env_.exists(dir_ / name / version)) return unknown_version(name, version);
  MILLRACE_ASSIGN(auto model, ServedModel::load(env_, dir_ / name / version));
  MILLRACE_TRY(note(name, version, by));
  const std::lock_guard swap(mutex_);
  current_[name] = std::move(model);
  return {};
}

Result<std::string> ModelRegistry::rollback(const std::string& name, std::string_view by) {
  const auto served = current(name);
  MILLRACE_ASSIGN(const Json history, read_history(name));
  for (const Json& entry : history) {
    if (!entry["version"].is_string() || (served && entry["version"] == served->version)) continue;
    const std::string version = entry["version"];
    const Status deployed = deploy(name, version, by);
    if (deployed) return version;
    // One that was removed, or is damaged, is no reason not to go back further.
    if (deployed.error().code != Code::kNotFound && deployed.error().code != Code::kCorrupt)
      return fail(deployed.error());
  }
  return fail(Code::kNotFound,
              fmt::format("no other version of {} that is still there was deployed before", name));
}

Status ModelRegistry::retire(const std::string& name, std::string_view by) {
  const std::lock_guard lock(change_mutex_);
  if (!current(name)) return fail(Code::kNotFound, fmt::format("no version of {} is deployed", name));
  MILLRACE_TRY(note(name, nullptr, by));
  const std::lock_guard swap(mutex_);
  current_.erase(name);
  return {};
}

Status ModelRegistry::remove(const std::string& name, const std::string& version) {
  const std::lock_guard lock(change_mutex_);
  if (!version_number(version) || !env_.exists(dir_ / name / version)) return unknown_version(name, version);
  if (const auto served = current(name); served && served->version == version)
    return fail(Code::kInvalid,
                fmt::format("{}@{} is deployed: deploy another version first", name, version));
  // Without its manifest it is none any more, whatever happens to the rest.
  // One that is gone already is what an end in the midst of this left.
  const Path manifest = dir_ / name / version / "model.json";
  if (env_.exists(manifest)) MILLRACE_TRY(env_.remove(manifest));
  MILLRACE_ASSIGN(const auto files, env_.list_dir(dir_ / name / version));
  for (const std::string& file : files) MILLRACE_TRY(env_.remove(dir_ / name / version / file));
  return env_.remove(dir_ / name / version);
}

Result<Json> ModelRegistry::read_history(const std::string& name) const {
  if (!env_.exists(dir_ / name / kHistoryFile)) return Json(Json::array());
  MILLRACE_ASSIGN(const std::string text, read_file(env_, dir_ / name / kHistoryFile));
  Json history = Json::parse(text, nullptr, false);
  const auto sound = [](const Json& entry) { return entry.is_object() && entry.contains("version"); };
  if (!history.is_array() || !std::ranges::all_of(history, sound))
    return fail(Code::kCorrupt, "is no list of deployments", (dir_ / name / kHistoryFile).string());
  return history;
}

Result<Json> ModelRegistry::history(const std::string& name) const {
  return read_history(name);
}

Status ModelRegistry::note(const std::string& name, const Json& version, std::string_view by) {
  auto history = read_history(name);
  if (!history) history = Json::array();  // what cannot be read is replaced
  history->insert(history->begin(),
                  Json{{"version", version}, {"time", format_time(env_.now())}, {"by", by}});
  while (history->size() > kHistoryMax) history->erase(history->size() - 1);
  return write_file_atomically(env_, dir_ / name / kHistoryFile, history->dump(1) + "\n");
}

}  // namespace millrace
