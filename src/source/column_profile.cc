#include "source/column_profile.h"

#include <algorithm>
#include <charconv>

#include "base/hash.h"

namespace millrace {
namespace {

constexpr std::size_t kKeptBytesMax = 200;
constexpr std::size_t kWholeFiguresMax = 18;
constexpr TimeUs kPatternMin = -5'364'662'400 * kSecondUs;  // 1800
constexpr TimeUs kEpochMin = 946'684'800 * kSecondUs;       // 2000
constexpr TimeUs kEpochMax = 2'208'988'800 * kSecondUs;     // 2040

bool is_figure(char c) {
  return c >= '0' && c <= '9';
}

/// Whole numbers as JSON has them: what begins with 0 is a code, such as a postal one.
bool is_whole_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || (text[0] == '0' && text.size() > 1)) return false;
  return std::ranges::all_of(text, is_figure);
}

std::optional<double> number_of(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool begins_like_one = !text.empty() && (is_figure(text[0]) || text[0] == '-' || text[0] == '.');
  const bool is_code = text.size() > 1 && text[0] == '0' && is_figure(text[1]);
  if (error != std::errc() || end != text.data() + text.size() || !begins_like_one || is_code)
    return std::nullopt;
  return number;
}

bool is_boolean(std::string_view text) {
  return text == "true" || text == "false" || text == "TRUE" || text == "FALSE" || text == "True" ||
         text == "False";
}

/// What parse_time takes for a date alone or a time, but not a bare number.
bool looks_iso(std::string_view text) {
  return text.size() >= 10 && text[4] == '-' && text[7] == '-' && is_figure(text[0]);
}

/// Return whether what a pattern takes for a short year has two figures: "1.2.3" is a version.
bool ends_in_two_figures(std::string_view date) {
  return date.size() > 2 && is_figure(date.back()) && is_figure(date[date.size() - 2]) &&
         !is_figure(date[date.size() - 3]);
}

/// Lists of objects, and empty ones.
bool is_row_list(std::string_view json) {
  if (!json.starts_with('[')) return false;
  const auto first = json.find_first_not_of(" \t\r\n", 1);
  return first != std::string_view::npos && (json[first] == '{' || json[first] == ']');
}

std::string_view unpadded(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

/// A way to write times.
struct ColumnProfiler::Candidate {
  std::string format;
  bool is_epoch = false;
  TimeFormat reader;

  bool may_be(std::string_view text) const {
    if (is_epoch) return is_whole_number(text);
    if (format == "iso") return looks_iso(text);
    return !format.contains("%y") || ends_in_two_figures(text.substr(0, text.find(' ')));
  }

  bool is_plausible(TimeUs time) const {
    if (is_epoch) return time >= kEpochMin && time <= kEpochMax;
    return format == "iso" || time >= kPatternMin;
  }

  std::optional<TimeUs> read(std::string_view text) const {
    if (!may_be(text)) return std::nullopt;
    const auto time = reader.read(text);
    return time && is_plausible(*time) ? std::optional(*time) : std::nullopt;
  }

  /// All of them, the likeliest first.
  static const std::vector<Candidate>& all() {
    static const std::vector<Candidate> candidates = [] {
      std::vector<Candidate> made;
      for (const char* format : {"iso",
                                 "s",
                                 "ms",
                                 "us",
                                 "%d/%m/%Y %H:%M:%S",
                                 "%d/%m/%Y %H:%M",
                                 "%d/%m/%Y",
                                 "%m/%d/%Y %H:%M:%S",
                                 "%m/%d/%Y %H:%M",
                                 "%m/%d/%Y",
                                 "%m/%d/%Y %I:%M:%S %p",
                                 "%m/%d/%Y %I:%M %p",
                                 "%d.%m.%Y %H:%M:%S",
                                 "%d.%m.%Y %H:%M",
                                 "%d.%m.%Y",
                                 "%d-%m-%Y %H:%M:%S",
                                 "%d-%m-%Y %H:%M",
                                 "%d-%m-%Y",
                                 "%Y/%m/%d %H:%M:%S",
                                 "%Y/%m/%d %H:%M",
                                 "%Y/%m/%d",
                                 "%d/%m/%y %H:%M:%S",
                                 "%d/%m/%y %H:%M",
                                 "%d/%m/%y",
                                 "%m/%d/%y %H:%M:%S",
                                 "%m/%d/%y %H:%M",
                                 "%m/%d/%y",
                                 "%m/%d/%y %I:%M:%S %p",
                                 "%m/%d/%y %I:%M %p",
                                 "%d.%m.%y %H:%M:%S",
                                 "%d.%m.%y %H:%M",
                                 "%d.%m.%y",
                                 "%d-%b-%y",
                                 "%d %b %Y %H:%M:%S",
                                 "%d %b %Y",
                                 "%b %d, %Y",
                                 "%d/%b/%Y:%H:%M:%S %z",
                                 "%a, %d %b %Y %H:%M:%S GMT",
                                 "%a %b %d %H:%M:%S %Y"}) {
        if (auto reader = TimeFormat::make(format))
          made.push_back({format, std::string_view(format).size() <= 2, *std::move(reader)});
      }
      return made;
    }();
    return candidates;
  }
};

std::string_view type_name(ColumnProfile::Type type) {
  switch (type) {
    case ColumnProfile::Type::kEmpty:
      return "empty";
    case ColumnProfile::Type::kBoolean:
      return "boolean";
    case ColumnProfile::Type::kInteger:
      return "integer";
    case ColumnProfile::Type::kNumber:
      return "number";
    case ColumnProfile::Type::kTime:
      return "time";
    case ColumnProfile::Type::kText:
      return "text";
    case ColumnProfile::Type::kJson:
      return "json";
  }
  return "";
}

ColumnProfiler::ColumnProfiler(std::string name, std::uint64_t rows_before, std::size_t distinct_max)
    : distinct_max_(distinct_max) {
  profile_.name = std::move(name);
  profile_.rows = profile_.empty = rows_before;
  for (const auto& candidate : Candidate::all()) times_.push_back(&candidate);
}

void ColumnProfiler::add(const Cell& cell) {
  ++profile_.rows;
  const auto text = unpadded(cell.text);
  if (text.empty() || (cell.is_json && text == "null")) {
    ++profile_.empty;
    return;
  }
  profile_.bytes_max = std::max(profile_.bytes_max, text.size());
  json_ += cell.is_json ? 1 : 0;
  lists_ += cell.is_json && (text[0] == '[' || text[0] == '{') ? 1 : 0;
  row_lists_ += cell.is_json && is_row_list(text) ? 1 : 0;
  booleans_ += is_boolean(text) ? 1 : 0;
  look_at_number(text);
  look_at_time(text);
  count(text);
}

void ColumnProfiler::look_at_number(std::string_view text) {
  const auto number = number_of(text);
  if (!number) return;
  ++numbers_;
  const bool is_whole = is_whole_number(text);
  integers_ += is_whole ? 1 : 0;
  has_long_ = has_long_ || (is_whole && text.size() > kWholeFiguresMax + (text[0] == '-' ? 1 : 0));
  profile_.negative += *number < 0 ? 1 : 0;
  if (numbers_ == 1 || *number < number_min_) {
    number_min_ = *number;
    number_min_text_ = text;
  }
  if (numbers_ == 1 || *number > number_max_) {
    number_max_ = *number;
    number_max_text_ = text;
  }
}

void ColumnProfiler::look_at_time(std::string_view text) {
  if (times_.empty()) return;
  std::optional<TimeUs> first;
  std::erase_if(times_, [&](const Candidate* candidate) {
    const auto time = candidate->read(text);
    if (time && !first) first = time;
    return !time;
  });
  if (!first) return;
  with_zone_ += text.size() > 10 && text.find_first_of("Zz+-", 10) != std::string_view::npos ? 1 : 0;
  if (time_min_text_.empty() || *first < time_min_) {
    time_min_ = *first;
    time_min_text_ = text;
  }
  if (time_max_text_.empty() || *first > time_max_) {
    time_max_ = *first;
    time_max_text_ = text;
  }
}

void ColumnProfiler::count(std::string_view text) {
  if (hashes_.size() < distinct_max_) {
    hashes_.insert(hash64(text));
  } else if (!hashes_.contains(hash64(text))) {
    profile_.has_more = true;
  }
  const auto kept = text.substr(0, kKeptBytesMax);
  if (profile_.min.empty() || kept < profile_.min) profile_.min = kept;
  if (profile_.max.empty() || kept > profile_.max) profile_.max = kept;
  if (!few_) return;
  const auto found = values_.find(text);
  if (found != values_.end()) {
    ++found->second;
  } else if (values_.size() < ColumnProfile::kValuesMax && text.size() <= kKeptBytesMax) {
    values_.emplace(text, 1);
  } else {
    few_ = false;
    values_.clear();
  }
}

ColumnProfile::Type ColumnProfiler::type() const {
  using Type = ColumnProfile::Type;
  const auto given = profile_.rows - profile_.empty;
  if (given == 0) return Type::kEmpty;
  if (lists_ > 0) return Type::kJson;
  if (!times_.empty() && !times_.front()->is_epoch) return Type::kTime;
  if (booleans_ == given) return Type::kBoolean;
  if (integers_ == given) return has_long_ ? Type::kText : Type::kInteger;
  return numbers_ == given ? Type::kNumber : Type::kText;
}

ColumnProfile ColumnProfiler::finish() const {
  ColumnProfile profile = profile_;
  profile.type = type();
  const auto given = profile.rows - profile.empty;
  profile.is_json = given > 0 && json_ == given;
  profile.has_json = json_ > 0;
  profile.is_row_list = given > 0 && row_lists_ == given && profile.bytes_max > 2;
  profile.distinct = hashes_.size();
  if (few_) {
    profile.values.assign(values_.begin(), values_.end());
    std::ranges::stable_sort(profile.values, std::greater<>(),
                             &std::pair<std::string, std::uint64_t>::second);
  }
  if (profile.is_number()) {
    profile.min = number_min_text_;
    profile.max = number_max_text_;
  }
  if (times_.empty() || given == 0) return profile;
  profile.time_format = times_.front()->format;
  const auto& format = profile.time_format;
  profile.names_zone =
      format == "iso" ? with_zone_ == given : format.contains("%z") || format.ends_with("GMT");
  const auto is_other = [&](const Candidate* other) {
    return profile.time_format.starts_with("%d") && other->format.starts_with("%m");
  };
  profile.is_ambiguous = std::ranges::any_of(times_, is_other);
  if (profile.type == ColumnProfile::Type::kTime) {
    profile.min = time_min_text_;
    profile.max = time_max_text_;
  }
  return profile;
}

}  // namespace millrace
