#include "server/vector_routes.h"

#include <algorithm>
#include <memory>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/metrics.h"
#include "event/json_writer.h"
#include "server/json_text.h"
#include "server/parameters.h"
#include "server/vector_request.h"

namespace millrace {
namespace {

constexpr std::int64_t kSeedLimit = 5;
constexpr std::size_t kPageRows = 1'000;
constexpr std::size_t kPageFloats = 256 << 10;  ///< of a page; as JSON about 3 MB
constexpr const char* kDone = R"({"success":true})";

void write_float(JsonWriter& json, float value) {
  json.raw(float_text(value));
}

void write_floats(JsonWriter& json, std::span<const float> values) {
  json.begin_array();
  for (const float value : values) write_float(json, value);
  json.end_array();
}

void write_set(JsonWriter& json, const VectorSetInfo& info) {
  json.begin_object().member("name", info.name);
  if (!info.problem.empty()) {
    json.member("problem", info.problem).end_object();
    return;
  }
  json.member("dimensions", info.shape.dimensions)
      .member("similarity", similarity_name(info.shape.similarity))
      .member("vectors", info.vectors)
      .key("index")
      .begin_object()
      .member("kind", info.index)
      .member_if("settings", info.index_settings);
  if (info.quality.queries > 0)
    json.member("recall", info.quality.recall)
        .member("recall_wanted", info.quality.target)
        .member("recall_of_best", info.quality.n)
        .member("measured_on", info.quality.queries);
  json.member("building", info.is_building).end_object().end_object();
}

std::string set_json(const VectorSetInfo& info) {
  std::string out;
  JsonWriter json(out);
  write_set(json, info);
  return out;
}

std::string sets_json(const VectorSets& sets) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("sets").begin_array();
  for (const VectorSetInfo& info : sets.list()) write_set(json, info);
  json.end_array().member("vectors", sets.vectors()).member("vectors_max", sets.vectors_max()).end_object();
  return out;
}

std::string page_json(const VectorSet::Page& page) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("rows").begin_array();
  for (const VectorSet::Row& row : page.rows) {
    json.begin_object().member("id", row.id).key("vector");
    write_floats(json, row.vector);
    json.end_object();
  }
  json.end_array().key("next");
  if (page.next)
    json.text(*page.next);
  else
    json.null();
  json.end_object();
  return out;
}

/// Lets pass what a query asks for.
IdFilter filter_of(const VectorQuery& query) {
  if (query.exclude.empty() && !query.only && !query.id) return {};
  auto out =
      std::make_shared<std::unordered_set<std::string_view>>(query.exclude.begin(), query.exclude.end());
  if (query.id) out->insert(*query.id);
  if (!query.only) return [out](std::string_view id) { return !out->contains(id); };
  const auto in =
      std::make_shared<std::unordered_set<std::string_view>>(query.only->begin(), query.only->end());
  return [out, in](std::string_view id) { return in->contains(id) && !out->contains(id); };
}

class VectorRoutes : public std::enable_shared_from_this<VectorRoutes> {
 public:
  VectorRoutes(const VectorSources& sources, WorkerPool& workers)
      : sources_(sources),
        workers_(workers),
        seconds_(
            metrics::latency_seconds("millrace_vector_query_seconds",
                                     "From request to answer of queries for vectors, without the network")) {}

  /// Answer with what `work` returns, on a worker: what may wait for the disk.
  template <class Work>
  RouteHandler on_worker(Work work) {
    return [self = shared_from_this(), work](const std::shared_ptr<Exchange>& exchange) {
      const Status queued =
          self->workers_.submit([self, work, exchange] { answer(*exchange, work(*self, *exchange)); });
      if (!queued) exchange->send_error(queued.error());
    };
  }
  /// The same at once, on the io thread.
  template <class Work>
  RouteHandler at_once(Work work) {
    return [self = shared_from_this(), work](const std::shared_ptr<Exchange>& exchange) {
      answer(*exchange, work(*self, *exchange));
    };
  }

  static void answer(const Exchange& exchange, Result<std::string> text) {
    if (!text) return exchange.send_error(text.error());
    exchange.send(HttpResponse::json(200, *std::move(text)));
  }

  Result<std::string> list(const Exchange&) { return sets_json(sources_.sets); }

  Result<std::string> create(const Exchange& exchange) {
    MILLRACE_ASSIGN(const VectorShape shape, parse_vector_shape(exchange.request.body()));
    MILLRACE_TRY(sources_.sets.create(exchange.path_values[0], shape));
    return show(exchange);
  }

  Result<std::string> show(const Exchange& exchange) {
    MILLRACE_ASSIGN(const auto set, sources_.sets.find(exchange.path_values[0]));
    return set_json(set->info());
  }

  Result<std::string> drop(const Exchange& exchange) {
    MILLRACE_TRY(sources_.sets.drop(exchange.path_values[0]));
    return kDone;
  }

  Result<std::string> put(const Exchange& exchange) {
    MILLRACE_ASSIGN(const auto set, sources_.sets.find(exchange.path_values[0]));
    MILLRACE_ASSIGN(const auto rows, parse_vector_rows(exchange.request.body()));
    MILLRACE_TRY(set->put(rows));
    return fmt::format(R"({{"success":true,"put":{}}})", rows.size());
  }

  Result<std::string> get(const Exchange& exchange, const std::string& id) {
    MILLRACE_ASSIGN(const auto set, sources_.sets.find(exchange.path_values[0]));
    MILLRACE_ASSIGN(const std::vector<float> vector, set->find(id));
    std::string out;
    JsonWriter json(out);
    json.begin_object().member("id", id).key("vector");
    write_floats(json, vector);
    json.end_object();
    return out;
  }

  Result<std::string> remove(const Exchange& exchange, const std::string& id) {
    MILLRACE_ASSIGN(const auto set, sources_.sets.find(exchange.path_values[0]));
    MILLRACE_ASSIGN(const bool was_there, set->remove(id));
    if (!was_there)
      return fail(Code::kNotFound, fmt::format("the set {} has no vector of that id", set->name()));
    return kDone;
  }

  Result<std::string> rows(const Exchange& exchange) {
    MILLRACE_ASSIGN(const auto set, sources_.sets.find(exchange.path_values[0]));
    const std::string_view body = exchange.request.body();
    const auto asked = body.empty() ? nlohmann::json::object() : json_of_body(body);
    const auto from = asked.is_object() ? asked.value("from", nlohmann::json("")) : nlohmann::json();
    if (!from.is_string() || asked.size() > asked.count("from"))
      return fail(Code::kInvalid,
                  R"(send {"from":"…"} with what a page before said as next, or {} for the first)");
    const std::size_t n =
        std::max<std::size_t>(1, std::min(kPageRows, kPageFloats / set->shape().dimensions));
    MILLRACE_ASSIGN(const VectorSet::Page page, set->page(from.get<std::string>(), n));
    return page_json(page);
  }

  void query(const std::shared_ptr<Exchange>& exchange) {
    const DurationUs begin = sources_.env.steady_now();
    auto asked = parse_vector_query(exchange->request.body());
    if (!asked) return exchange->send_error(asked.error());
    const bool is_one = asked->count == 1;
    const auto work = [self = shared_from_this(), exchange, begin, query = *std::move(asked)] {
      answer(*exchange, self->find_nearest(exchange->path_values[0], query));
      self->seconds_.Observe(static_cast<double>(self->sources_.env.steady_now() - begin) / kSecondUs);
    };
    if (is_one) return work();
    if (const Status queued = workers_.submit(work); !queued) exchange->send_error(queued.error());
  }

  // The e-commerce system's own calls.

  Result<std::string> user_embedding(const Exchange& exchange) {
    MILLRACE_ASSIGN(const std::vector<float> vector, someone(exchange));
    std::string out;
    JsonWriter json(out);
    write_floats(json, vector);
    return out;
  }

  Result<std::string> items_from_user(const Exchange& exchange) {
    MILLRACE_TRY(refuse_unknown(exchange.request.query(), {"limit"}));
    MILLRACE_ASSIGN(const std::int64_t limit, seed_limit(exchange));
    MILLRACE_ASSIGN(const std::vector<float> vector, someone(exchange));
    MILLRACE_ASSIGN(const auto items, sources_.sets.find(sources_.seed.items));
    MILLRACE_ASSIGN(const auto lists, items->search_all(vector, static_cast<std::size_t>(limit)));
    return seed_json(lists.front(), "score", [](float score) { return score; });
  }

  Result<std::string> items_from_item(const Exchange& exchange) {
    const QueryParameters& query = exchange.request.query();
    MILLRACE_TRY(refuse_unknown(query, {"item_id", "limit"}));
    MILLRACE_ASSIGN(const std::int64_t limit, seed_limit(exchange));
    const std::string* id = query.find("item_id");
    if (id == nullptr || id->empty()) return fail(Code::kInvalid, "say which: ?item_id=S10_1678", "item_id");
    MILLRACE_ASSIGN(const auto items, sources_.sets.find(sources_.seed.items));
    MILLRACE_ASSIGN(const std::vector<float> vector, items->find(*id));
    MILLRACE_ASSIGN(const auto lists,
                    items->search_all(vector, static_cast<std::size_t>(limit),
                                      [&](std::string_view other) { return other != *id; }));
    const float from = items->shape().similarity == Similarity::kCosine ? 1 : 0;
    return seed_json(lists.front(), "distance", [from](float score) { return from - score; });
  }

 private:
  Result<std::string> find_nearest(const std::string& name, const VectorQuery& query) {
    MILLRACE_ASSIGN(const auto set, sources_.sets.find(name));
    std::vector<float> vector;
    if (query.id) {
      MILLRACE_ASSIGN(vector, set->find(*query.id));
    }
    const auto& queries = query.id ? vector : query.vectors;
    if (queries.size() != query.count * set->shape().dimensions)
      return fail(Code::kInvalid,
                  fmt::format("has {} values; those of {} have {}", queries.size() / query.count, name,
                              set->shape().dimensions),
                  query.is_list ? "vectors" : "vector");
    MILLRACE_ASSIGN(const auto lists, set->search_all(queries, query.n, filter_of(query)));
    std::string out;
    JsonWriter json(out);
    json.begin_object().member("set", name);
    if (!query.is_list) {
      json.key("items");
      write_neighbours(json, *set, lists.front(), query.with_vectors);
    } else {
      json.key("results").begin_array();
      for (const auto& list : lists) {
        json.begin_object().key("items");
        write_neighbours(json, *set, list, query.with_vectors);
        json.end_object();
      }
      json.end_array();
    }
    json.end_object();
    return out;
  }

  static void write_neighbours(JsonWriter& json, const VectorSet& set,
                               const std::vector<Neighbour>& neighbours, bool with_vectors) {
    json.begin_array();
    for (const Neighbour& one : neighbours) {
      json.begin_object().member("id", one.id).key("score");
      write_float(json, one.score);
      if (with_vectors) {
        json.key("vector");
        write_floats(json, set.find(one.id).value_or(std::vector<float>()));  // empty: removed this moment
      }
      json.end_object();
    }
    json.end_array();
  }

  Result<std::int64_t> seed_limit(const Exchange& exchange) const {
    return exchange.request.query().integer("limit", kSeedLimit, 1, VectorQuery::kNeighboursMax);
  }

  /// The vector that a body holds, or that of whom it names.
  Result<std::vector<float>> someone(const Exchange& exchange) {
    MILLRACE_ASSIGN(SomeoneOrVector asked, parse_someone(exchange.request.body()));
    if (!asked.id) return std::move(asked.vector);
    MILLRACE_ASSIGN(const auto users, sources_.sets.find(sources_.seed.users));
    return users->find(*asked.id);
  }

  template <class Value>
  static std::string seed_json(const std::vector<Neighbour>& neighbours, std::string_view name, Value value) {
    std::string out;
    JsonWriter json(out);
    json.begin_array();
    for (const Neighbour& one : neighbours) {
      json.begin_object().member("id", one.id).key(name);
      write_float(json, value(one.score));
      json.end_object();
    }
    json.end_array();
    return out;
  }

  const VectorSources sources_;
  WorkerPool& workers_;
  prometheus::Histogram& seconds_;
};

}  // namespace

void add_vector_routes(Router& router, const VectorSources& sources, WorkerPool& workers) {
  constexpr RouteRule kRule = {Access::kRead, false};
  const auto routes = std::make_shared<VectorRoutes>(sources, workers);
  const auto add = [&](std::string_view method, std::string_view path, RouteHandler handler) {
    router.add(method, path, kRule, std::move(handler));
  };
  using Asked = const Exchange&;
  const std::string one_set = "/v1/vectors/{set}";
  add("GET", "/v1/vectors", routes->at_once([](auto& all, Asked asked) { return all.list(asked); }));
  add("PUT", one_set, routes->on_worker([](auto& all, Asked asked) { return all.create(asked); }));
  add("GET", one_set, routes->at_once([](auto& all, Asked asked) { return all.show(asked); }));
  add("DELETE", one_set, routes->on_worker([](auto& all, Asked asked) { return all.drop(asked); }));
  add("POST", one_set, routes->on_worker([](auto& all, Asked asked) { return all.put(asked); }));
  add("POST", one_set + "/query", [routes](const auto& exchange) { routes->query(exchange); });
  add("POST", one_set + "/rows", routes->on_worker([](auto& all, Asked asked) { return all.rows(asked); }));
  // Vectors may have these words for ids too.
  for (const std::string id : {"{id}", "query", "rows"}) {
    const auto id_of = [id](Asked asked) { return id == "{id}" ? asked.path_values[1] : id; };
    add("GET", one_set + "/" + id,
        routes->at_once([=](auto& all, Asked asked) { return all.get(asked, id_of(asked)); }));
    add("DELETE", one_set + "/" + id,
        routes->on_worker([=](auto& all, Asked asked) { return all.remove(asked, id_of(asked)); }));
  }
  add("POST", "/user_embeddings",
      routes->at_once([](auto& all, Asked asked) { return all.user_embedding(asked); }));
  add("POST", "/items_from_user",
      routes->at_once([](auto& all, Asked asked) { return all.items_from_user(asked); }));
  add("GET", "/items_from_item",
      routes->at_once([](auto& all, Asked asked) { return all.items_from_item(asked); }));
}

}  // namespace millrace
