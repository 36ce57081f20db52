#include "server/recommend_routes.h"

#include <charconv>
#include <vector>

#include "event/json_writer.h"
#include "recommend/answer_json.h"
#include "server/parameters.h"

namespace millrace {
namespace {

constexpr RouteRule kRule = {Access::kRead, true};
constexpr std::int64_t kItemsMax = 200;
constexpr std::size_t kNewsDefault = 5;

/// Split "a,b" and repeated parameters into ids; empty ones are left out.
std::vector<std::string> ids_of(const QueryParameters& query, std::string_view name) {
  std::vector<std::string> ids;
  for (std::string_view rest : query.all(name)) {
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      if (comma != 0) ids.emplace_back(rest.substr(0, comma));
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  return ids;
}

Result<RecommendRequest> parse_request(const QueryParameters& query) {
  static const std::vector<std::string_view> kKnown = {"user", "session", "country", "items",  "placement",
                                                       "n",    "exclude", "filter",  "cursor", "explain"};
  if (const auto unknown = query.unknown(kKnown))
    return fail(
        Code::kInvalid,
        "there is no parameter '" + std::string(*unknown) +
            "'; known are user, session, country, items, placement, n, exclude, filter, cursor, explain");
  RecommendRequest request;
  request.user = query.get("user");
  request.session = query.get("session");
  request.country = query.get("country");
  request.items = ids_of(query, "items");
  request.exclude = ids_of(query, "exclude");
  MILLRACE_ASSIGN(request.placement, parse_placement(query.get("placement")));
  MILLRACE_ASSIGN(const std::int64_t n, query.integer("n", 10, 1, kItemsMax));
  request.n = static_cast<std::size_t>(n);
  MILLRACE_ASSIGN(request.filter, ItemFilter::parse(query.get("filter")));
  MILLRACE_ASSIGN(request.cursor, Cursor::parse(query.get("cursor")));
  MILLRACE_ASSIGN(request.explain, query.boolean("explain", false));
  return request;
}

bool is_integer(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

/// Read the news system's parameters; the texts of its errors are its own.
Result<RecommendRequest> parse_news_request(const QueryParameters& query) {
  const std::string* user = query.find("userId");
  if (!user || user->empty()) return fail(Code::kInvalid, "No User Id provided.");
  const std::string_view count = query.get("numRecs", "5");
  if (!is_integer(*user) || !is_integer(count))
    return fail(Code::kInvalid, "User id and number of recs arguments must be integers.");
  MILLRACE_ASSIGN(const std::int64_t n, query.integer("numRecs", kNewsDefault, 1, kItemsMax));
  RecommendRequest request;
  request.user = *user;
  request.n = static_cast<std::size_t>(n);
  request.exclude_read = true;
  return request;
}

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

  void recommend(const Exchange& exchange) {
    const Result<RecommendRequest> request = parse_request(exchange.request.query());
    if (!request) return exchange.send_error(request.error());
    const Recommendations answer = recommender_.recommend(*request);
    exchange.send(HttpResponse::json(200, answer_json(answer)));
    keep(answer, *request, "recommend");
  }

  void similar(const Exchange& exchange) {
    const Result<std::int64_t> n = exchange.request.query().integer("n", 10, 1, kItemsMax);
    if (!n) return exchange.send_error(n.error());
    RecommendRequest request;
    request.items = {exchange.path_values.front()};
    request.n = static_cast<std::size_t>(*n);
    const Recommendations answer = recommender_.similar(request.items.front(), request.n);
    exchange.send(HttpResponse::json(200, answer_json(answer)));
    keep(answer, request, "similar");
  }

  void news(const Exchange& exchange) {
    const Result<RecommendRequest> request = parse_news_request(exchange.request.query());
    if (!request) return exchange.send_error(request.error());
    const Recommendations answer = recommender_.recommend(*request);
    exchange.send(HttpResponse::json(200, news_json(answer)));
    keep(answer, *request, "news");
  }

 private:
  void keep(const Recommendations& answer, const RecommendRequest& request, std::string_view kind) {
    serving_.observe(answer.latency_us, answer.fallback);
    answers_.append(answer, request, kind);
  }

  const Recommender& recommender_;
  RecommendationLog& answers_;
  ServingStats& serving_;
};

}  // namespace

void add_recommend_routes(Router& router, const Recommender& recommender, RecommendationLog& answers,
                          ServingStats& serving, RecommendationStreams& streams) {
  const auto routes = std::make_shared<RecommendRoutes>(recommender, answers, serving);
  router.add("GET", "/v1/recommendations", kRule,
             [routes](const auto& exchange) { routes->recommend(*exchange); });
  router.add("GET", "/v1/recommendations/stream", kRule,
             [&streams](const auto& exchange) { start_stream(streams, *exchange); });
  router.add("GET", "/v1/items/{id}/similar", kRule,
             [routes](const auto& exchange) { routes->similar(*exchange); });
  router.add("GET", "/recommendation", kRule, [routes](const auto& exchange) { routes->news(*exchange); });
}

}  // namespace millrace
