#include "server/notice_routes.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

Result<TimeUs> time_of(const std::string& name, const Json& value) {
  if (!value.is_string())
    return fail(Code::kInvalid, "must be a time as text, such as 2026-12-01T06:00:00Z", name);
  auto time = parse_time(value.get<std::string>());
  if (!time) time.error().where = name;
  return time;
}

/// {"kind","text","effective","until","contract","version"}
Result<SourceNotice> notice_of(std::string source, std::string_view body) {
  const Json parsed = json_of_body(body);
  if (!parsed.is_object())
    return fail(Code::kInvalid, R"(send {"kind":"change","text":"…","effective":"2026-12-01T06:00:00Z"})");
  SourceNotice notice;
  notice.source = std::move(source);
  for (const auto& [name, value] : parsed.items()) {
    if (name == "effective") {
      MILLRACE_ASSIGN(notice.effective, time_of(name, value));
      continue;
    }
    if (name == "until") {
      MILLRACE_ASSIGN(notice.until, time_of(name, value));
      continue;
    }
    std::string* into = name == "kind"       ? &notice.kind
                        : name == "text"     ? &notice.text
                        : name == "contract" ? &notice.contract
                        : name == "version"  ? &notice.version
                                             : nullptr;
    if (into == nullptr) return fail(Code::kInvalid, "is not known here", name);
    if (!value.is_string()) return fail(Code::kInvalid, "takes a text", name);
    *into = value.get<std::string>();
  }
  return notice;
}

}  // namespace

void add_notice_routes(Router& router, SourceNotices& notices, WorkerPool& workers) {
  const auto on_worker = [&workers](auto work) {
    return [&workers, work](const std::shared_ptr<Exchange>& exchange) {
      const Status queued = workers.submit([exchange, work] {
        Result<std::string> answer = work(*exchange);
        if (!answer) return exchange->send_error(answer.error());
        exchange->send(HttpResponse::json(200, *std::move(answer)));
      });
      if (!queued) exchange->send_error(queued.error());
    };
  };
  router.add("GET", "/v1/sources/{source}/notices", {Access::kRead, false},
             on_worker([&notices](const Exchange& exchange) -> Result<std::string> {
               return notices.list(exchange.path_values.front());
             }));
  router.add("POST", "/v1/sources/{source}/notices", {Access::kRead, false},
             on_worker([&notices](const Exchange& exchange) -> Result<std::string> {
               MILLRACE_ASSIGN(auto notice, notice_of(exchange.path_values.front(), exchange.request.body()));
               return notices.announce(std::move(notice));
             }));
  router.add("POST", "/v1/sources/{source}/resume", {Access::kRead, false},
             on_worker([&notices](const Exchange& exchange) -> Result<std::string> {
               return fmt::format(R"({{"resumed":{}}})", notices.resume(exchange.path_values.front()));
             }));
}

}  // namespace millrace
