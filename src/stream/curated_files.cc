#include "stream/curated_files.h"

#include <fmt/format.h>

namespace millrace {

LakePart curated_part(std::string_view table, TimeUs hour) {
  const std::string time = format_time(hour);
  const std::string path =
      fmt::format("dt={}/hour={}", format_date(hour), time.substr(time.find('T') + 1, 2));
  return {std::string(kCuratedZone), std::string(table), path, {std::string(table), PartitionId(0)}};
}

std::optional<TimeUs> hour_of_part(std::string_view path) {
  constexpr std::string_view kDate = "dt=", kHour = "/hour=";
  const auto hour = path.find(kHour);
  if (!path.starts_with(kDate) || hour == std::string_view::npos) return std::nullopt;
  const auto time = parse_time(fmt::format("{}T{}:00:00Z", path.substr(kDate.size(), hour - kDate.size()),
                                           path.substr(hour + kHour.size())));
  return time ? std::optional(*time) : std::nullopt;
}

std::string curated_cut_name(TimeUs time) {
  std::string name = format_time(time);
  std::erase_if(name, [](char c) { return c == '-' || c == ':'; });
  return name;
}

TimeUs floor_to(TimeUs time, DurationUs step) {
  const TimeUs rest = time % step;
  return time - (rest < 0 ? rest + step : rest);
}

}  // namespace millrace
