#include "server/recommend_routes.h"

#include "event/json_writer.h"
#include "recommend/answer_json.h"
#include "server/parameters.h"
#include "server/recommend_request.h"

namespace millrace {
namespace {

constexpr RouteRule kRule = {Access::kRead, true};

std::string news_json(const Recommendations& answer) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("articles").begin_array();
  for (const RecommendedItem& item : answer.items) json.text(item.id);
  json.end_array().end_object();
  return out;
}

void start_stream(RecommendationStreams& streams, const Exchange& exchange) {
  const QueryParameters& query = exchange.request.query();
  if (const Status known = refuse_unknown(query, {"user", "session"}); !known)
    return exchange.send_error(known.error());
  const std::string user(query.get("user")), session(query.get("session"));
  if (user.empty() == session.empty())
    return exchange.send_error({Code::kInvalid, "name one: user=… or session=…", "user"});
  const auto stream = exchange.start_stream("text/event-stream");
  if (!stream) return;
  stream->write(": waiting\n\n");
  const auto of = user.empty() ? RecommendationStreams::Of::kSession : RecommendationStreams::Of::kUser;
  if (const Status added = streams.add(of, user.empty() ? session : user, stream); !added) stream->end();
}

class RecommendRoutes {
 public:
  RecommendRoutes(const Recommender& recommender, RecommendationLog& answers, ServingStats& serving)
      : recommender_(recommender), answers_(answers), serving_(serving) {}

  void recommend(const Exchange& exchange, Result<RecommendRequest> request) {
    if (!request) return exchange.send_error(request.error());
    Recommendations answer = recommender_.recommend(*request);
    exchange.send(HttpResponse::json(200, answer_json(answer)));
    keep(std::move(answer), *std::move(request), "recommend");
  }

  void similar(const Exchange& exchange) {
    const Result<std::int64_t> n = exchange.request.query().integer("n", 10, 1, kAnswerItemsMax);
    if (!n) return exchange.send_error(n.error());
    RecommendRequest request;
    request.items = {exchange.path_values.front()};
    request.n = static_cast<std::size_t>(*n);
    Recommendations answer = recommender_.similar(request.items.front(), request.n);
    exchange.send(HttpResponse::json(200, answer_json(answer)));
    keep(std::move(answer), std::move(request), "similar");
  }

  void news(const Exchange& exchange) {
    Result<RecommendRequest> request = parse_news_request(exchange.request.query());
    if (!request) return exchange.send_error(request.error());
    Recommendations answer = recommender_.recommend(*request);
    exchange.send(HttpResponse::json(200, news_json(answer)));
    keep(std::move(answer), *std::move(request), "news");
  }

 private:
  void keep(Recommendations answer, RecommendRequest request, std::string_view kind) {
    serving_.observe(answer.latency_us, answer.fallback);
    answers_.append(std::move(answer), std::move(request), kind);
  }

  const Recommender& recommender_;
  RecommendationLog& answers_;
  ServingStats& serving_;
};

}  // namespace

void add_recommend_routes(Router& router, const Recommender& recommender, RecommendationLog& answers,
                          ServingStats& serving, RecommendationStreams& streams) {
  const auto routes = std::make_shared<RecommendRoutes>(recommender, answers, serving);
  router.add("GET", "/v1/recommendations", kRule, [routes](const auto& exchange) {
    routes->recommend(*exchange, parse_recommend_request(exchange->request.query()));
  });
  router.add("POST", "/v1/recommendations", kRule, [routes](const auto& exchange) {
    routes->recommend(*exchange, parse_recommend_body(exchange->request.body()));
  });
  router.add("GET", "/v1/recommendations/stream", kRule,
             [&streams](const auto& exchange) { start_stream(streams, *exchange); });
  router.add("GET", "/v1/items/{id}/similar", kRule,
             [routes](const auto& exchange) { routes->similar(*exchange); });
  router.add("GET", "/recommendation", kRule, [routes](const auto& exchange) { routes->news(*exchange); });
}

}  // namespace millrace
