#include "server/log_routes.h"

#include <memory>

#include <fmt/format.h>

#include "server/parameters.h"

namespace millrace {
namespace {

constexpr std::int64_t kLinesMax = 1'000;

Result<std::optional<LogPosition>> position_of(const QueryParameters& query, std::string_view name) {
  const std::string_view text = query.get(name);
  if (text.empty()) return std::nullopt;
  if (const auto position = LogPosition::parse(text)) return *position;
  return fail(Code::kInvalid, "takes a position that an earlier answer gave, such as 3:1204",
              std::string(name));
}

/// {"lines":[{"position",…the line's members}],"cursor":"…"|null,"end":"…"}
std::string page_json(const LogPage& page, LogPosition end) {
  std::string out = R"({"lines":[)";
  for (const LogLine& line : page.lines) {
    if (out.back() == '}') out += ',';
    out += with_position(line);
  }
  const std::string cursor = page.next ? '"' + page.next->text() + '"' : "null";
  return out + fmt::format(R"(],"cursor":{},"end":"{}"}})", cursor, end.text());
}

struct PageRequest {
  LogFilter filter;
  std::optional<LogPosition> before;
  LogPageLimits limits;
};

Result<PageRequest> page_request_of(const QueryParameters& query, TimeUs now) {
  MILLRACE_TRY(
      refuse_unknown(query, {"component", "level", "since", "until", "q", "record", "limit", "cursor"}));
  PageRequest request;
  MILLRACE_ASSIGN(request.filter, log_filter_of(query, now));
  MILLRACE_ASSIGN(request.before, position_of(query, "cursor"));
  MILLRACE_ASSIGN(const std::int64_t limit, query.integer("limit", 100, 1, kLinesMax));
  request.limits.lines = static_cast<std::size_t>(limit);
  return request;
}

void send_page(Env& env, const LogFiles& files, WorkerPool& workers,
               const std::shared_ptr<Exchange>& exchange) {
  auto request = page_request_of(exchange->request.query(), env.now());
  if (!request) return exchange->send_error(request.error());
  Status queued = workers.submit([&env, &files, exchange, request = *std::move(request)] {
    // Taken before: what is logged while we read is then followed from here, if also shown.
    const LogPosition end = request.before ? *request.before : files.end();
    const auto page = read_log_backwards(env, files.dir(), request.filter, end, request.limits);
    if (!page) return exchange->send_error(page.error());
    exchange->send(HttpResponse::json(200, page_json(*page, end)));
  });
  if (!queued) exchange->send_error(queued.error());
}

void start_stream(Env& env, const LogFiles& files, LogStreams& streams,
                  const std::shared_ptr<Exchange>& exchange) {
  const QueryParameters& query = exchange->request.query();
  if (Status known = refuse_unknown(query, {"component", "level", "q", "record", "from"}); !known)
    return exchange->send_error(known.error());
  auto filter = log_filter_of(query, env.now());
  if (!filter) return exchange->send_error(filter.error());
  auto from = position_of(query, "from");
  if (!from) return exchange->send_error(from.error());
  if (const auto last = LogPosition::parse(exchange->request.header("Last-Event-ID"))) *from = last;
  const auto stream = exchange->start_stream("text/event-stream");
  if (!stream) return;
  stream->write(": following\n\n");
  if (Status added = streams.add(*std::move(filter), from->value_or(files.end()), stream); !added)
    stream->end();
}

}  // namespace

Result<LogFilter> log_filter_of(const QueryParameters& query, TimeUs now) {
  LogFilter filter;
  for (const std::string_view components : query.all("component")) {
    for (std::string_view rest = components; !rest.empty();) {
      const std::string_view one = rest.substr(0, rest.find(','));
      if (!one.empty()) filter.components.emplace_back(one);
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    }
  }
  if (const std::string_view level = query.get("level"); !level.empty()) {
    const auto parsed = parse_log_level(level);
    if (!parsed) return fail(Code::kInvalid, "is one of debug, info, warning, error", "level");
    filter.level_min = *parsed;
  }
  MILLRACE_ASSIGN(filter.since, time_or_ago("since", query.get("since"), now));
  MILLRACE_ASSIGN(filter.until, time_or_ago("until", query.get("until"), now));
  filter.text = query.get("q");
  filter.record = query.get("record");
  MILLRACE_TRY(filter.check());
  return filter;
}

void add_log_routes(Router& router, Env& env, const LogFiles& files, LogStreams& streams,
                    WorkerPool& workers) {
  constexpr RouteRule kRead = {Access::kRead, false};
  router.add("GET", "/v1/logs", kRead, [&env, &files, &workers](const std::shared_ptr<Exchange>& exchange) {
    send_page(env, files, workers, exchange);
  });
  router.add("GET", "/v1/logs/stream", kRead,
             [&env, &files, &streams](const std::shared_ptr<Exchange>& exchange) {
               start_stream(env, files, streams, exchange);
             });
}

}  // namespace millrace
