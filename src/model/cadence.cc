#include "model/cadence.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

constexpr DurationUs kYearUs = 365 * kDayUs + 6 * kHourUs;

struct CadenceWord {
  std::string_view word;
  DurationUs every;
};
constexpr std::array kCadenceWords = {CadenceWord{"never", 0},
                                      CadenceWord{"hourly", kHourUs},
                                      CadenceWord{"daily", kDayUs},
                                      CadenceWord{"weekly", 7 * kDayUs},
                                      CadenceWord{"monthly", kYearUs / 12},
                                      CadenceWord{"quarterly", kYearUs / 4}};

Result<Cadence> cadence_of(std::string_view name) {
  const auto known = std::ranges::find(kCadenceWords, name, &CadenceWord::word);
  if (known != kCadenceWords.end()) return Cadence{std::string(name), known->every};
  const auto every = parse_duration(name);
  if (!every || *every <= 0)
    return fail(Code::kInvalid, fmt::format("'{}' is no cadence: give never, quarterly, monthly, weekly, "
                                            "daily, hourly, or a duration such as 3d or 12h",
                                            name.substr(0, kShownBytesMax)));
  return Cadence{std::string(name), *every};
}

}  // namespace

Result<std::vector<Cadence>> parse_cadences(std::string_view text) {
  std::vector<Cadence> cadences;
  for (std::size_t at = 0; at <= text.size();) {
    const std::string_view one = text.substr(at, text.find(',', at) - at);
    MILLRACE_ASSIGN(cadences.emplace_back(), cadence_of(one));
    at += one.size() + 1;
  }
  const auto length = [](const Cadence& cadence) {
    return cadence.every == 0 ? std::numeric_limits<DurationUs>::max() : cadence.every;
  };
  std::ranges::stable_sort(cadences, {}, length);
  for (std::size_t c = 1; c < cadences.size(); ++c)
    if (cadences[c].every == cadences[c - 1].every)
      return fail(Code::kInvalid,
                  fmt::format("{} and {} are the same cadence", cadences[c - 1].name, cadences[c].name));
  if (cadences.size() < 2)
    return fail(Code::kInvalid, "give at least two cadences to compare, such as never,monthly,weekly");
  return cadences;
}

std::string in_words(DurationUs length) {
  const auto shown = [&](DurationUs unit, std::string_view name) {
    const std::string number = fmt::format("{:.4g}", static_cast<double>(length) / static_cast<double>(unit));
    return fmt::format("{} {}{}", number, name, number == "1" ? "" : "s");
  };
  if (length >= 2 * kDayUs) return shown(kDayUs, "day");
  if (length >= kHourUs) return shown(kHourUs, "hour");
  if (length >= kMinuteUs) return shown(kMinuteUs, "minute");
  return shown(kSecondUs, "second");
}

}  // namespace millrace
