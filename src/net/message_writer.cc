#include "net/message_writer.h"

#include <algorithm>
#include <ctime>
#include <iterator>

#include <fmt/format.h>

#include "base/env.h"

namespace millrace {
namespace {

/// Return "Date: …\r\n" for now; written anew once a second.
const std::string& date_line() {
  thread_local std::time_t written_at = 0;
  thread_local std::string line;
  const std::time_t now = Env::system().now() / kSecondUs;
  if (now != written_at) {
    char text[64];
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    const auto size = std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    line.assign(text, size);
    written_at = now;
  }
  return line;
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  const auto begin = out.size();
  out.append(value);
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  out.append("\r\n");
}

void append_start(std::string& out, const HttpResponse& response, AnswerForm form) {
  if (response.status == 200)
    out.append("HTTP/1.1 200 OK\r\n");
  else
    fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", response.status,
                   reason_phrase(response.status));
  out.append(date_line());
  if (!response.content_type.empty()) append_field(out, "Content-Type", response.content_type);
  for (const auto& header : response.headers) append_field(out, header.name, header.value);
  if (!form.keep_alive)
    out.append("Connection: close\r\n");
  else if (form.http_1_0)
    out.append("Connection: keep-alive\r\n");
}

bool has(const Headers& headers, std::string_view name) {
  return std::ranges::any_of(headers, [&](const Header& h) { return same_header_name(h.name, name); });
}

bool has_no_body(int status) {
  return status == 204 || status == 304 || status < 200;
}

}  // namespace

void append_request(std::string& out, std::string_view method, std::string_view target, std::string_view host,
                    std::string_view content_type, const Headers& headers, std::string_view body) {
  out.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
  if (!has(headers, "Host")) append_field(out, "Host", host);
  for (const auto& header : headers) append_field(out, header.name, header.value);
  const bool usually_has_body = method != "GET" && method != "HEAD" && method != "DELETE";
  if (!body.empty() && !has(headers, "Content-Type")) append_field(out, "Content-Type", content_type);
  if (!body.empty() || usually_has_body)
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", body.size());
  out.append("\r\n").append(body);
}

void append_response(std::string& out, const HttpResponse& response, AnswerForm form) {
  constexpr std::size_t kHeadBytesUsual = 256;
  out.reserve(out.size() + response.body.size() + kHeadBytesUsual);
  append_start(out, response, form);
  if (has_no_body(response.status)) {
    out.append("\r\n");
    return;
  }
  fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n\r\n", response.body.size());
  if (!form.head_only) out.append(response.body);
}

void append_stream_head(std::string& out, const HttpResponse& head, AnswerForm form) {
  append_start(out, head, form);
  out.append(form.http_1_0 ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n");
}

void append_chunk(std::string& out, std::string_view bytes) {
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", bytes.size());
  out.append(bytes).append("\r\n");
}

}  // namespace millrace
