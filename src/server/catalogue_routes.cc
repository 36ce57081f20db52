#include "server/catalogue_routes.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "event/json_read.h"
#include "log/topics.h"
#include "server/catalogue_record.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kPageItemsMax = 1'000;

/// Take the id out of an object; a number is as good as its text.
Result<std::string> take_id(Json& object) {
  const auto found = object.find("id");
  if (found == object.end()) return fail(Code::kInvalid, "each object needs an \"id\"");
  if (!found->is_string() && !found->is_number_integer())
    return fail(Code::kInvalid, "\"id\" must be a text");
  std::string id = found->is_string() ? found->get<std::string>() : found->dump();
  object.erase(found);
  return id;
}

Result<Json> parse_body(std::string_view body) {
  // Bounds the nesting too, without which writing it out again could use up the stack.
  if (!is_utf8(body)) return fail(Code::kInvalid, "the body is not valid UTF-8");
  MILLRACE_TRY(json::check_json(body));
  Json parsed = Json::parse(body, nullptr, false);
  if (parsed.is_discarded()) return fail(Code::kInvalid, "the body is not valid JSON");
  return parsed;
}

/// Refuse a price that the tables could not hold: the item would otherwise be offered without one.
Status check_price(const Json& attributes, std::string_view topic) {
  const auto price = attributes.find("price");
  if (topic != kItemsTopic || price == attributes.end()) return {};
  if (auto read = json::decimal_of(price->dump()); !read) return fail(json::under("price", read.error()));
  return {};
}

Result<std::vector<CatalogueRecord>> puts_of(const Exchange& exchange, std::string_view topic) {
  MILLRACE_ASSIGN(Json body, parse_body(exchange.request.body()));
  std::vector<CatalogueRecord> changes;
  if (!exchange.path_values.empty()) {
    const std::string& id = exchange.path_values.front();
    if (!body.is_object()) return fail(Code::kInvalid, "send one JSON object with the attributes");
    body.erase("id");
    MILLRACE_TRY(check_catalogue_id(id));
    MILLRACE_TRY(check_price(body, topic));
    changes.push_back(catalogue_put(id, std::move(body)));
    return changes;
  }
  if (body.is_object()) body = Json::array({std::move(body)});
  if (!body.is_array()) return fail(Code::kInvalid, "send a JSON array of objects, each with an \"id\"");
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (!body[i].is_object()) return fail(Code::kInvalid, "not an object", fmt::format("[{}]", i));
    Result<std::string> id = take_id(body[i]);
    if (id)
      if (Status good = check_catalogue_id(*id); !good) id = fail(good.error());
    if (!id) return fail(id.error().code, id.error().message, fmt::format("[{}]", i));
    if (Status price = check_price(body[i], topic); !price) return fail(json::under(i, price.error()));
    changes.push_back(catalogue_put(*std::move(id), std::move(body[i])));
  }
  return changes;
}

Result<std::vector<CatalogueRecord>> deletes_of(const Exchange& exchange, std::string_view) {
  std::vector<CatalogueRecord> changes;
  if (!exchange.path_values.empty()) {
    MILLRACE_TRY(check_catalogue_id(exchange.path_values.front()));
    changes.push_back(catalogue_delete(exchange.path_values.front()));
    return changes;
  }
  MILLRACE_ASSIGN(Json body, parse_body(exchange.request.body()));
  if (!body.is_object() || !body.contains("ids") || !body["ids"].is_array())
    return fail(Code::kInvalid, "send {\"ids\":[…]}");
  for (const Json& id : body["ids"]) {
    if (!id.is_string()) return fail(Code::kInvalid, "an id must be a text");
    changes.push_back(catalogue_delete(id.get<std::string>()));
    MILLRACE_TRY(check_catalogue_id(changes.back().id));
  }
  return changes;
}

class CatalogueRoutes : public std::enable_shared_from_this<CatalogueRoutes> {
 public:
  CatalogueRoutes(EventLog& log, QueryService& queries, WorkerPool& workers, Env& env)
      : log_(log), queries_(queries), workers_(workers), env_(env) {}

  using ChangesOf = Result<std::vector<CatalogueRecord>> (*)(const Exchange&, std::string_view topic);

  RouteHandler changes(std::string_view topic, ChangesOf changes_of) {
    return [self = shared_from_this(), topic, changes_of](const std::shared_ptr<Exchange>& exchange) {
      const Result<std::vector<CatalogueRecord>> changes = changes_of(*exchange, topic);
      if (!changes) return exchange->send_error(changes.error());
      self->append(topic, *changes, exchange);
    };
  }

  void one_item(const std::shared_ptr<Exchange>& exchange) {
    run("WHERE item_id = " + sql_literal(exchange->path_values.front()), 1, exchange,
        [](const Json& items, bool, Exchange& to) {
          if (items.empty()) return to.send(HttpResponse::error(404, "not_found", "there is no such item"));
          to.send(HttpResponse::json(200, items.front().dump()));
        });
  }

  void items(const std::shared_ptr<Exchange>& exchange) {
    const QueryParameters& query = exchange->request.query();
    const Result<std::int64_t> n = query.integer("n", 100, 1, kPageItemsMax);
    if (!n) return exchange->send_error(n.error());
    std::string where = "WHERE item_id > " + sql_literal(query.get("cursor"));
    if (const std::string* category = query.find("category"))
      where +=
          fmt::format(" AND (category = {0} OR starts_with(category, {0} || '/'))", sql_literal(*category));
    run(where, *n, exchange, [n = *n](const Json& items, bool cut, Exchange& to) {
      Json answer = {{"items", items}, {"cursor", nullptr}};
      const bool may_go_on = cut || std::cmp_equal(items.size(), n);
      if (may_go_on && !items.empty()) answer["cursor"] = items.back()["id"];
      to.send(HttpResponse::json(200, answer.dump()));
    });
  }

 private:
  void append(std::string_view topic, const std::vector<CatalogueRecord>& changes,
              const std::shared_ptr<Exchange>& exchange) {
    append_catalogue(log_, env_, topic, changes, [exchange, count = changes.size()](const Status& done) {
      if (!done) return exchange->send_error(done.error());
      exchange->send(HttpResponse::json(200, fmt::format(R"({{"success":true,"accepted":{}}})", count)));
    });
  }

  /// Select items on a worker and hand them on as [{"id","attributes"}]; `cut` says that there are more than
  /// an answer may hold.
  void run(const std::string& where, std::int64_t n, const std::shared_ptr<Exchange>& exchange,
           std::function<void(const Json& items, bool cut, Exchange&)> answer) {
    std::string sql =
        fmt::format("SELECT item_id, attributes FROM items {} ORDER BY item_id LIMIT {}", where, n);
    Status queued = workers_.submit([this, sql = std::move(sql), exchange, answer = std::move(answer)] {
      const Result<std::string> result = queries_.run(sql);
      if (!result) return exchange->send_error(result.error());
      Json items = Json::array();
      const Json parsed = Json::parse(*result);
      for (const Json& row : parsed["rows"])
        items.push_back({{"id", row[0]}, {"attributes", Json::parse(row[1].get<std::string>())}});
      answer(items, parsed["truncated"].get<bool>(), *exchange);
    });
    if (!queued) exchange->send_error(queued.error());
  }

  EventLog& log_;
  QueryService& queries_;
  WorkerPool& workers_;
  Env& env_;
};

}  // namespace

void add_catalogue_routes(Router& router, EventLog& log, QueryService& queries, WorkerPool& workers,
                          Env& env) {
  const auto routes = std::make_shared<CatalogueRoutes>(log, queries, workers, env);
  for (const auto& [path, topic] :
       {std::pair{"/v1/items", kItemsTopic}, std::pair{"/v1/users", kUsersTopic}}) {
    const std::string one = std::string(path) + "/{id}";
    router.add("PUT", path, {Access::kCollect, false}, routes->changes(topic, puts_of));
    router.add("PUT", one, {Access::kCollect, false}, routes->changes(topic, puts_of));
    router.add("DELETE", path, {Access::kCollect, false}, routes->changes(topic, deletes_of));
    router.add("DELETE", one, {Access::kCollect, false}, routes->changes(topic, deletes_of));
  }
  router.add("GET", "/v1/items", {Access::kRead, false},
             [routes](const auto& exchange) { routes->items(exchange); });
  router.add("GET", "/v1/items/{id}", {Access::kRead, false},
             [routes](const auto& exchange) { routes->one_item(exchange); });
}

}  // namespace millrace
