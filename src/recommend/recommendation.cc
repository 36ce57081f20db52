#include "recommend/recommendation.h"

#include <array>

#include <fmt/format.h>

namespace millrace {

std::string_view placement_name(Placement placement) {
  constexpr std::array<std::string_view, 4> kNames = {"home", "item", "cart", "checkout"};
  return kNames[static_cast<std::size_t>(placement)];
}

Result<Placement> parse_placement(std::string_view text) {
  if (text.empty()) return Placement::kHome;
  for (const Placement each : {Placement::kHome, Placement::kItem, Placement::kCart, Placement::kCheckout}) {
    if (text == placement_name(each)) return each;
  }
  return fail(Code::kInvalid,
              fmt::format("'{}' is not known; use home, item, cart or checkout", text.substr(0, 32)),
              "placement");
}

}  // namespace millrace
