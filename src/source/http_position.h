#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/time.h"
#include "log/event_log.h"
#include "source/http_page.h"
#include "source/http_source.h"

namespace millrace {

/// What the values of the field `since` are, and so how two of them compare.
enum class SinceKind : std::uint8_t { kUnknown, kNumber, kTime, kText };

/// Items that were taken and may come again: the time of each by the field `since`, or 0 where its values are
/// no times, and its hash.
using HttpTaken = std::multiset<std::pair<TimeUs, std::uint64_t>>;

/// How far an API was read. Bytes: docs/formats/follow.md.
struct HttpPosition {
  /// An answer whose items are not all known to be in the log.
  struct Pending {
    std::string body;
    std::string link;                                     ///< of its header Link what leads to the next
    std::map<std::string, std::vector<Offset>> log_ends;  ///< of the topics, before what comes of it
  };

  std::string id;           ///< of this reading, for message ids
  std::uint64_t items = 0;  ///< taken so far
  std::uint64_t pages = 0;  ///< read so far
  std::string at;           ///< cursor, link, page number or offset of the page to read; empty: the first
  std::string since;        ///< value of the field `since` up to which all is taken; empty: none
  std::string since_max;    ///< the largest value in this pass over the pages; empty: none above `since`
  SinceKind since_kind = SinceKind::kUnknown;
  HttpTaken taken;      ///< items with a value from `since` on, for times from `overlap` before it on
  HttpTaken taken_max;  ///< of this pass: likewise of `since_max`
  std::multiset<std::uint64_t> seen;  ///< without `since`: hashes of the items of the page `at`
  std::multiset<std::uint64_t>
      seen_before;                  ///< of the page before, where pages or, with `since`, items count
  std::set<std::uint64_t> refused;  ///< items without the field `since` that are in the quarantine
  std::optional<Pending> pending;

  /// For people: "first page", "cursor=abc".
  std::string text(const HttpSource& source) const;
};

/// What is remembered of one pass over the pages, to notice one that would never end.
struct HttpPass {
  std::unordered_set<std::uint64_t> places;  ///< hashes of cursors and links that were asked for
  std::uint64_t items = 0;                   ///< hash of the items of the page before; 0: none
  std::uint64_t pages = 0;
  bool is_fruitful = false;  ///< some page had an item that was new
};

/// What one page brings.
struct HttpStep {
  std::vector<std::string_view> fresh;    ///< items that were not taken before
  std::vector<std::string_view> refused;  ///< items that lack the field `since`, and were not refused before
  HttpPosition after;
  bool ended = false;  ///< there are no more pages by now, or as many were read as one pass may
};

/// Return the target of the request for the page at a position. Errors: kDenied for a link that leads to
/// another host; kInvalid for one that is none.
Result<std::string> target_of(const HttpSource& source, const HttpPosition& position);

/// Return whether an answer of that status means that there is no such page yet: APIs that count pages say so
/// behind the last with 404, or with 400, which is believed behind a page that was not full.
bool is_behind_last_page(const HttpSource& source, const HttpPosition& position, int status);

/// Say what a page brings and where to go on. A pure function but for `pass`, of which the caller keeps one
/// for each pass. Times of the field `since` beyond a day after `now` do not move it. Errors: kOutOfRange
/// when the pages would never end, and when too many items have no or the same value of the field `since`.
Result<HttpStep> next_step(const HttpSource& source, const HttpPosition& position, const HttpPage& page,
                           HttpPass& pass, TimeUs now);

/// Read the note at `path`, or nothing when there is none. Errors: kCorrupt, and those of `read_file`.
Result<std::optional<HttpPosition>> load_http_position(Env& env, const Path& path);

/// Replace the note. Errors: those of `write_file_atomically`.
Status save_http_position(Env& env, const Path& path, const HttpPosition& position);

}  // namespace millrace
