#include "server/training_set_routes.h"

#include <memory>
#include <mutex>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "model/training_set_rows.h"
#include "server/json_text.h"
#include "server/long_work.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

// A stream's client is cut off at 256 KiB that it has not taken.
constexpr std::size_t kBlockBytes = 64 << 10;
constexpr DurationUs kClientWaitMax = 30 * kSecondUs;

class TrainingSetRoutes {
 public:
  explicit TrainingSetRoutes(TrainingSetSources sources) : sources_(std::move(sources)) {}

  Result<TrainingSet> find(const std::string& name) const {
    MILLRACE_ASSIGN(auto project, sources_.load());
    return find_training_set(std::move(project), name);
  }

  Result<std::string> list() const {
    MILLRACE_ASSIGN(const ProjectTrainingSets project, sources_.load());
    Json list = Json::array();
    for (const TrainingSet& set : project.sets) {
      Json one = {{"name", set.name}, {"description", set.description}};
      if (const auto text = training_set_manifest(sources_.lake, set)) {
        const Json manifest = Json::parse(*text, nullptr, false);
        for (const char* member : {"version", "rows", "test_rows", "path", "made"})
          if (manifest.contains(member)) one[member] = manifest[member];
      }
      list.push_back(std::move(one));
    }
    for (const auto& [name, problem] : project.problems)
      list.push_back({{"name", name}, {"problem", problem.text()}});
    return json_text({{"training_sets", std::move(list)}});
  }

  Result<std::string> manifest(const std::string& name) const {
    MILLRACE_ASSIGN(const TrainingSet set, find(name));
    auto text = training_set_manifest(sources_.lake, set);
    if (text || text.error().code != Code::kNotFound) return text;
    return fail(Code::kNotFound, fmt::format("{0} was not made yet: millrace training-set build {0}", name));
  }

  /// Send the rows of its newest version, a line of JSON each, as fast as the client takes them.
  void rows(const std::string& manifest, ResponseStream& stream) const {
    std::string block;
    const auto flush = [&] {
      const bool sent = wait_for_room(stream) && stream.write(block);
      block.clear();
      return sent;
    };
    const Status done = read_training_rows(sources_.warehouse, sources_.lake_dir, manifest, [&](auto row) {
      block.append(row).append("\n");
      return block.size() < kBlockBytes || flush();
    });
    // What has begun as 200 cannot end as an error: a line that is no row says it.
    if (!done) block += json_text({{"error", {{"message", done.error().text()}}}}) + "\n";
    flush();
    stream.end();
  }

  void build(const TrainingSet& set, const std::shared_ptr<ResponseStream>& stream) {
    do_long_work(sources_.warehouse.env(), mutex_, "another training set", stream,
                 [&](const auto* stop, const auto& say) -> Result<Json> {
                   MILLRACE_TRY(wait_for_tables(sources_.lag, stop, say));
                   MILLRACE_ASSIGN(const TrainingSetResult made, sources_.builder.build(set, say));
                   return Json::parse(made.manifest);
                 });
  }

 private:
  /// Wait until the client has taken most of what was sent; false when it has gone, or takes nothing for
  /// long.
  bool wait_for_room(const ResponseStream& stream) const {
    Env& env = sources_.warehouse.env();
    const DurationUs end = env.steady_now() + kClientWaitMax;
    while (stream.open() && stream.buffered_bytes() > kBlockBytes && env.steady_now() < end)
      env.sleep_for(kMillisecondUs);
    return stream.open() && stream.buffered_bytes() <= kBlockBytes;
  }

  const TrainingSetSources sources_;
  std::mutex mutex_;  ///< held while a set is made
};

}  // namespace

void add_training_set_routes(Router& router, TrainingSetSources sources, WorkerPool& long_workers,
                             WorkerPool& workers) {
  const RouteRule rule{Access::kRead, false};
  const auto routes = std::make_shared<TrainingSetRoutes>(std::move(sources));
  const auto answer = [&workers](const std::shared_ptr<Exchange>& exchange, auto give) {
    const Status queued = workers.submit([exchange, give] {
      Result<std::string> text = give(*exchange);
      if (!text) return exchange->send_error(text.error());
      exchange->send(HttpResponse::json(200, *std::move(text)));
    });
    if (!queued) exchange->send_error(queued.error());
  };
  router.add("GET", "/v1/training-sets", rule, [=](const std::shared_ptr<Exchange>& exchange) {
    answer(exchange, [routes](const Exchange&) { return routes->list(); });
  });
  router.add("GET", "/v1/training-sets/{name}", rule, [=](const std::shared_ptr<Exchange>& exchange) {
    answer(exchange, [routes](const Exchange& asked) { return routes->manifest(asked.path_values.front()); });
  });
  router.add("GET", "/v1/training-sets/{name}/rows", rule,
             [=, &long_workers](const std::shared_ptr<Exchange>& exchange) {
               const Status queued = long_workers.submit([routes, exchange] {
                 const auto manifest = routes->manifest(exchange->path_values.front());
                 if (!manifest) return exchange->send_error(manifest.error());
                 routes->rows(*manifest, *exchange->start_stream("application/x-ndjson"));
               });
               if (!queued) exchange->send_error(queued.error());
             });
  router.add(
      "POST", "/v1/training-sets/{name}", rule,
      [=, &long_workers](const std::shared_ptr<Exchange>& exchange) {
        const Status queued = long_workers.submit([routes, exchange] {
          const auto set = routes->find(exchange->path_values.front());
          if (!set) return exchange->send_error(set.error());
          routes->build(*set, exchange->start_stream("application/x-ndjson"));
        });
        if (!queued)
          exchange->send_error(
              {Code::kOverloaded, "as much long work as may is waiting; try again when some is done", ""});
      });
}

}  // namespace millrace
