#include "server/login_routes.h"

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

constexpr int kCookieDays = 30;

// Loads nothing but the logo, so that it stands by itself whatever happens to the pages behind it.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'";

constexpr std::string_view kPage = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Millrace: log in</title>
<link rel="icon" href="/logo.svg">
<style>
body {{ display: grid; place-items: center; min-height: 90vh; margin: 1rem; font: 1rem/1.5 system-ui, sans-serif }}
main {{ width: 100%; max-width: 24rem }}
label {{ font-weight: 600 }}
input, button {{ box-sizing: border-box; width: 100%; min-height: 2.75rem; margin-top: .5rem; padding: 0 .75rem; font: inherit }}
</style>
</head>
<body>
<main>
<img src="/logo.svg" alt="" width="40" height="40">
<h1>Millrace</h1>
<form method="post" action="/login">
<label for="token">This server asks for its token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus aria-describedby="help">
<input name="next" type="hidden" value="{next}">
<button>Open</button>
<p id="help" role="status">{help}</p>
</form>
</main>
</body>
</html>
)";

constexpr std::string_view kHelp = "It is the value of auth.token in the server’s millrace.yaml.";
constexpr std::string_view kRefused =
    "That is not it. It is the value of auth.token in the server’s millrace.yaml.";

std::string html_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '<':
        out += "&lt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// Return where to go afterwards: an address of this server, or the dashboard. "//host" is another's.
std::string_view safe_next(std::string_view next) {
  const bool ours = next.starts_with('/') && !next.starts_with("//") && !next.starts_with("/\\") &&
                    next.find_first_of("\r\n\t") == std::string_view::npos;
  return ours ? next : "/";
}

HttpResponse form(int status, std::string_view next, std::string_view help) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.body = fmt::format(kPage, fmt::arg("next", html_quoted(safe_next(next))), fmt::arg("help", help));
  response.headers = {{"Cache-Control", "no-store"},
                      {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
                      {"X-Content-Type-Options", "nosniff"},
                      // With "no-referrer" the form would be sent with `Origin: null`, and be refused.
                      {"Referrer-Policy", "same-origin"}};
  return response;
}

HttpResponse go_to(std::string_view address) {
  HttpResponse response;
  response.status = 303;
  response.headers = {{"Location", std::string(address)}, {"Cache-Control", "no-store"}};
  return response;
}

/// Lax, not Strict: who follows a link to the dashboard from a mail or a chat is logged in there too.
HttpResponse log_in(const AccessPolicy& access, std::string_view token, std::string_view next) {
  if (!access.is_token(token)) return form(401, next, kRefused);
  HttpResponse response = go_to(safe_next(next));
  response.headers.push_back(
      {"Set-Cookie", fmt::format("millrace_token={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}",
                                 url_encode(token), kCookieDays * kDayUs / kSecondUs)});
  return response;
}

HttpResponse answer_get(const AccessPolicy& access, const HttpRequest& request) {
  const std::string_view next = request.query().get("next", "/");
  if (!access.wants_token()) return go_to(safe_next(next));
  const std::string* token = request.query().find("token");
  return token ? log_in(access, *token, next) : form(200, next, kHelp);
}

HttpResponse answer_post(const AccessPolicy& access, const HttpRequest& request) {
  const Result<QueryParameters> sent = QueryParameters::parse(request.body());
  if (!sent) return HttpResponse::from_error(sent.error());
  if (!access.wants_token()) return go_to(safe_next(sent->get("next")));
  return log_in(access, sent->get("token"), sent->get("next"));
}

}  // namespace

HttpResponse to_login(std::string_view path) {
  return go_to(path == "/" ? "/login" : "/login?next=" + url_encode(path));
}

void add_login_routes(Router& router) {
  constexpr RouteRule kOpen = {Access::kPublic, false};
  router.add("GET", "/login", kOpen, [&router](const auto& exchange) {
    exchange->send(answer_get(router.access(), exchange->request));
  });
  router.add("POST", "/login", kOpen, [&router](const auto& exchange) {
    exchange->send(answer_post(router.access(), exchange->request));
  });
}

}  // namespace millrace
