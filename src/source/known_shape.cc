#include "source/known_shape.h"

#include <algorithm>
#include <array>

#include "event/codec.h"
#include "source/file_profile.h"
#include "source/ingest.h"
#include "source/json_elements.h"

namespace millrace {
namespace {

constexpr int kValuesMax = 50;

/// A format, and the members by which its values are known.
struct Shape {
  std::string_view format;
  std::array<std::string_view, 3> members;  ///< all of them, or the beginning of the names of columns
};

constexpr std::array kShapes{Shape{"cloudevents", {"specversion", "type", "id"}},
                             Shape{"ga_sessions", {"hits", "fullVisitorId", ""}},
                             Shape{"activity", {"customer_number", "browse_history", ""}},
                             Shape{"ga4", {"client_id", "events", ""}},
                             Shape{"visits", {"session_id", "events", ""}},
                             Shape{"segment", {"type", "anonymousId", ""}},
                             Shape{"segment", {"type", "userId", ""}},
                             Shape{"segment", {"batch", "", ""}},
                             Shape{"native", {"type", "event_time", ""}},
                             Shape{"native", {"type", "user_id", ""}},
                             Shape{"native", {"type", "items", ""}}};

bool has(const FileProfile& profile, std::string_view member) {
  return member.empty() || std::ranges::any_of(profile.columns, [&](const ColumnProfile& column) {
           return column.name.starts_with(member) &&
                  (column.name.size() == member.size() || column.name[member.size()] == '.');
         });
}

/// Return whether the first values of the file are events of a codec.
Result<bool> decodes(Env& env, const Path& path, CodecId codec) {
  MILLRACE_ASSIGN(auto file, FileReader::open(env, path));
  JsonElements elements(std::move(file));
  BodyFacts facts;
  facts.source = "discover";
  facts.received_time = env.now();
  const BodyLimits limits{kRowBytesMax, kRowBytesMax, 1'000'000};
  int values = 0;
  for (Row row; values < kValuesMax; ++values) {
    MILLRACE_ASSIGN(const auto step, elements.next(row));
    if (step == RowReader::Step::kEnd) break;
    if (step == RowReader::Step::kBadRow) return false;
    const auto split = split_body(codec, row.raw, facts, limits, env);
    if (!split || !split->refused.empty() || split->accepted.empty()) return false;
  }
  return values > 0;
}

}  // namespace

Result<std::string> known_shape(Env& env, const Path& path, const FileProfile& profile) {
  for (const Shape& shape : kShapes) {
    if (!std::ranges::all_of(shape.members, [&](std::string_view member) { return has(profile, member); }))
      continue;
    if (shape.format == "ga_sessions") return std::string(shape.format);
    const auto codec = codec_of_format(shape.format);
    if (!codec) continue;
    MILLRACE_ASSIGN(const bool fits, decodes(env, path, *codec));
    if (fits) return std::string(shape.format);
  }
  return std::string();
}

}  // namespace millrace
