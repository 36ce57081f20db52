#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "source/http_source.h"

namespace millrace {

/// What an answer of a paged API says.
struct HttpPage {
  std::vector<std::string_view> items;  ///< JSON texts; 64 readable bytes follow each
  std::optional<std::string> next;      ///< cursor or link of the next page; none or "" when this is the last
  std::optional<bool> more;             ///< whether there are more, where the API says so
};

/// Read an answer's body, which must have 64 readable bytes after its end and outlive the page. `link` is its
/// header Link. Errors: kInvalid when it is not JSON, has no array of items where one should be, or too many
/// of them, or a link that is not UTF-8.
Result<HttpPage> read_page(std::string_view body, std::string_view link, const HttpSource& source);

/// Return the text of the value at `pointer` in an item, a string's or a number's; none when there is none.
/// `item` must have 64 readable bytes after its end.
std::optional<std::string> item_text(std::string_view item, const std::string& pointer);

/// Return where `rel="next"` of a header Link (RFC 8288) leads.
std::optional<std::string> next_link(std::string_view header);

/// Return the beginning of what an API says, on one line, as ASCII, without the secrets of the source.
std::string beginning_of(std::string_view body, std::size_t bytes_max, const HttpSource& source);

/// Return "data.items" or "/data/items" as a JSON pointer (RFC 6901); "" is the whole answer.
std::string json_pointer(std::string_view path);

/// Return how long a header Retry-After (RFC 9110) asks to wait, from `now` on: seconds, or a date.
std::optional<DurationUs> retry_after(std::string_view header, TimeUs now);

}  // namespace millrace
