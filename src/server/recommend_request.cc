#include "server/recommend_request.h"

#include <charconv>
#include <vector>

namespace millrace {
namespace {

constexpr std::size_t kNewsDefault = 5;
constexpr std::int64_t kBudgetMsMax = 60'000;

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

bool is_integer(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<RecommendRequest> parse_recommend_request(const QueryParameters& query) {
  static const std::vector<std::string_view> kKnown = {"user",      "session", "country",  "items",
                                                       "placement", "n",       "exclude",  "filter",
                                                       "cursor",    "explain", "budget_ms"};
  if (const auto unknown = query.unknown(kKnown))
    return fail(Code::kInvalid, "there is no parameter '" + std::string(*unknown) +
                                    "'; known are user, session, country, items, placement, n, exclude, "
                                    "filter, cursor, explain, budget_ms");
  RecommendRequest request;
  request.user = query.get("user");
  request.session = query.get("session");
  request.country = query.get("country");
  request.items = ids_of(query, "items");
  request.exclude = ids_of(query, "exclude");
  MILLRACE_ASSIGN(request.placement, parse_placement(query.get("placement")));
  MILLRACE_ASSIGN(const std::int64_t n, query.integer("n", 10, 1, kAnswerItemsMax));
  request.n = static_cast<std::size_t>(n);
  MILLRACE_ASSIGN(request.filter, ItemFilter::parse(query.get("filter")));
  MILLRACE_ASSIGN(request.cursor, Cursor::parse(query.get("cursor")));
  MILLRACE_ASSIGN(request.explain, query.boolean("explain", false));
  if (query.find("budget_ms") != nullptr) {
    MILLRACE_ASSIGN(const std::int64_t budget, query.integer("budget_ms", 0, 1, kBudgetMsMax));
    request.budget = budget * kMillisecondUs;
  }
  return request;
}

Result<RecommendRequest> parse_news_request(const QueryParameters& query) {
  const std::string* user = query.find("userId");
  if (!user || user->empty()) return fail(Code::kInvalid, "No User Id provided.");
  const std::string_view count = query.get("numRecs", "5");
  if (!is_integer(*user) || !is_integer(count))
    return fail(Code::kInvalid, "User id and number of recs arguments must be integers.");
  MILLRACE_ASSIGN(const std::int64_t n, query.integer("numRecs", kNewsDefault, 1, kAnswerItemsMax));
  RecommendRequest request;
  request.user = *user;
  request.n = static_cast<std::size_t>(n);
  request.exclude_read = true;
  return request;
}

}  // namespace millrace
