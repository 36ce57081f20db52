#include "base/time_zone.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr std::uint64_t kZoneBytesMax = 1 << 20;
constexpr std::size_t kHeaderBytes = 44;

/// The counts of a TZif header, in the order of the file.
struct Counts {
  std::uint32_t utc_flags, standard_flags, leaps, transitions, types, letters;

  std::size_t data_bytes(std::size_t time_bytes) const {
    return transitions * (time_bytes + 1) + types * 6u + letters + leaps * (time_bytes + 4) + standard_flags +
           utc_flags;
  }
};

template <class Integer>
Integer big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return static_cast<Integer>(value);
}

std::optional<Counts> read_header(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || !bytes.starts_with("TZif") || bytes[4] < '2') return std::nullopt;
  const auto count = [&](std::size_t i) { return big_endian<std::uint32_t>(bytes.substr(20 + 4 * i)); };
  const Counts counts{count(0), count(1), count(2), count(3), count(4), count(5)};
  const bool sane = counts.types >= 1 && counts.types <= 256 && counts.transitions < 100'000 &&
                    counts.letters < 10'000 && counts.leaps < 10'000 && counts.standard_flags < 1'000 &&
                    counts.utc_flags < 1'000;
  return sane ? std::optional(counts) : std::nullopt;
}

bool is_zone_name(std::string_view name) {
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("_-+/").contains(c);
  };
  return !name.empty() && name[0] != '/' && std::ranges::all_of(name, fits);
}

std::int64_t floor_seconds(TimeUs time) {
  return time / kSecondUs - (time % kSecondUs < 0 ? 1 : 0);
}

}  // namespace

/// Reads "GMT0BST,M3.5.0/1,M10.5.0". Only the M form of a date is used by the zones of our time.
class TimeZone::ForeverReader {
 public:
  explicit ForeverReader(std::string_view text) : rest_(text) {}

  std::optional<Forever> read() {
    Forever forever;
    if (!skip_name() || !clock(forever.standard_s)) return std::nullopt;
    forever.standard_s = -forever.standard_s;  // POSIX counts westwards
    if (rest_.empty()) return forever;
    forever.summer_s = forever.standard_s + 3600;
    if (!skip_name()) return std::nullopt;
    if (!rest_.starts_with(',')) {
      if (!clock(forever.summer_s)) return std::nullopt;
      forever.summer_s = -forever.summer_s;
    }
    YearlyChange to_summer;
    if (!change(to_summer) || !change(forever.to_standard) || !rest_.empty()) return std::nullopt;
    forever.to_summer = to_summer;
    return forever;
  }

 private:
  bool skip(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool skip_name() {
    const bool angled = rest_.starts_with('<');
    const auto end = angled ? rest_.find('>') : rest_.find_first_of("0123456789+-,");
    if (angled && end == std::string_view::npos) return false;
    const auto size = std::min(rest_.size(), angled ? end + 1 : end);
    rest_.remove_prefix(size);
    return size >= 3;
  }

  bool number(int& into) {
    const auto [end, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), into);
    if (problem != std::errc()) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return true;
  }

  /// Read `[+-]h[:mm[:ss]]` as seconds.
  bool clock(std::int64_t& into) {
    const std::int64_t sign = rest_.starts_with('-') ? -1 : 1;
    if (!skip('-')) skip('+');
    int hours = 0, minutes = 0, seconds = 0;
    if (!number(hours)) return false;
    if (skip(':') && !number(minutes)) return false;
    if (skip(':') && !number(seconds)) return false;
    into = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
  }

  /// Read `,Mmonth.week.weekday[/clock]`.
  bool change(YearlyChange& into) {
    const bool date = skip(',') && skip('M') && number(into.month) && skip('.') && number(into.week) &&
                      skip('.') && number(into.weekday);
    const bool sane = date && into.month >= 1 && into.month <= 12 && into.week >= 1 && into.week <= 5 &&
                      into.weekday >= 0 && into.weekday <= 6;
    return sane && (!skip('/') || clock(into.second));
  }

  std::string_view rest_;
};

Result<TimeZone> TimeZone::load(Env& env, std::string_view name, const Path& directory) {
  const auto unknown = [&] {
    return fail(Code::kNotFound,
                fmt::format("no time zone '{}' in {}; write a name such as Europe/London, and "
                            "install the package tzdata if the directory is empty",
                            name.substr(0, 64), directory.string()));
  };
  if (!is_zone_name(name)) return unknown();
  const auto file = read_file(env, directory / name, kZoneBytesMax);
  if (!file) return unknown();
  auto zone = parse(*file);
  if (zone) return *std::move(zone);
  return fail(Code::kCorrupt,
              fmt::format("{} is not a zone file of version 2 or later", (directory / name).string()));
}

std::optional<TimeZone> TimeZone::parse(std::string_view file) {
  const auto old_form = read_header(file);  // 32-bit times, repeated below in 64 bits
  if (!old_form || file.size() < kHeaderBytes + old_form->data_bytes(4)) return std::nullopt;
  file.remove_prefix(kHeaderBytes + old_form->data_bytes(4));
  const auto counts = read_header(file);
  if (!counts || file.size() < kHeaderBytes + counts->data_bytes(8)) return std::nullopt;
  const auto times = file.substr(kHeaderBytes);
  const auto types = times.substr(counts->transitions * 8);
  const auto kinds = types.substr(counts->transitions);

  TimeZone zone;
  const auto offset_of = [&](std::size_t type) { return big_endian<std::int32_t>(kinds.substr(type * 6)); };
  zone.offsets_s_.push_back(offset_of(0));
  for (std::size_t i = 0; i < counts->transitions; ++i) {
    const auto type = static_cast<unsigned char>(types[i]);
    if (type >= counts->types) return std::nullopt;
    zone.transitions_s_.push_back(big_endian<std::int64_t>(times.substr(i * 8)));
    zone.offsets_s_.push_back(offset_of(type));
  }
  auto footer = file.substr(kHeaderBytes + counts->data_bytes(8));
  if (!footer.starts_with('\n') || !footer.ends_with('\n') || footer.size() < 2) return std::nullopt;
  zone.forever_.standard_s = zone.offsets_s_.back();
  if (footer.size() > 2) {
    const auto forever = ForeverReader(footer.substr(1, footer.size() - 2)).read();
    if (forever) zone.forever_ = *forever;
  }
  return zone;
}

/// Return when the clocks of `year` change, in seconds of the clock that holds before it.
std::int64_t TimeZone::change_time_s(const YearlyChange& change, int year) {
  namespace ch = std::chrono;
  const auto month = ch::year(year) / ch::month(static_cast<unsigned>(change.month));
  const ch::weekday weekday(static_cast<unsigned>(change.weekday));
  const ch::sys_days day = change.week == 5
                               ? ch::sys_days(month / weekday[ch::last])
                               : ch::sys_days(month / weekday[static_cast<unsigned>(change.week)]);
  return day.time_since_epoch().count() * 86'400ll + change.second;
}

std::int64_t TimeZone::forever_offset_s(std::int64_t time_s) const {
  namespace ch = std::chrono;
  if (!forever_.to_summer) return forever_.standard_s;
  const auto day = ch::floor<ch::days>(ch::sys_seconds(ch::seconds(time_s + forever_.standard_s)));
  const int year = static_cast<int>(ch::year_month_day(day).year());
  const auto summer = change_time_s(*forever_.to_summer, year) - forever_.standard_s;
  const auto standard = change_time_s(forever_.to_standard, year) - forever_.summer_s;
  // South of the equator summer spans the turn of the year.
  const bool is_summer =
      summer < standard ? time_s >= summer && time_s < standard : time_s >= summer || time_s < standard;
  return is_summer ? forever_.summer_s : forever_.standard_s;
}

DurationUs TimeZone::offset_at(TimeUs time) const {
  const auto time_s = floor_seconds(time);
  const auto next = std::ranges::upper_bound(transitions_s_, time_s);
  if (next == transitions_s_.end()) return forever_offset_s(time_s) * kSecondUs;
  return offsets_s_[static_cast<std::size_t>(next - transitions_s_.begin())] * kSecondUs;
}

TimeUs TimeZone::to_utc(TimeUs local) const {
  const auto before = offset_at(local - kDayUs);
  const auto after = offset_at(local + kDayUs);
  const bool still_before = offset_at(local - before) == before;
  if (still_before || before == after) return local - before;
  return offset_at(local - after) == after ? local - after : local - before;
}

}  // namespace millrace
