#include "source/http_position.h"

#include <algorithm>
#include <array>
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
constexpr std::size_t kTakenMax = 100'000;
constexpr std::size_t kRefusedMax = 10'000;
constexpr std::size_t kPlaceBytesMax = 100;
constexpr std::array<std::string_view, 4> kSinceKinds = {"", "number", "time", "text"};  // by SinceKind

/// Return whether it is a whole number as JSON writes one, of any size.
bool is_digits(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos && text[0] != '0';
}

bool is_since_number(const std::string& text) {
  return is_digits(text) || Decimal::parse(text).has_value();
}

SinceKind since_kind_of(const std::string& value) {
  return is_since_number(value) ? SinceKind::kNumber
         : parse_time(value)    ? SinceKind::kTime
                                : SinceKind::kText;
}

bool is_of_kind(SinceKind kind, const std::string& value) {
  if (kind == SinceKind::kNumber) return is_since_number(value);
  return !value.empty() && (kind != SinceKind::kTime || parse_time(value).has_value());
}

TimeUs time_of(const std::string& value) {
  return parse_time(value).value_or(kTimeMin);
}

/// Return whether one value of the field `since` is less than another of its kind.
bool is_less(SinceKind kind, const std::string& a, const std::string& b) {
  if (kind == SinceKind::kTime) return time_of(a) < time_of(b);
  if (kind == SinceKind::kText) return a < b;
  if (is_digits(a) && is_digits(b)) return std::pair(a.size(), a) < std::pair(b.size(), b);
  const auto number_a = Decimal::parse(a), number_b = Decimal::parse(b);
  return number_a && (!number_b || *number_a < *number_b);  // one that is none here has too many digits
}

/// Return a time written as `time` is, but earlier; a date alone as it is.
std::string earlier_time(const std::string& time, DurationUs by) {
  const bool has_seconds = time.size() >= 19 && time[16] == ':';
  const std::size_t size = has_seconds ? 19 : 16;
  const DurationUs unit = has_seconds ? kSecondUs : kMinuteUs;
  if (by == 0 || time.size() < size || !std::string_view("Tt ").contains(time[10])) return time;
  const auto local = parse_time(time.substr(0, size));
  if (!local || *local - kTimeMin < by + unit) return time;
  auto text = format_time(*local - (by + unit - 1) / unit * unit).substr(0, size);
  text[10] = time[10];
  return text + time.substr(size);
}

/// Remove one of `hash`; return whether there was one.
template <class Key>
bool take(std::multiset<Key>& set, const Key& key) {
  const auto found = set.find(key);
  if (found == set.end()) return false;
  set.erase(found);
  return true;
}

/// Return what is asked for behind `since`.
std::string asked_since(const HttpSource& source, const HttpPosition& position) {
  if (position.since.empty()) return source.since->start;
  if (position.since_kind != SinceKind::kTime) return position.since;
  return earlier_time(position.since, source.since->overlap);
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
  Stepper(const HttpSource& source, const HttpPosition& position, const HttpPage& page, HttpPass& pass,
          TimeUs now)
      : source_(source), position_(position), page_(page), pass_(pass), now_(now) {
    step_.after = position;
    step_.after.pending.reset();
    for (const auto item : page.items) hashes_.push_back(hash64(item));
  }

  Result<HttpStep> run();

 private:
  Status take_items();
  Status check_taken() const;
  Status refuse(std::string_view item, std::uint64_t hash);
  void take_since(std::string_view item, std::uint64_t hash, const std::string& value);
  void learn_kind(const std::vector<std::optional<std::string>>& values);
  TimeUs taken_from(const std::string& since) const;
  Status check_pass();
  Status go_on();
  Status follow_next();
  void count_on();
  void end_pass(std::string at);
  void end_since();
  Hashes all() const { return {hashes_.begin(), hashes_.end()}; }
  std::unexpected<Error> endless(std::string_view why) const;

  const HttpSource& source_;
  const HttpPosition& position_;
  const HttpPage& page_;
  HttpPass& pass_;
  const TimeUs now_;
  HttpStep step_;
  std::vector<std::uint64_t> hashes_;
  Hashes before_;        ///< of the page before, where pages may shift
  TimeUs from_ = 0;      ///< of `since` for times: what lies before was taken in an earlier pass
  TimeUs from_max_ = 0;  ///< likewise of `since_max`
};

Result<HttpStep> Stepper::run() {
  MILLRACE_TRY(check_pass());
  MILLRACE_TRY(take_items());
  MILLRACE_TRY(go_on());
  MILLRACE_TRY(check_taken());
  step_.after.items += step_.fresh.size() + step_.refused.size();
  step_.after.pages += 1;
  // A feed that goes on and on makes a pause where a list without an end is given up.
  pass_.is_fruitful |= !step_.fresh.empty();
  if (pass_.pages >= source_.limits.pages_max && pass_.is_fruitful) step_.ended = true;
  return std::move(step_);
}

std::unexpected<Error> Stepper::endless(std::string_view why) const {
  return fail(Code::kOutOfRange, fmt::format("{}: {}; check paging of the source {}", position_.text(source_),
                                             why, source_.name));
}

Status Stepper::take_items() {
  if (!source_.since) {
    for (std::size_t i = 0; i < hashes_.size(); ++i)
      if (!take(step_.after.seen, hashes_[i])) step_.fresh.push_back(page_.items[i]);
    return {};
  }
  std::vector<std::optional<std::string>> values;
  for (const auto item : page_.items) values.push_back(item_text(item, source_.since->field));
  auto& after = step_.after;
  if (after.since_kind == SinceKind::kUnknown) learn_kind(values);
  if (counts(source_.paging)) before_ = after.seen_before;
  from_ = taken_from(after.since);
  from_max_ = after.since_max.empty() ? from_ : taken_from(after.since_max);
  for (std::size_t i = 0; i < hashes_.size(); ++i) {
    if (!values[i] || !is_of_kind(after.since_kind, *values[i])) {
      MILLRACE_TRY(refuse(page_.items[i], hashes_[i]));
    } else if (!take(before_, hashes_[i])) {
      take_since(page_.items[i], hashes_[i], *values[i]);
    }
  }
  return {};
}

Status Stepper::check_taken() const {
  if (std::max(step_.after.taken.size(), step_.after.taken_max.size()) <= kTakenMax) return {};
  return fail(Code::kOutOfRange,
              fmt::format("more than {} items have the same value of '{}', or for times values within "
                          "since.overlap: let 'since' name a field that tells them apart, or lower overlap",
                          kTakenMax, source_.since->field));
}

Status Stepper::refuse(std::string_view item, std::uint64_t hash) {
  auto& refused = step_.after.refused;
  if (refused.contains(hash)) return {};
  if (refused.size() == kRefusedMax)
    return fail(Code::kOutOfRange,
                fmt::format("more than {} items have no '{}', or none of the kind that the others have: "
                            "let 'since' name a field that all items have",
                            kRefusedMax, source_.since->field));
  refused.insert(hash);
  step_.refused.push_back(item);
  return {};
}

/// The kind of the first values is that of most: a single odd one must not decide for all.
void Stepper::learn_kind(const std::vector<std::optional<std::string>>& values) {
  std::array<std::size_t, kSinceKinds.size()> values_of{};
  for (const auto& value : values)
    if (value && !value->empty()) ++values_of.at(static_cast<std::size_t>(since_kind_of(*value)));
  const auto most = std::ranges::max_element(values_of);
  if (*most > 0) step_.after.since_kind = static_cast<SinceKind>(most - values_of.begin());
}

/// Return the time from which on items may be missing yet once all up to `since` is taken.
TimeUs Stepper::taken_from(const std::string& since) const {
  if (since.empty() || step_.after.since_kind != SinceKind::kTime) return kTimeMin;
  return time_of(earlier_time(since, source_.since->overlap));
}

/// What lies before `since` was taken in an earlier pass, and of what is just there or, for times, within the
/// overlap, those remembered were.
void Stepper::take_since(std::string_view item, std::uint64_t hash, const std::string& value) {
  auto& after = step_.after;
  const auto kind = after.since_kind;
  const bool is_time = kind == SinceKind::kTime;
  const std::pair key(is_time ? time_of(value) : TimeUs{0}, hash);
  if (is_time ? key.first < from_ : !after.since.empty() && is_less(kind, value, after.since)) return;
  if (!take(after.taken, key)) step_.fresh.push_back(item);
  const std::string& top = after.since_max.empty() ? after.since : after.since_max;
  const bool is_above = top.empty() || is_less(kind, top, value);
  const bool is_far = is_time && key.first > now_ + kDayUs;
  bool comes_again = is_time ? key.first >= from_max_ : !is_less(kind, value, top);
  if (is_above && !is_far) {
    after.since_max = value;
    from_max_ = taken_from(value);
    auto& taken = after.taken_max;
    taken.erase(taken.begin(), is_time ? taken.lower_bound({from_max_, 0}) : taken.end());
    comes_again = true;
  }
  if (comes_again) after.taken_max.insert(key);
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
  step_.after.seen.clear();
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
    after.seen.clear();
    if (by_page || source_.since) after.seen_before = all();
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
  const bool from_first = source_.whole || source_.since;
  if (from_first) {
    at.clear();
    after.seen_before.clear();
  }
  after.seen = !from_first && at == position_.at ? all() : Hashes{};
  after.at = std::move(at);
  if (source_.since) end_since();
}

void Stepper::end_since() {
  auto& after = step_.after;
  const bool is_time = after.since_kind == SinceKind::kTime;
  // What did not come again, as from a copy of the API's data that lags behind, may yet.
  if (is_time || after.since_max.empty()) after.taken_max.merge(after.taken);
  if (!after.since_max.empty()) after.since = std::exchange(after.since_max, {});
  after.taken = std::exchange(after.taken_max, {});
  if (is_time) after.taken.erase(after.taken.begin(), after.taken.lower_bound({taken_from(after.since), 0}));
}

std::string with_parameter(std::string target, const std::string& name, const std::string& value) {
  target += target.contains('?') ? '&' : '?';
  return target.append(url_encode(name)).append("=").append(url_encode(value));
}

Json hashes_json(const auto& hashes) {
  Json list = Json::array();
  for (const auto& hash : hashes) list.emplace_back(hash);
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

SinceKind since_kind_from(const Json& json) {
  const auto found = std::ranges::find(kSinceKinds, json.get<std::string>());
  return static_cast<SinceKind>(found == kSinceKinds.end() ? 0 : found - kSinceKinds.begin());
}

HttpPosition position_from(const Json& json) {
  HttpPosition position;
  position.id = json.at("id").get<std::string>();
  position.items = json.at("items").get<std::uint64_t>();
  position.pages = json.at("pages").get<std::uint64_t>();
  position.at = json.at("at").get<std::string>();
  position.since = json.at("since").get<std::string>();
  position.since_max = json.at("since_max").get<std::string>();
  position.since_kind = since_kind_from(json.at("since_kind"));
  position.taken = json.at("taken").get<HttpTaken>();
  position.taken_max = json.at("taken_max").get<HttpTaken>();
  position.seen = json.at("seen").get<Hashes>();
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
    const std::string since = asked_since(source, position);
    if (!since.empty()) target = with_parameter(std::move(target), source.since->parameter, since);
  }
  if (!paging.size_parameter.empty())
    target = with_parameter(std::move(target), paging.size_parameter, std::to_string(paging.size));
  if (counts(paging))
    return with_parameter(std::move(target), paging.parameter, std::to_string(number_at(source, position)));
  if (!position.at.empty()) target = with_parameter(std::move(target), paging.parameter, position.at);
  return target;
}

bool is_behind_last_page(const HttpSource& source, const HttpPosition& position, int status) {
  const HttpPaging& paging = source.paging;
  if (paging.kind != HttpPaging::Kind::kPage || number_at(source, position) <= paging.first) return false;
  // Of a page that was there before, it is a failure.
  if (!position.seen.empty() || position.seen_before.empty()) return false;
  return status == 404 || (status == 400 && position.seen_before.size() < paging.size);
}

Result<HttpStep> next_step(const HttpSource& source, const HttpPosition& position, const HttpPage& page,
                           HttpPass& pass, TimeUs now) {
  return Stepper(source, position, page, pass, now).run();
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
               {"since_kind", kSinceKinds.at(static_cast<std::size_t>(position.since_kind))},
               {"taken", hashes_json(position.taken)},
               {"taken_max", hashes_json(position.taken_max)},
               {"seen", hashes_json(position.seen)},
               {"seen_before", hashes_json(position.seen_before)},
               {"refused", hashes_json(position.refused)}};
  if (position.pending) json["page"] = pending_json(*position.pending);
  const auto text = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return write_file_atomically(env, path, text, OpenMode::kCreatePrivate);
}

}  // namespace millrace
