#include "server/recommend_request.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

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

/// Reads members of a body, all of which may be left out or null.
class BodyReader {
 public:
  explicit BodyReader(const Json& json) : json_(json) {}

  Status known() const {
    static const std::vector<std::string> kKnown = {"user",      "session", "country",  "items",
                                                    "placement", "n",       "exclude",  "filter",
                                                    "cursor",    "explain", "budget_ms"};
    for (const auto& [name, value] : json_.items())
      if (std::ranges::find(kKnown, name) == kKnown.end())
        return fail(Code::kInvalid, fmt::format("there is no '{}' here; known are {}", name.substr(0, 64),
                                                fmt::join(kKnown, ", ")));
    return {};
  }
  Status text(const char* name, std::string& into) const {
    const Json* value = find(name);
    if (value == nullptr) return {};
    if (!value->is_string()) return fail(Code::kInvalid, "is a text", name);
    into = value->get<std::string>();
    return {};
  }
  Status ids(const char* name, std::vector<std::string>& into) const {
    const Json* value = find(name);
    if (value == nullptr) return {};
    const bool texts =
        value->is_array() && std::ranges::all_of(*value, [](const Json& id) { return id.is_string(); });
    if (!texts || value->size() > kAskedIdsMax)
      return fail(Code::kInvalid, fmt::format("is a list of ids, {} at the most", kAskedIdsMax), name);
    into = value->get<std::vector<std::string>>();
    std::erase(into, "");
    return {};
  }
  Status integer(const char* name, std::int64_t& into, std::int64_t max) const {
    const Json* value = find(name);
    if (value == nullptr) return {};
    if (!value->is_number_integer() || *value < 1 || *value > max)
      return fail(Code::kInvalid, fmt::format("is a whole number from 1 to {}", max), name);
    into = value->get<std::int64_t>();
    return {};
  }
  Status boolean(const char* name, bool& into) const {
    const Json* value = find(name);
    if (value == nullptr) return {};
    if (!value->is_boolean()) return fail(Code::kInvalid, "is true or false", name);
    into = value->get<bool>();
    return {};
  }

 private:
  const Json* find(const char* name) const {
    const auto at = json_.find(name);
    return at == json_.end() || at->is_null() ? nullptr : &*at;
  }
  const Json& json_;
};

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

Result<RecommendRequest> parse_recommend_body(std::string_view body) {
  const Json json = json_of_body(body);
  if (!json.is_object()) return fail(Code::kInvalid, R"(send {"user": "u1", "items": ["a", "b"], "n": 10})");
  const BodyReader read(json);
  RecommendRequest request;
  std::string placement, filter, cursor;
  std::int64_t n = 10, budget_ms = 0;
  MILLRACE_TRY(read.known());
  MILLRACE_TRY(read.text("user", request.user));
  MILLRACE_TRY(read.text("session", request.session));
  MILLRACE_TRY(read.text("country", request.country));
  MILLRACE_TRY(read.text("placement", placement));
  MILLRACE_TRY(read.text("filter", filter));
  MILLRACE_TRY(read.text("cursor", cursor));
  MILLRACE_TRY(read.ids("items", request.items));
  MILLRACE_TRY(read.ids("exclude", request.exclude));
  MILLRACE_TRY(read.integer("n", n, kAnswerItemsMax));
  MILLRACE_TRY(read.integer("budget_ms", budget_ms, kBudgetMsMax));
  MILLRACE_TRY(read.boolean("explain", request.explain));
  request.n = static_cast<std::size_t>(n);
  request.budget = budget_ms * kMillisecondUs;
  MILLRACE_ASSIGN(request.placement, parse_placement(placement));
  MILLRACE_ASSIGN(request.filter, ItemFilter::parse(filter));
  MILLRACE_ASSIGN(request.cursor, Cursor::parse(cursor));
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
