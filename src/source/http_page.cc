#include "source/http_page.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "event/json_read.h"
#include "source/time_format.h"

namespace millrace {
namespace {

namespace od = simdjson::ondemand;

constexpr std::size_t kBeginningBytesMax = 100;
constexpr DurationUs kRetryAfterMax = kDayUs;
constexpr std::size_t kItemsMax = 100'000;  // of one page
constexpr std::size_t kHiddenWithinBytes = 16 << 10;
constexpr std::string_view kPutForSecret = "***";
constexpr std::size_t kHiddenBytesMin = 4;  // a shorter secret would hide parts of any word

std::string_view without_blanks(std::string_view text) {
  const auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") + 1 - from);
}

/// Return "the answer", or the member that a pointer leads to.
std::string place_of(const std::string& pointer) {
  return pointer.empty() ? "the answer" : fmt::format("'{}' of the answer", pointer);
}

/// Return the text of a string, a number or a boolean; none for null, and for what is not there.
Result<std::optional<std::string>> text_at(od::document& document, const std::string& pointer) {
  od::value value;
  const auto found = document.at_pointer(pointer).get(value);
  if (found == simdjson::NO_SUCH_FIELD || found == simdjson::INDEX_OUT_OF_BOUNDS ||
      found == simdjson::INCORRECT_TYPE)
    return std::nullopt;
  if (found) return fail(json::syntax_error(found));
  const auto kind = json::kind_of(value);
  if (kind == json::Kind::kText) {
    std::string_view text;
    if (const auto code = value.get_string().get(text)) return fail(json::syntax_error(code));
    return std::string(text);
  }
  if (kind != json::Kind::kOther)
    return fail(Code::kInvalid, place_of(pointer) + " is no text and no number");
  const auto token = json::token_of(value);
  if (json::is_null(token)) return std::nullopt;
  return std::string(token);
}

Status read_items(od::document& document, const std::string& pointer, HttpPage& page) {
  od::array array;
  auto code =
      pointer.empty() ? document.get_array().get(array) : document.at_pointer(pointer).get_array().get(array);
  if (code == simdjson::NO_SUCH_FIELD || code == simdjson::INCORRECT_TYPE ||
      code == simdjson::INDEX_OUT_OF_BOUNDS)
    return fail(
        Code::kInvalid,
        fmt::format("{} is not an array; 'items' of the source says where the items are", place_of(pointer)));
  if (code) return fail(json::syntax_error(code));
  return json::each_element(array, [&](std::size_t i, od::value& value) -> Status {
    if (i == kItemsMax)
      return fail(Code::kInvalid,
                  fmt::format("the answer has more than {} items: ask for smaller pages", kItemsMax));
    MILLRACE_ASSIGN(page.items.emplace_back(), json::raw_value(value));
    return {};
  });
}

/// Find the link of a header to the next page.
Status read_link(std::string_view header, HttpPage& page) {
  page.next = next_link(header);
  if (page.next && !is_utf8(*page.next))
    return fail(Code::kInvalid, "where the answer's header Link leads is not UTF-8");
  return {};
}

/// Return whether the parameters of a link, `; rel="next"; title="…",`, say that it leads to the next page.
bool is_next(std::string_view parameters) {
  for (std::size_t at = 0; (at = parameters.find(';', at)) != std::string_view::npos;) {
    const auto end = parameters.find_first_of(";,", ++at);
    auto parameter = without_blanks(parameters.substr(at, end == std::string_view::npos ? end : end - at));
    if (!parameter.starts_with("rel=")) continue;
    parameter.remove_prefix(4);
    if (parameter.starts_with('"')) parameter.remove_prefix(1);
    const auto word = parameter.find("next");
    const auto is_apart = [&](std::size_t i) {
      return i >= parameter.size() || parameter[i] == ' ' || parameter[i] == '"';
    };
    if (word != std::string_view::npos && (word == 0 || is_apart(word - 1)) && is_apart(word + 4))
      return true;
  }
  return false;
}

}  // namespace

Result<HttpPage> read_page(std::string_view body, std::string_view link, const HttpSource& source) {
  // All of it is checked first: an answer that was cut short must not pass for the last page.
  if (!nlohmann::json::accept(body))
    return fail(Code::kInvalid, fmt::format("the answer is not JSON: it begins with '{}'",
                                            beginning_of(body, kBeginningBytesMax, source)));
  HttpPage page;
  MILLRACE_ASSIGN(auto document, json::parse(body));
  MILLRACE_TRY(read_items(document, source.items, page));
  const HttpPaging& paging = source.paging;
  if (paging.kind == HttpPaging::Kind::kLink && paging.next.empty()) {
    MILLRACE_TRY(read_link(link, page));
  } else if (paging.kind == HttpPaging::Kind::kLink || paging.kind == HttpPaging::Kind::kCursor) {
    MILLRACE_ASSIGN(document, json::parse(body));
    MILLRACE_ASSIGN(page.next, text_at(document, paging.next));
  }
  if (page.next && page.next->empty()) page.next.reset();
  if (paging.more) {
    MILLRACE_ASSIGN(document, json::parse(body));
    MILLRACE_ASSIGN(const auto more, text_at(document, *paging.more));
    page.more = more.value_or("") == "true";
  }
  return page;
}

std::optional<std::string> item_text(std::string_view item, const std::string& pointer) {
  auto document = json::parse(item);
  if (!document || !item.starts_with('{')) return std::nullopt;
  auto text = text_at(*document, pointer);
  return text ? *std::move(text) : std::nullopt;
}

std::optional<std::string> next_link(std::string_view header) {
  for (auto open = header.find('<'); open != std::string_view::npos;) {
    const auto close = header.find('>', open);
    if (close == std::string_view::npos) break;
    const auto after = header.find('<', close);
    if (is_next(header.substr(close + 1, after == std::string_view::npos ? after : after - close - 1)))
      return std::string(header.substr(open + 1, close - open - 1));
    open = after;
  }
  return std::nullopt;
}

std::string beginning_of(std::string_view body, std::size_t bytes_max, const HttpSource& source) {
  std::string text(body.substr(0, kHiddenWithinBytes));
  for (const auto& secret : source.secrets) {
    if (secret.size() < kHiddenBytesMin) continue;
    for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 1))
      text.replace(at, secret.size(), kPutForSecret);
  }
  text.resize(std::min(text.size(), bytes_max));
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, ' ');
  return text;
}

std::string json_pointer(std::string_view path) {
  if (path.empty() || path.starts_with('/')) return std::string(path);
  std::string pointer = "/" + std::string(path);
  std::ranges::replace(pointer, '.', '/');
  return pointer;
}

std::optional<DurationUs> retry_after(std::string_view header, TimeUs now) {
  header = without_blanks(header);
  if (header.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), seconds);
  if (error == std::errc() && end == header.data() + header.size() && seconds >= 0)
    return std::min(seconds, kRetryAfterMax / kSecondUs) * kSecondUs;
  static const auto date = TimeFormat::make("%a, %d %b %Y %H:%M:%S GMT");
  if (!date) return std::nullopt;
  const auto time = date->read(header);
  if (!time) return std::nullopt;
  return std::clamp<DurationUs>(*time - now, 0, kRetryAfterMax);
}

}  // namespace millrace
