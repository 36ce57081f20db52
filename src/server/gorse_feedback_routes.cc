#include <algorithm>
#include <atomic>
#include <mutex>

#include <fmt/format.h>

#include "base/text.h"
#include "server/gorse_feedback.h"
#include "server/gorse_json.h"
#include "server/gorse_routes.h"
#include "server/gorse_write.h"
#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using FeedbackExchange = std::shared_ptr<Exchange>;

/// What of the feedback is asked for; empty: all.
struct FeedbackWanted {
  std::string type;
  std::string user;
  std::string item;
  bool one = false;  ///< the newest alone, as an object
};

std::string where_of(const FeedbackWanted& wanted) {
  std::string where = fmt::format("starts_with(message_id, {})", sql_literal(kGorseIdPrefix));
  const auto equal = [&](std::string_view what, const std::string& value) {
    if (!value.empty()) where += fmt::format(" AND {} = {}", what, sql_literal(value));
  };
  equal("json_extract_string(properties, '$.feedback_type')", wanted.type);
  equal("user_id", wanted.user);
  equal("item_id", wanted.item);
  return where;
}

/// Feedback is an event, and events are looked for by the id that feedback gave them.
std::string feedback_sql(const FeedbackWanted& wanted, std::string_view order, std::size_t n,
                         std::string_view cursor) {
  std::string where = where_of(wanted);
  if (!cursor.empty()) where += fmt::format(" AND message_id > {}", sql_literal(cursor));
  return fmt::format(
      "SELECT type, user_id, item_id, event_time, properties, message_id FROM events WHERE {} QUALIFY "
      "row_number() OVER (PARTITION BY message_id ORDER BY received_time DESC) = 1 ORDER BY {} LIMIT {}",
      where, order, n);
}

class GorseFeedbackRoutes : public std::enable_shared_from_this<GorseFeedbackRoutes> {
 public:
  explicit GorseFeedbackRoutes(const GorseParts& parts) : parts_(parts) {}

  void write(const AccessPolicy& access, const FeedbackExchange& exchange, bool replaces) {
    const Result<std::string> source = access.source_of(exchange->request);
    if (!source) {
      HttpResponse refused = gorse_error(source.error());
      refused.status = 401;
      return exchange->send(std::move(refused));
    }
    const Result<Json> body = gorse_body(exchange->request.body());
    if (!body) return exchange->send(gorse_error(body.error()));
    const Result<std::vector<GorseFeedback>> feedback = gorse_feedback_of(*body);
    if (!feedback) return exchange->send(gorse_error(feedback.error()));
    BodyFacts facts = gorse_facts(exchange->request, *source, parts_.env.now());
    facts.replaces = replaces;
    write_gorse_feedback(
        parts_.collector, parts_.limits, *feedback, facts, [exchange](const Result<std::uint64_t>& rows) {
          if (!rows) return exchange->send(gorse_error(rows.error()));
          exchange->send(HttpResponse::json(200, fmt::format(R"({{"RowAffected":{}}})", *rows)));
        });
  }

  /// {"Cursor", "Feedback"}, in the order of their ids, which says nothing of time.
  void page(const FeedbackWanted& wanted, const FeedbackExchange& exchange) {
    const QueryParameters& query = exchange->request.query();
    const Result<GorsePage> page = gorse_page(query, kGorseRowsMax);
    if (!page) return exchange->send(gorse_error(page.error()));
    const std::string_view cursor = query.get("cursor", query.get("Cursor"));
    run(feedback_sql(wanted, "message_id", page->n, cursor), exchange,
        [n = page->n](const Json& rows, bool cut, Exchange& to) {
          Json list = Json::array();
          for (const Json& row : rows) list.push_back(gorse_feedback_json(row));
          const bool may_go_on = !rows.empty() && (cut || rows.size() == n);
          // Gorse names it Feedback, gorsejs reads Feedbacks.
          const Json answer = {{"Cursor", may_go_on ? rows.back()[5] : Json("")},
                               {"Feedbacks", list},
                               {"Feedback", std::move(list)}};
          to.send(HttpResponse::json(200, json_text(answer)));
        });
  }

  /// A list, newest first, or the newest alone.
  void list(const FeedbackWanted& wanted, const FeedbackExchange& exchange) {
    const std::size_t n = wanted.one ? 1 : kGorseRowsMax;
    run(feedback_sql(wanted, "event_time DESC, message_id", n, ""), exchange,
        [one = wanted.one](const Json& rows, bool, Exchange& to) {
          if (one && rows.empty())
            return to.send(gorse_error({Code::kNotFound, "there is no such feedback", ""}));
          if (one) return to.send(HttpResponse::json(200, json_text(gorse_feedback_json(rows.front()))));
          Json list = Json::array();
          for (const Json& row : rows) list.push_back(gorse_feedback_json(row));
          to.send(HttpResponse::json(200, json_text(list)));
        });
  }

 private:
  void run(std::string sql, const FeedbackExchange& exchange,
           std::function<void(const Json& rows, bool cut, Exchange&)> then) {
    const Status queued = parts_.workers.submit(
        [self = shared_from_this(), sql = std::move(sql), exchange, then = std::move(then)] {
          const Result<std::string> result = self->parts_.queries.run(sql);
          if (!result) return exchange->send(gorse_error(result.error()));
          const Json parsed = Json::parse(*result);
          then(parsed["rows"], parsed["truncated"].get<bool>(), *exchange);
        });
    if (!queued) exchange->send(gorse_error(queued.error()));
  }

  const GorseParts parts_;
};

void refuse_delete(const FeedbackExchange& exchange) {
  exchange->send(HttpResponse::text(501,
                                    "single events are not deleted here; DELETE /api/user/{user-id} forgets "
                                    "a person, a dislike hides an item "
                                    "from one"));
}

}  // namespace

void add_gorse_feedback_routes(Router& router, const GorseParts& parts) {
  const auto routes = std::make_shared<GorseFeedbackRoutes>(parts);
  constexpr RouteRule kRead = {Access::kRead, false};
  constexpr RouteRule kWrite = {Access::kCollect, false};
  for (const auto& [method, replaces] : {std::pair{"POST", false}, std::pair{"PUT", true}})
    router.add(method, "/api/feedback", kWrite,
               [routes, replaces, &access = router.access()](const auto& exchange) {
                 routes->write(access, exchange, replaces);
               });
  router.add("GET", "/api/feedback", kRead, [routes](const auto& exchange) { routes->page({}, exchange); });
  router.add("GET", "/api/feedback/{type}", kRead,
             [routes](const auto& exchange) { routes->page({.type = exchange->path_values[0]}, exchange); });
  const auto add_list = [&](std::string_view path, auto wanted) {
    router.add("GET", path, kRead, [routes, wanted](const auto& exchange) {
      routes->list(wanted(exchange->path_values), exchange);
    });
  };
  using Values = const std::vector<std::string>&;
  add_list("/api/feedback/{user-id}/{item-id}",
           [](Values v) { return FeedbackWanted{.user = v[0], .item = v[1]}; });
  add_list("/api/feedback/{type}/{user-id}/{item-id}",
           [](Values v) { return FeedbackWanted{.type = v[0], .user = v[1], .item = v[2], .one = true}; });
  add_list("/api/user/{id}/feedback", [](Values v) { return FeedbackWanted{.user = v[0]}; });
  add_list("/api/user/{id}/feedback/{type}",
           [](Values v) { return FeedbackWanted{.type = v[1], .user = v[0]}; });
  add_list("/api/item/{id}/feedback", [](Values v) { return FeedbackWanted{.item = v[0]}; });
  add_list("/api/item/{id}/feedback/{type}",
           [](Values v) { return FeedbackWanted{.type = v[1], .item = v[0]}; });
  for (const char* path : {"/api/feedback/{user-id}/{item-id}", "/api/feedback/{type}/{user-id}/{item-id}"})
    router.add("DELETE", path, kWrite, refuse_delete);
}

}  // namespace millrace
