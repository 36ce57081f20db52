#include "source/http_position.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/decimal.h"
#include "base/hash.h"
#include "base/time.h"
#include "net/http.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using Hashes = std::multiset<std::uint64_t>;

constexpr std::uint64_t kNoteBytesMax = 256ull << 20;
constexpr std::size_t kSameValueMax = 100'000;
constexpr std::size_t kRefusedMax = 10'000;
constexpr std::size_t kPlaceBytesMax = 100;

/// Return whether it is a whole number as JSON writes one, of any size.
bool is_digits(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos && text[0] != '0';
}

/// Compare two values of the field `since`: as numbers or times where both are such, else as texts.
int compare(const std::string& a, const std::string& b) {
  const auto order = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  if (is_digits(a) && is_digits(b)) return order(std::pair(a.size(), a), std::pair(b.size(), b));
  const auto number_a = Decimal::parse(a), number_b = Decimal::parse(b);
  if (number_a && number_b) return order(*number_a, *number_b);
  const auto time_a = parse_time(a), time_b = parse_time(b);
  if (time_a && time_b && *time_a != *time_b) return order(*time_a, *time_b);
  return order(a, b);
}

/// Remove one of `hash`; return whether there was one.
bool take(Hashes& hashes, std::uint64_t hash) {
  const auto found = hashes.find(hash);
  if (found == hashes.end()) return false;
  hashes.erase(found);
  return true;
}

std::uint64_t number_at(const HttpSource& source, const HttpPosition& position) {
  std::uint64_t number = source.paging.first;
  std::from_chars(position.at.data(), position.at.data() + position.at.size(), number);
  return number;
}

bool counts(const HttpPaging& paging) {
  return paging.kind == HttpPaging::Kind::kPage || paging.kind == HttpPaging::Kind::kOffset;
}

std::string shortened(const std::string& text) {
  const std::string whole = text.substr(0, text.find('?'));  // a link's query may hold a secret
  return whole.size() <= kPlaceBytesMax ? whole : whole.substr(0, kPlaceBytesMax) + "…";
}

/// Works out one step.
class Stepper {
 public:
  Stepper(const HttpSource& source, const HttpPosition& position, const HttpPage& page, HttpPass& pass)
      : source_(source), position_(position), page_(page), pass_(pass) {
    step_.after = position;
    step_.after.pending.reset();
    for (const auto item : page.items) hashes_.push_back(hash64(item));
  }

  Result<HttpStep> run() {
    MILLRACE_TRY(check_pass());
    for (std::size_t i = 0; i < page_.items.size(); ++i) take_item(page_.items[i], hashes_[i]);
    if (step_.after.seen_max.size() > kSameValueMax)
      return fail(Code::kOutOfRange,
                  fmt::format("more than {} items have the same value of '{}': let 'since' name a field that "
                              "tells them apart",
                              kSameValueMax, source_.since->field));
    MILLRACE_TRY(go_on());
    step_.after.items += step_.fresh.size() + step_.refused.size();
    step_.after.pages += 1;
    return std::move(step_);
  }

 private:
  void take_item(std::string_view item, std::uint64_t hash);
  void take_since(std::string_view item, std::uint64_t hash, const std::string& value);
  Status check_pass();
  Status go_on();
  Status follow_next();
  void count_on();
  void end_pass(std::string at);
  Hashes all() const { return {hashes_.begin(), hashes_.end()}; }
  std::unexpected<Error> endless(std::string_view why) const;

  const HttpSource& source_;
  const HttpPosition& position_;
  const HttpPage& page_;
  HttpPass& pass_;
  HttpStep step_;
  std::vector<std::uint64_t> hashes_;
};

std::unexpected<Error> Stepper::endless(std::string_view why) const {
  return fail(Code::kOutOfRange, fmt::format("{}: {}; check paging of the source {}", position_.text(source_),
                                             why, source_.name));
}

void Stepper::take_item(std::string_view item, std::uint64_t hash) {
  if (!source_.since) {
    if (!take(step_.after.seen, hash)) step_.fresh.push_back(item);
    return;
  }
  const auto value = item_text(item, source_.since->field);
  if (value) return take_since(item, hash, *value);
  auto& refused = step_.after.refused;
  if (refused.size() < kRefusedMax && refused.insert(hash).second) step_.refused.push_back(item);
}

/// What lies before `since` was taken in an earlier pass, and of what is just there those seen were.
void Stepper::take_since(std::string_view item, std::uint64_t hash, const std::string& value) {
  auto& after = step_.after;
  const int order = after.since.empty() ? 1 : compare(value, after.since);
  if (order < 0) return;
  if (order > 0 || !take(after.seen, hash)) step_.fresh.push_back(item);
  const int order_max = after.since_max.empty() ? 1 : compare(value, after.since_max);
  if (order_max > 0) {
    after.since_max = value;
    after.seen_max.clear();
  }
  if (order_max >= 0) after.seen_max.insert(hash);
}

/// Notice pages that never end.
Status Stepper::check_pass() {
  std::uint64_t items = 0;
  for (const auto hash : hashes_) items = items * 31 + hash;
  const auto before = std::exchange(pass_.items, items);
  if (++pass_.pages > 1 && !hashes_.empty() && items == before)
    return endless(fmt::format(
        "it holds the same items as the page before it{}",
        source_.paging.parameter.empty()
            ? ""
            : fmt::format(", as if the API did not know the parameter '{}'", source_.paging.parameter)));
  if (pass_.pages > source_.limits.pages_max)
    return endless(fmt::format("there are more than {} pages (limits.pages_max)", source_.limits.pages_max));
  return {};
}

Status Stepper::go_on() {
  if (counts(source_.paging)) {
    count_on();
    return {};
  }
  if (source_.paging.kind != HttpPaging::Kind::kNone && page_.next) return follow_next();
  end_pass(position_.at);
  return {};
}

Status Stepper::follow_next() {
  const std::string& next = *page_.next;
  if (next == position_.at) {
    if (!step_.fresh.empty())
      return endless(
          "it has new items, but the next page is said to be this one again: the cursor does not "
          "advance");
    end_pass(next);
    return {};
  }
  // A feed whose newest page is empty goes on behind it, later.
  if (!page_.more.value_or(!page_.items.empty())) {
    end_pass(next);
    return {};
  }
  if (!pass_.places.insert(hash64(next)).second)
    return endless(fmt::format(
        "the next page is said to be '{}', which was read before: the cursor goes round", shortened(next)));
  step_.after.at = next;
  if (!source_.since) step_.after.seen.clear();
  return {};
}

void Stepper::count_on() {
  const bool by_page = source_.paging.kind == HttpPaging::Kind::kPage;
  const auto number = number_at(source_, position_);
  const bool more = page_.more.value_or(true) && !page_.items.empty();
  const auto next = std::to_string(number + (by_page ? 1 : page_.items.size()));
  auto& after = step_.after;
  if (more) {
    after.at = next;
    if (source_.since) return;
    after.seen.clear();
    if (by_page) after.seen_before = all();
    return;
  }
  if (!by_page) return end_pass(next);
  if (source_.since || source_.whole || !page_.items.empty() || number <= source_.paging.first)
    return end_pass(position_.at);
  // The page before may be filled up yet.
  step_.ended = true;
  after.at = std::to_string(number - 1);
  after.seen = std::exchange(after.seen_before, {});
}

/// The next pass begins at `at`, or with `since` at the first page from there on.
void Stepper::end_pass(std::string at) {
  step_.ended = true;
  auto& after = step_.after;
  if (source_.whole || source_.since) at.clear();
  if (source_.since && !after.since_max.empty()) {
    after.since = std::exchange(after.since_max, {});
    after.seen = std::exchange(after.seen_max, {});
  } else if (!source_.since) {
    after.seen = !source_.whole && at == position_.at ? all() : Hashes{};
  }
  after.at = std::move(at);
}

std::string with_parameter(std::string target, const std::string& name, const std::string& value) {
  target += target.contains('?') ? '&' : '?';
  return target.append(url_encode(name)).append("=").append(url_encode(value));
}

Json hashes_json(const auto& hashes) {
  Json list = Json::array();
  for (const auto hash : hashes) list.push_back(hash);
  return list;
}

Json pending_json(const HttpPosition::Pending& pending) {
  Json ends = Json::object();
  for (const auto& [topic, offsets] : pending.log_ends)
    for (const auto& offset : offsets) ends[topic].push_back(offset.value());
  return {{"body", pending.body}, {"link", pending.link}, {"log_ends", std::move(ends)}};
}

HttpPosition::Pending pending_from(const Json& json) {
  HttpPosition::Pending pending{json.at("body").get<std::string>(), json.at("link").get<std::string>(), {}};
  for (const auto& [topic, offsets] : json.at("log_ends").items())
    for (const auto& offset : offsets) pending.log_ends[topic].emplace_back(offset.get<std::uint64_t>());
  return pending;
}

HttpPosition position_from(const Json& json) {
  HttpPosition position;
  position.id = json.at("id").get<std::string>();
  position.items = json.at("items").get<std::uint64_t>();
  position.pages = json.at("pages").get<std::uint64_t>();
  position.at = json.at("at").get<std::string>();
  position.since = json.at("since").get<std::string>();
  position.since_max = json.at("since_max").get<std::string>();
  position.seen = json.at("seen").get<Hashes>();
  position.seen_max = json.at("seen_max").get<Hashes>();
  position.seen_before = json.at("seen_before").get<Hashes>();
  position.refused = json.at("refused").get<std::set<std::uint64_t>>();
  if (const auto page = json.find("page"); page != json.end()) position.pending = pending_from(*page);
  return position;
}

}  // namespace

std::string HttpPosition::text(const HttpSource& source) const {
  std::string text = fmt::format("page {}", pages + 1);
  if (!at.empty()) {
    text += source.paging.kind == HttpPaging::Kind::kLink
                ? fmt::format(", {}", shortened(at))
                : fmt::format(", {}={}", source.paging.parameter, shortened(at));
  }
  if (source.since && !since.empty())
    text += fmt::format(", {}={}", source.since->parameter, shortened(since));
  return text;
}

Result<std::string> target_of(const HttpSource& source, const HttpPosition& position) {
  const HttpPaging& paging = source.paging;
  if (paging.kind == HttpPaging::Kind::kLink && !position.at.empty()) {
    MILLRACE_ASSIGN(const HttpUrl url, source.url.resolve(position.at));
    if (!url.same_origin(source.url))
      return fail(Code::kDenied,
                  fmt::format("the next page is said to be at {}, another host than {}: not asked, since it "
                              "would be sent the credentials",
                              url.without_query(), source.url.address));
    return url.target;
  }
  std::string target = source.url.target;
  if (source.since) {
    const std::string& since = position.since.empty() ? source.since->start : position.since;
    if (!since.empty()) target = with_parameter(std::move(target), source.since->parameter, since);
  }
  if (!paging.size_parameter.empty())
    target = with_parameter(std::move(target), paging.size_parameter, std::to_string(paging.size));
  if (counts(paging))
    return with_parameter(std::move(target), paging.parameter, std::to_string(number_at(source, position)));
  if (!position.at.empty()) target = with_parameter(std::move(target), paging.parameter, position.at);
  return target;
}

Result<HttpStep> next_step(const HttpSource& source, const HttpPosition& position, const HttpPage& page,
                           HttpPass& pass) {
  return Stepper(source, position, page, pass).run();
}

Result<std::optional<HttpPosition>> load_http_position(Env& env, const Path& path) {
  if (!env.exists(path)) return std::nullopt;
  MILLRACE_ASSIGN(const auto text, read_file(env, path, kNoteBytesMax));
  try {
    return position_from(Json::parse(text));
  } catch (const Json::exception& error) {
    return fail(Code::kCorrupt,
                fmt::format("the note of how far an API was read is damaged ({}); remove it to read the API "
                            "from its beginning: records with ids of their own then count once all the same",
                            error.what()),
                path.string());
  }
}

Status save_http_position(Env& env, const Path& path, const HttpPosition& position) {
  Json json = {{"id", position.id},
               {"items", position.items},
               {"pages", position.pages},
               {"at", position.at},
               {"since", position.since},
               {"since_max", position.since_max},
               {"seen", hashes_json(position.seen)},
               {"seen_max", hashes_json(position.seen_max)},
               {"seen_before", hashes_json(position.seen_before)},
               {"refused", hashes_json(position.refused)}};
  if (position.pending) json["page"] = pending_json(*position.pending);
  return write_file_atomically(env, path, json.dump() + "\n", OpenMode::kCreatePrivate);
}

}  // namespace millrace
