// Any bytes as the query string of GET /v1/recommendations and of GET /recommendation: refused with a
// message, or a request within its limits, whose parts read the same when they are written out again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/recommend_request.h"

namespace {

using namespace millrace;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const Result<RecommendRequest>& request) {
  if (!request) return require(!request.error().message.empty() && request.error().code == Code::kInvalid);
  require(request->n >= 1 && request->n <= static_cast<std::size_t>(kAnswerItemsMax));
  for (const std::string& id : request->items) require(!id.empty() && !id.contains(','));
  for (const std::string& id : request->exclude) require(!id.empty() && !id.contains(','));
  const auto filter = ItemFilter::parse(request->filter.text());
  require(filter && filter->clauses().size() == request->filter.clauses().size());
  const auto cursor = Cursor::parse(request->cursor.text());
  require(cursor && cursor->text() == request->cursor.text());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto query = QueryParameters::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!query) {
    require(!query.error().message.empty());
    return 0;
  }
  const auto request = parse_recommend_request(*query);
  check(request);
  if (request) require(request->filter.text() == query->get("filter"));
  check(parse_news_request(*query));
  return 0;
}
