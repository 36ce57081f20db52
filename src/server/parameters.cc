#include "server/parameters.h"

#include "base/text.h"

namespace millrace {

Status refuse_unknown(const QueryParameters& query, const std::vector<std::string_view>& known) {
  const auto name = query.unknown(known);
  if (!name) return {};
  const std::string nearest = nearest_name(*name, {known.begin(), known.end()});
  return fail(Code::kInvalid,
              nearest.empty() ? "is not known here" : "is not known here; did you mean " + nearest + "?",
              std::string(*name));
}

Result<std::optional<TimeUs>> time_or_ago(std::string_view name, std::string_view text, TimeUs now) {
  if (text.empty()) return std::nullopt;
  if (const auto ago = parse_duration(text)) return now - *ago;
  if (const auto time = parse_time(text)) return *time;
  return fail(Code::kInvalid, "takes a time (2026-01-31T12:00:00Z) or how long ago (90s, 10m, 24h)",
              std::string(name));
}

}  // namespace millrace
