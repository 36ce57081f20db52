#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

#include "base/text.h"
#include "event/json_writer.h"
#include "server/gorse_json.h"
#include "server/gorse_routes.h"
#include "server/gorse_write.h"
#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using GorseAsked = std::shared_ptr<Exchange>;

constexpr std::size_t kSessionContext = 12;  // items that an answer rests on
constexpr std::size_t kSessionExclude = 1'000;

enum class GorseForm : std::uint8_t { kIds, kScores };

std::string list_json(const std::vector<RecommendedItem>& items, GorseForm form) {
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const RecommendedItem& item : items) {
    if (form == GorseForm::kIds) {
      json.text(item.id);
    } else {
      json.begin_object().member("Id", item.id).member("Score", item.score).end_object();
    }
  }
  json.end_array();
  return out;
}

std::string filter_value(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

/// Conditions that are tried in turn: items of Gorse's clients have a list of categories, those of ours one
/// path.
Result<std::vector<ItemFilter>> category_filters(const std::string& category) {
  std::vector<ItemFilter> filters;
  if (category.empty()) return std::vector<ItemFilter>(1);
  for (const char* name : {"categories", "category"}) {
    MILLRACE_ASSIGN(ItemFilter filter, ItemFilter::parse(fmt::format("{}:{}", name, filter_value(category))));
    filters.push_back(std::move(filter));
  }
  return filters;
}

/// The category may stand in the path, after `at` other values, or in the query.
std::string category_of(const Exchange& exchange, std::size_t at) {
  return exchange.path_values.size() > at ? exchange.path_values[at]
                                          : std::string(exchange.request.query().get("category"));
}

/// Items in the order of their time of publication; those put without one by when they were put.
std::string latest_sql(const std::string& category, const GorsePage& page) {
  std::string where = "available AND coalesce(json_extract_string(attributes, '$.hidden'), '') <> 'true'";
  if (!category.empty())
    where += fmt::format(
        " AND (category = {0} OR starts_with(category, {0} || '/') OR "
        "list_contains(json_extract_string(attributes, '$.categories[*]'), {0}))",
        sql_literal(category));
  return fmt::format(
      "SELECT item_id, epoch(coalesce(TRY_CAST(json_extract_string(attributes, '$.published') AS TIMESTAMP), "
      "updated_time)) AS "
      "score FROM items WHERE {} ORDER BY score DESC, item_id LIMIT {} OFFSET {}",
      where, page.n, page.offset);
}

class GorseRecommend : public std::enable_shared_from_this<GorseRecommend> {
 public:
  explicit GorseRecommend(const GorseParts& parts) : parts_(parts) {}

  void recommend(const AccessPolicy& access, const GorseAsked& exchange) {
    RecommendRequest request;
    request.user = exchange->path_values.front();
    request.exclude_read = true;  // Gorse does not show again what was read
    const Result<Recommendations> answer = answer_of(*exchange, request, 1);
    if (!answer) return exchange->send(gorse_error(answer.error()));
    const bool scores = exchange->request.header("X-API-Version") == "2";
    std::string json = list_json(answer->items, scores ? GorseForm::kScores : GorseForm::kIds);
    const std::string type(exchange->request.query().get("write-back-type"));
    if (type.empty()) return exchange->send(HttpResponse::json(200, std::move(json)));
    write_back(access, type, *answer, exchange, std::move(json));
  }

  void popular(const Exchange& exchange) { send_scores(exchange, answer_of(exchange, {}, 0)); }

  void neighbours(const Exchange& exchange, std::size_t id_at) {
    RecommendRequest request;
    request.items = {exchange.path_values[id_at]};
    request.placement = Placement::kItem;
    // Of an item nobody knows there are none, rather than what is popular.
    if (parts_.recommender.similar(request.items.front(), 1).items.empty())
      return exchange.send(HttpResponse::json(200, "[]"));
    send_scores(exchange, answer_of(exchange, std::move(request), id_at + 1));
  }

  /// A list of feedback that is not kept: what to show to who did this.
  void session(const Exchange& exchange) {
    const Result<Json> body = gorse_body(exchange.request.body());
    if (!body) return exchange.send(gorse_error(body.error()));
    Result<std::vector<GorseFeedback>> feedback = gorse_feedback_of(*body, true);
    if (!feedback) return exchange.send(gorse_error(feedback.error()));
    std::ranges::stable_sort(*feedback, {}, [](const GorseFeedback& f) { return f.time.value_or(0); });
    RecommendRequest request;
    std::unordered_set<std::string_view> met;
    for (auto at = feedback->rbegin(); at != feedback->rend() && met.size() < kSessionExclude; ++at) {
      if (!met.insert(at->item).second) continue;
      const bool rests = request.items.size() < kSessionContext && !is_dislike(*at);
      (rests ? request.items : request.exclude).push_back(at->item);
    }
    std::ranges::reverse(request.items);  // latest last
    send_scores(exchange, answer_of(exchange, std::move(request), 0));
  }

  void latest(const GorseAsked& exchange) {
    const Result<GorsePage> page = gorse_page(exchange->request.query(), kGorseRowsMax);
    if (!page) return exchange->send(gorse_error(page.error()));
    std::string sql = latest_sql(category_of(*exchange, 0), *page);
    const Status queued = parts_.workers.submit([self = shared_from_this(), sql = std::move(sql), exchange] {
      const Result<std::string> result = self->parts_.queries.run(sql);
      if (!result) return exchange->send(gorse_error(result.error()));
      Json list = Json::array();
      const Json parsed = Json::parse(*result);
      for (const Json& row : parsed["rows"]) list.push_back({{"Id", row[0]}, {"Score", row[1]}});
      exchange->send(HttpResponse::json(200, json_text(list)));
    });
    if (!queued) exchange->send(gorse_error(queued.error()));
  }

 private:
  void send_scores(const Exchange& exchange, const Result<Recommendations>& answer) {
    if (!answer) return exchange.send(gorse_error(answer.error()));
    exchange.send(HttpResponse::json(200, list_json(answer->items, GorseForm::kScores)));
  }

  /// Ask for as many pages as `n` and `offset` need, and keep what is shown. Errors: kInvalid.
  Result<Recommendations> answer_of(const Exchange& exchange, RecommendRequest request,
                                    std::size_t category_at) {
    MILLRACE_ASSIGN(const GorsePage page, gorse_page(exchange.request.query(), kGorseListMax));
    MILLRACE_ASSIGN(const std::vector<ItemFilter> filters,
                    category_filters(category_of(exchange, category_at)));
    Recommendations answer;
    if (page.n == 0 || page.offset >= kGorseListMax) return answer;
    const std::size_t wanted = std::min(page.offset + page.n, kGorseListMax);
    for (const ItemFilter& filter : filters) {
      request.filter = filter;
      extend(answer, request, wanted);
      for (const RecommendedItem& item : answer.items) request.exclude.push_back(item.id);
    }
    const std::size_t skipped = std::min(page.offset, answer.items.size());
    answer.items.erase(answer.items.begin(), answer.items.begin() + static_cast<std::ptrdiff_t>(skipped));
    request.n = page.n;
    request.exclude.clear();
    parts_.serving.observe(answer.latency_us, answer.fallback);
    parts_.answers.append(answer, request, "gorse");
    return answer;
  }

  /// Add pages until there are `wanted` items, or no more.
  void extend(Recommendations& answer, RecommendRequest request, std::size_t wanted) const {
    request.cursor = {};
    while (answer.items.size() < wanted) {
      request.n = std::min(wanted - answer.items.size(), RecommenderLimits{}.page_items);
      Recommendations more = parts_.recommender.recommend(request);
      const bool ends = more.items.empty() || !more.cursor;
      if (!ends) request.cursor = Cursor::parse(*more.cursor).value_or(Cursor{});
      if (answer.recommendation_id.empty()) {
        answer = std::move(more);
      } else {
        answer.latency_us += more.latency_us;
        std::ranges::move(more.items, std::back_inserter(answer.items));
      }
      if (ends) return;
    }
  }

  /// Note as feedback what is shown, and answer once that is durable.
  void write_back(const AccessPolicy& access, const std::string& type, const Recommendations& answer,
                  const GorseAsked& exchange, std::string json) {
    const Result<std::string> source = access.source_of(exchange->request);
    Json noted = Json::array();
    for (const RecommendedItem& item : answer.items)
      noted.push_back(
          {{"FeedbackType", type}, {"UserId", exchange->path_values.front()}, {"ItemId", item.id}});
    Result<std::vector<GorseFeedback>> feedback = gorse_feedback_of(noted);
    if (!source) return exchange->send(gorse_error(source.error()));
    if (!feedback) return exchange->send(gorse_error(feedback.error()));
    const TimeUs now = parts_.env.now();
    for (GorseFeedback& each : *feedback) each.time = now;
    write_gorse_feedback(parts_.collector, parts_.limits, *feedback,
                         gorse_facts(exchange->request, *source, now),
                         [exchange, json = std::move(json)](const Result<std::uint64_t>& rows) {
                           if (!rows) return exchange->send(gorse_error(rows.error()));
                           exchange->send(HttpResponse::json(200, json));
                         });
  }

  const GorseParts parts_;
};

void refuse_people(const GorseAsked& exchange) {
  exchange->send(HttpResponse::text(
      501,
      "people are not compared here; train a model and search its vectors of people (POST /v1/vectors)"));
}

}  // namespace

void add_gorse_recommend_routes(Router& router, const GorseParts& parts) {
  const auto routes = std::make_shared<GorseRecommend>(parts);
  constexpr RouteRule kRead = {Access::kRead, false};
  const auto add = [&](std::string_view method, const std::string& path, const RouteHandler& handler) {
    router.add(method, path, kRead, handler);
    router.add(method, path + "/{category...}", kRead, handler);
  };
  add("GET", "/api/recommend/{user-id}", [routes, &access = router.access()](const GorseAsked& exchange) {
    routes->recommend(access, exchange);
  });
  add("POST", "/api/session/recommend", [routes](const GorseAsked& exchange) { routes->session(*exchange); });
  add("GET", "/api/popular", [routes](const GorseAsked& exchange) { routes->popular(*exchange); });
  add("GET", "/api/latest", [routes](const GorseAsked& exchange) { routes->latest(exchange); });
  add("GET", "/api/item/{id}/neighbors",
      [routes](const GorseAsked& exchange) { routes->neighbours(*exchange, 0); });
  router.add("GET", "/api/item-to-item/{name}/{id}", kRead,
             [routes](const GorseAsked& exchange) { routes->neighbours(*exchange, 1); });
  router.add("GET", "/api/user/{id}/neighbors", kRead, refuse_people);
  router.add("GET", "/api/user-to-user/{name}/{id}", kRead, refuse_people);
}

}  // namespace millrace
