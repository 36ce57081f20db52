#include "event/device.h"

#include <algorithm>
#include <array>

namespace millrace {
namespace {

template <std::size_t n>
bool has_any(std::string_view text, const std::array<std::string_view, n>& marks) {
  return std::any_of(marks.begin(), marks.end(),
                     [&](std::string_view mark) { return text.find(mark) != std::string_view::npos; });
}

}  // namespace

std::string_view device_type_of(std::string_view user_agent) {
  constexpr std::array<std::string_view, 4> kBot = {"bot", "Bot", "crawler", "spider"};
  constexpr std::array<std::string_view, 3> kTablet = {"iPad", "Tablet", "Kindle"};
  constexpr std::array<std::string_view, 2> kMobile = {"Mobi", "iPhone"};
  constexpr std::array<std::string_view, 4> kDesktop = {"Windows NT", "Macintosh", "X11;", "CrOS"};
  if (user_agent.empty()) return "";
  if (has_any(user_agent, kBot)) return "bot";
  if (has_any(user_agent, kTablet)) return "tablet";
  if (has_any(user_agent, kMobile)) return "mobile";
  // Android's browsers say "Mobile" on telephones and leave it out on tablets.
  if (user_agent.find("Android") != std::string_view::npos) return "tablet";
  return has_any(user_agent, kDesktop) ? "desktop" : "";
}

}  // namespace millrace
