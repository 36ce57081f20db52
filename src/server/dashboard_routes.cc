#include "server/dashboard_routes.h"

#include <fmt/format.h>

#include "server/login_routes.h"
#include "server/ui_files.h"
#include "warehouse/dashboard_queries.h"

namespace millrace {
namespace {

std::string window_of(const HttpRequest& request) {
  return std::string(request.query().get("window", "24h"));
}

bool accepts_gzip(const HttpRequest& request) {
  return request.header("Accept-Encoding").find("gzip") != std::string_view::npos;
}

void send_file(const Router& router, const Exchange& exchange) {
  const HttpRequest& request = exchange.request;
  const UiFile* file = find_ui_file(request.path());
  if (!file) return exchange.send(router.nothing_at(request.path()));
  if (request.method() != "GET" && request.method() != "HEAD") {
    HttpResponse refusal = HttpResponse::error(
        405, "invalid", fmt::format("this address does not take {}; it takes GET", request.method()));
    refusal.headers.push_back({"Allow", "GET, HEAD"});
    return exchange.send(std::move(refusal));
  }
  // Pages without the token could show nothing but errors. Their files are no secret.
  const bool is_page = file->path == "/index.html";
  if (is_page && !router.access().check_credentials(request, Access::kRead))
    return exchange.send(to_login(request.path()));
  HttpResponse response;
  response.headers = {{"ETag", std::string(file->etag)},
                      {"Cache-Control", std::string(ui_cache_control(*file))},
                      {"Vary", "Accept-Encoding"},
                      {"Content-Security-Policy", std::string(kUiContentSecurityPolicy)},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Referrer-Policy", "no-referrer"}};
  if (request.header("If-None-Match") == file->etag) {
    response.status = 304;
    return exchange.send(std::move(response));
  }
  const bool zipped = !file->gzip_bytes.empty() && accepts_gzip(request);
  if (zipped) response.headers.push_back({"Content-Encoding", "gzip"});
  response.content_type = file->content_type;
  response.body = zipped ? file->gzip_bytes : file->bytes;
  exchange.send(std::move(response));
}

}  // namespace

void add_dashboard_routes(Router& router, Dashboard& dashboard, WorkerPool& workers) {
  router.add("GET", "/v1/dashboard", {Access::kRead, false}, [&](const std::shared_ptr<Exchange>& exchange) {
    Status queued = workers.submit([&dashboard, exchange] {
      Result<std::string> snapshot = dashboard.snapshot(window_of(exchange->request));
      if (!snapshot) return exchange->send_error(snapshot.error());
      exchange->send(HttpResponse::json(200, *std::move(snapshot)));
    });
    if (!queued) exchange->send_error(queued.error());
  });
  router.add("GET", "/v1/dashboard/stream", {Access::kRead, false},
             [&](const std::shared_ptr<Exchange>& exchange) {
               const std::string window = window_of(exchange->request);
               if (const auto known = dashboard_window(window); !known)
                 return exchange->send_error(known.error());
               const std::shared_ptr<ResponseStream> stream = exchange->start_stream("text/event-stream");
               if (Status added = dashboard.add_stream(window, stream); !added) stream->end();
             });
  add_login_routes(router);
  router.set_fallback([&router](const auto& exchange) { send_file(router, *exchange); });
}

}  // namespace millrace
