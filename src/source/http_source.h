#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event/codec.h"
#include "net/http.h"
#include "net/http_url.h"
#include "source/mapping.h"

namespace millrace {

/// How the pages of an API follow one another.
struct HttpPaging {
  enum class Kind : std::uint8_t {
    kNone,    ///< one answer has all
    kCursor,  ///< an answer says what `parameter` has to be for the next
    kLink,    ///< an answer has the URL of the next
    kPage,    ///< `parameter` counts pages
    kOffset,  ///< `parameter` counts items
  };
  Kind kind = Kind::kNone;
  std::string next;         ///< of kCursor and kLink: JSON pointer to it; of kLink "": in the header Link
  std::string parameter;    ///< of the query
  std::uint64_t first = 0;  ///< of kPage and kOffset: what the first page is called
  std::optional<std::string> more;  ///< JSON pointer to a boolean that says whether there are more pages
  std::string size_parameter;       ///< of the query; empty: none is sent …
  std::uint64_t size = 0;           ///< … with how many items a page shall have
};

/// Where a later reading goes on: at the largest value of a field that was seen.
struct HttpSince {
  std::string field;               ///< JSON pointer, within an item
  std::string parameter;           ///< of the query
  std::string start;               ///< what is sent at first; empty: nothing
  DurationUs overlap = kMinuteUs;  ///< for times: how far before that, for what appears late
};

struct HttpLimits {
  std::uint64_t page_bytes = 16 << 20;  ///< of one answer
  double requests_per_second = 5;       ///< 0: no limit
  DurationUs timeout = 30 * kSecondUs;  ///< from a request to the end of its answer
  std::uint64_t pages_max = 100'000;    ///< read in one go; without anything new: an endless list
};

/// A paged JSON API to read from: an entry of `sources` in millrace.yaml with `kind: http`
/// (docs/configuration.md).
struct HttpSource {
  std::string name;
  HttpUrl url;      ///< with the parameters of the query that every first page has; may hold secrets
  Headers headers;  ///< sent with each request; secret
  std::vector<std::string> secrets;  ///< what must not be printed
  std::string ca_file;               ///< of https: PEM; empty: the system's authorities
  std::string items;                 ///< JSON pointer to the array of items
  HttpPaging paging;
  std::optional<HttpSince> since;
  bool whole = false;  ///< read the list from its beginning each time
  DurationUs every = kMinuteUs;
  DurationUs outage_after = 5 * kMinuteUs;
  std::string source;              ///< of what the items become
  std::optional<CodecId> codec;    ///< what the items are, else …
  std::optional<Mapping> mapping;  ///< … rows, by this
  HttpLimits limits;
};

}  // namespace millrace
