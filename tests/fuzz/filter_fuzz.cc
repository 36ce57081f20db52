// Any bytes as a filter and, behind a first line break, as the attributes of an item: the filter is refused
// with a message that names a place, or it decides about any item; as it prints and clause by clause it
// decides the same. The attributes stay within the bytes they are given.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "recommend/catalogue_json.h"
#include "recommend/item_filter_report.h"

namespace {

using namespace millrace;

constexpr std::size_t kAttributeBytesMax = 512;
constexpr TimeUs kNow = 1'800'000'000 * kSecondUs;

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<ItemFacts> some_items(std::string_view attributes) {
  std::vector<ItemFacts> items(4);
  items[1] = {.id = "rake", .name = "Copper Rake", .category = "Garden/Tools/Rakes", .currency = "EUR"};
  items[1].countries = {"CH", "DE"};
  items[1].price = Decimal::from_integer(49);
  items[1].published_us = kNow - kDayUs;
  require(
      read_item_attributes(
          R"({"stock":4,"brand":"Acme","tags":["a","b|c",3],"organic":true,"rating":"4.5","released":"2026-01-01"})",
          items[1])
          .has_value());
  items[2] = {.id = "", .category = "/", .available = false, .hidden = true};
  items[2].published_us = INT64_MIN;
  items[2].expires_us = INT64_MAX;
  static_cast<void>(read_item_attributes(attributes, items[3]));
  static_cast<void>(items[3].attributes.keep(kAttributeBytesMax));
  require(items[3].attributes.bytes() <= kAttributeBytesMax);
  for (const std::string_view name : items[3].attributes.names())
    require(items[3].attributes.has(AttributeName(name)));
  return items;
}

/// Each clause alone, negated or not, decides as it does among the others.
bool all_alone(const ItemFilter& filter, const ItemFacts& item, const MatchContext& context) {
  return std::ranges::all_of(filter.clauses(), [&](const FilterClause& clause) {
    const auto alone = ItemFilter::parse(filter.text_of(clause));
    require(alone && alone->clauses().size() == 1);
    require(alone->matches(item, context) == clause.holds(item, context));
    return alone->matches(item, context);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(input.find('\n'), size);
  const auto items = some_items(input.substr(std::min(line + 1, size)));
  const auto filter = ItemFilter::parse(input.substr(0, line));
  if (!filter) {
    require(filter.error().code == Code::kInvalid && filter.error().where == "filter");
    require(!filter.error().message.empty() && filter.error().message.size() < 2'048);
    return 0;
  }
  require(filter->clauses().size() <= ItemFilter::kClausesMax);
  const auto again = ItemFilter::parse(filter->text());
  require(again.has_value());
  FilterReport report(*filter);
  const MatchContext contexts[] = {{}, {.now = kNow, .expired = true, .person = 0x15}};
  for (const MatchContext& context : contexts) {
    for (const ItemFacts& item : items) {
      const bool decision = filter->matches(item, context);
      require(again->matches(item, context) == decision);
      require(all_alone(*filter, item, context) == decision);
      report.look_at(item, context);
    }
  }
  require(report.take().size() == filter->clauses().size());
  return 0;
}
