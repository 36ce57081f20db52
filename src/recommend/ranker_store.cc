#include "recommend/ranker_store.h"

#include <fmt/format.h>

#include "base/logging.h"

namespace millrace {
namespace {

constexpr std::size_t kVersionsMax = 20;
constexpr std::size_t kFileBytesMax = 1 << 20;

/// Return the version that a file says is in use; null when none is. Errors: kCorrupt.
Result<std::shared_ptr<const Ranker>> ranker_in_use(const nlohmann::json& file) {
  try {
    if (file.at("in_use").is_null()) return nullptr;
    const auto version = file.at("in_use").get<std::string>();
    for (const auto& one : file.at("versions"))
      if (one.at("version") == version) {
        Ranker ranker{.version = version, .intercept = one.at("intercept").get<double>(), .weights = {}};
        ranker.weights = one.at("weights").get<decltype(ranker.weights)>();
        return std::make_shared<const Ranker>(std::move(ranker));
      }
    return fail(Code::kCorrupt, fmt::format("it does not hold version {}, which it says is in use", version));
  } catch (const nlohmann::json::exception& error) {
    return fail(Code::kCorrupt, error.what());
  }
}

}  // namespace

Result<std::unique_ptr<RankerStore>> RankerStore::open(Env& env, const Path& dir) {
  std::unique_ptr<RankerStore> store(new RankerStore(env, dir));
  if (!env.exists(dir)) return store;
  MILLRACE_ASSIGN(const auto names, env.list_dir(dir));
  for (const std::string& name : names) {
    const Path path = dir / name;
    if (path.extension() != ".json") continue;
    MILLRACE_ASSIGN(const std::string text, read_file(env, path, kFileBytesMax));
    auto json = nlohmann::json::parse(text, nullptr, false);
    const auto ranker = ranker_in_use(json);
    if (!ranker) {
      log_warning("recommend", "a ranker cannot be read; its pipeline goes by its weights",
                  {field("file", path.string()), field("why", ranker.error().message)});
      continue;
    }
    if (*ranker) store->in_use_[path.stem().string()] = *ranker;
    store->files_[path.stem().string()] = std::move(json);
  }
  return store;
}

Rankers RankerStore::in_use() const {
  const std::lock_guard lock(mutex_);
  return in_use_;
}

nlohmann::json RankerStore::versions(const std::string& pipeline) const {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(pipeline);
  return found == files_.end() ? nlohmann::json() : found->second;
}

/// The file first: what is in use is what would be after a restart. The caller holds the lock.
Status RankerStore::write(const std::string& pipeline, const nlohmann::json& file) {
  MILLRACE_TRY(env_.make_dirs(dir_));
  MILLRACE_TRY(write_file_atomically(env_, dir_ / (pipeline + ".json"), file.dump(1) + "\n"));
  files_[pipeline] = file;
  return {};
}

Result<std::string> RankerStore::add(const std::string& pipeline, TrainedRanker trained, bool use) {
  const std::lock_guard lock(mutex_);
  nlohmann::json file =
      files_.contains(pipeline)
          ? files_[pipeline]
          : nlohmann::json{{"in_use", nullptr}, {"given", 0}, {"versions", nlohmann::json::array()}};
  const int number = file.value("given", 0) + 1;
  trained.ranker.version = std::to_string(number);
  file["given"] = number;
  nlohmann::json version = to_json(trained);
  version["time"] = format_time(env_.now());
  auto& versions = file["versions"];
  versions.insert(versions.begin(), version);
  if (use) {
    file["in_use"] = trained.ranker.version;
    file.erase("retired");
  }
  // The one in use stays, however old.
  for (std::size_t i = versions.size(); i-- > kVersionsMax;)
    if (versions[i]["version"] != file["in_use"]) versions.erase(i);
  MILLRACE_TRY(write(pipeline, file));
  const std::string given = trained.ranker.version;
  if (use) in_use_[pipeline] = std::make_shared<const Ranker>(std::move(trained.ranker));
  return given;
}

Status RankerStore::retire(const std::string& pipeline) {
  const std::lock_guard lock(mutex_);
  if (!in_use_.contains(pipeline))
    return fail(Code::kNotFound, fmt::format("no ranker of {} is in use", pipeline));
  nlohmann::json file = files_[pipeline];
  file["in_use"] = nullptr;
  file["retired"] = true;
  MILLRACE_TRY(write(pipeline, file));
  in_use_.erase(pipeline);
  return {};
}

}  // namespace millrace
