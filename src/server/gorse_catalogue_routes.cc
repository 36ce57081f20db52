#include <fmt/format.h>

#include "base/text.h"
#include "log/topics.h"
#include "server/gorse_json.h"
#include "server/gorse_routes.h"
#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using GorseExchange = std::shared_ptr<Exchange>;

/// One of the two halves of the catalogue, by the names it has here and there.
struct GorseTable {
  GorseKind kind;
  std::string_view topic;
  std::string_view table;
  std::string_view id_column;
  std::string_view list;  ///< member of a page
};

constexpr GorseTable kGorseItems = {GorseKind::kItem, kItemsTopic, "items", "item_id", "Items"};
constexpr GorseTable kGorseUsers = {GorseKind::kUser, kUsersTopic, "users", "user_id", "Users"};

Json shape_of(const GorseTable& table, const std::string& id, const Json& attributes) {
  return table.kind == GorseKind::kItem ? gorse_item(id, attributes) : gorse_user(id, attributes);
}

Json attributes_of(const Json& row) {
  Json attributes = row[1].is_string() ? Json::parse(row[1].get<std::string>(), nullptr, false) : Json();
  return attributes.is_object() ? attributes : Json::object();
}

class GorseCatalogue : public std::enable_shared_from_this<GorseCatalogue> {
 public:
  explicit GorseCatalogue(const GorseParts& parts) : parts_(parts) {}

  void add(Router& router, const GorseTable& table, const std::string& one, const std::string& many) {
    const auto self = shared_from_this();
    const auto put = [self, &table](const GorseExchange& exchange) { self->put(table, exchange); };
    const std::string with_id = one + "/{id}";
    router.add("POST", one, {Access::kCollect, false}, put);
    router.add("POST", many, {Access::kCollect, false}, put);
    router.add("GET", many, {Access::kRead, false},
               [self, &table](const GorseExchange& exchange) { self->list(table, exchange); });
    router.add("GET", with_id, {Access::kRead, false},
               [self, &table](const GorseExchange& exchange) { self->get(table, exchange); });
    router.add("DELETE", with_id, {Access::kCollect, false},
               [self, &table](const GorseExchange& exchange) { self->remove(table, exchange); });
    router.add("PATCH", with_id, {Access::kCollect, false},
               [self, &table](const GorseExchange& exchange) { self->patch(table, exchange); });
  }

  /// PUT and DELETE of /api/item/{id}/category/{category}.
  void add_categories(Router& router) {
    for (const auto& [method, change] :
         {std::pair{"PUT", &add_gorse_category}, std::pair{"DELETE", &remove_gorse_category}})
      router.add(method, "/api/item/{id}/category/{category...}", {Access::kCollect, false},
                 [self = shared_from_this(), change](const GorseExchange& exchange) {
                   const std::string category = exchange->path_values[1];
                   self->change(kGorseItems, exchange, [change, category](Json& attributes) -> Status {
                     change(attributes, category);
                     return {};
                   });
                 });
  }

 private:
  using ChangeAttributes = std::function<Status(Json& attributes)>;

  void put(const GorseTable& table, const GorseExchange& exchange) {
    const Result<Json> body = gorse_body(exchange->request.body());
    if (!body) return exchange->send(gorse_error(body.error()));
    const Result<std::vector<CatalogueRecord>> records = gorse_records(table.kind, *body);
    if (!records) return exchange->send(gorse_error(records.error()));
    append(table, *records, exchange);
  }

  void remove(const GorseTable& table, const GorseExchange& exchange) {
    const std::string& id = exchange->path_values.front();
    if (Status good = check_catalogue_id(id); !good) return exchange->send(gorse_error(good.error()));
    append(table, {catalogue_delete(id)}, exchange);
  }

  void patch(const GorseTable& table, const GorseExchange& exchange) {
    Result<Json> body = gorse_body(exchange->request.body());
    if (body && !body->is_object()) body = fail(Code::kInvalid, "send an object");
    if (!body) return exchange->send(gorse_error(body.error()));
    change(table, exchange, [kind = table.kind, body = *std::move(body)](Json& attributes) {
      return kind == GorseKind::kItem ? apply_gorse_item(attributes, body)
                                      : apply_gorse_user(attributes, body);
    });
  }

  void get(const GorseTable& table, const GorseExchange& exchange) {
    row_of(table, exchange, [&table](const std::string& id, const Json& attributes, const GorseExchange& to) {
      to->send(HttpResponse::json(200, json_text(shape_of(table, id, attributes))));
    });
  }

  /// Change what the tables know of it, and put the whole in its place.
  void change(const GorseTable& table, const GorseExchange& exchange, ChangeAttributes change_attributes) {
    row_of(table, exchange,
           [this, &table, change_attributes = std::move(change_attributes)](
               const std::string& id, Json attributes, const GorseExchange& to) {
             if (Status done = change_attributes(attributes); !done)
               return to->send(gorse_error(done.error()));
             append(table, {catalogue_put(id, std::move(attributes))}, to);
           });
  }

  void list(const GorseTable& table, const GorseExchange& exchange) {
    const QueryParameters& query = exchange->request.query();
    const Result<GorsePage> page = gorse_page(query, kGorseRowsMax);
    if (!page) return exchange->send(gorse_error(page.error()));
    // gorsejs writes it with a capital, Gorse reads it without.
    const std::string cursor(query.get("cursor", query.get("Cursor")));
    select(table, fmt::format("{} > {}", table.id_column, sql_literal(cursor)), page->n, exchange,
           [&table, n = page->n](const Json& rows, bool cut, const GorseExchange& to) {
             Json list = Json::array();
             for (const Json& row : rows)
               list.push_back(shape_of(table, row[0].get<std::string>(), attributes_of(row)));
             const bool may_go_on = !rows.empty() && (cut || rows.size() == n);
             const Json answer = {{"Cursor", may_go_on ? rows.back()[0] : Json("")},
                                  {std::string(table.list), std::move(list)}};
             to->send(HttpResponse::json(200, json_text(answer)));
           });
  }

  template <typename Then>
  void row_of(const GorseTable& table, const GorseExchange& exchange, Then then) {
    const std::string id = exchange->path_values.front();
    select(table, fmt::format("{} = {}", table.id_column, sql_literal(id)), 1, exchange,
           [id, then = std::move(then)](const Json& rows, bool, const GorseExchange& to) {
             if (rows.empty())
               return to->send(gorse_error({Code::kNotFound, "there is nothing with the id " + id, ""}));
             then(id, attributes_of(rows.front()), to);
           });
  }

  void select(const GorseTable& table, const std::string& where, std::size_t n, const GorseExchange& exchange,
              std::function<void(const Json& rows, bool cut, const GorseExchange&)> then) {
    std::string sql = fmt::format("SELECT {0}, attributes FROM {1} WHERE {2} ORDER BY {0} LIMIT {3}",
                                  table.id_column, table.table, where, n);
    const Status queued = parts_.workers.submit(
        [self = shared_from_this(), sql = std::move(sql), exchange, then = std::move(then)] {
          const Result<std::string> result = self->parts_.queries.run(sql);
          if (!result) return exchange->send(gorse_error(result.error()));
          const Json parsed = Json::parse(*result);
          then(parsed["rows"], parsed["truncated"].get<bool>(), exchange);
        });
    if (!queued) exchange->send(gorse_error(queued.error()));
  }

  void append(const GorseTable& table, const std::vector<CatalogueRecord>& records,
              const GorseExchange& exchange) {
    if (records.empty()) return exchange->send(HttpResponse::json(200, R"({"RowAffected":0})"));
    append_catalogue(parts_.log, parts_.env, table.topic, records,
                     [exchange, n = records.size()](const Status& done) {
                       if (!done) return exchange->send(gorse_error(done.error()));
                       exchange->send(HttpResponse::json(200, fmt::format(R"({{"RowAffected":{}}})", n)));
                     });
  }

  const GorseParts parts_;
};

}  // namespace

void add_gorse_catalogue_routes(Router& router, const GorseParts& parts) {
  const auto routes = std::make_shared<GorseCatalogue>(parts);
  routes->add(router, kGorseItems, "/api/item", "/api/items");
  routes->add(router, kGorseUsers, "/api/user", "/api/users");
  routes->add_categories(router);
}

}  // namespace millrace
