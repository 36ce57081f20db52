#include "recommend/catalogue_json.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "base/time.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

void read_text(const Json& object, const char* name, std::string& into) {
  if (const auto at = object.find(name); at != object.end() && at->is_string()) into = at->get<std::string>();
}

void read_bool(const Json& object, const char* name, bool& into) {
  if (const auto at = object.find(name); at != object.end() && at->is_boolean()) into = at->get<bool>();
}

void read_time(const Json& object, const char* name, std::optional<TimeUs>& into) {
  const auto at = object.find(name);
  if (at == object.end()) return;
  if (at->is_number_integer()) into = at->get<TimeUs>();
  if (!at->is_string()) return;
  if (const auto time = parse_time(at->get_ref<const std::string&>())) into = *time;
}

/// Numbers are read by their text: the writer's digits, not a double's.
void read_price(const Json& object, std::optional<Decimal>& into) {
  const auto at = object.find("price");
  if (at == object.end() || !(at->is_number() || at->is_string())) return;
  if (const auto price = Decimal::parse(at->is_string() ? at->get<std::string>() : at->dump())) into = *price;
}

void read_countries(const Json& object, const char* name, std::vector<std::string>& into) {
  const auto at = object.find(name);
  if (at == object.end()) return;
  if (at->is_string() && !at->get_ref<const std::string&>().empty()) into = {at->get<std::string>()};
  if (!at->is_array()) return;
  into.clear();
  for (const Json& each : *at) {
    if (each.is_string()) into.push_back(each.get<std::string>());
  }
}

/// Names whose values ItemFacts has members for.
constexpr std::array<std::string_view, 10> kMembers = {"available", "category", "countries", "country",
                                                       "currency",  "expires",  "hidden",    "name",
                                                       "price",     "published"};

bool add_value(std::string_view name, const Json& value, ItemAttributes& into) {
  if (value.is_null()) return true;
  if (value.is_boolean()) return into.add_truth(name, value.get<bool>());
  if (value.is_number()) return into.add_number(name, value.get<double>());
  if (value.is_string()) return into.add_text(name, value.get_ref<const std::string&>());
  return value.empty() || into.add_presence(name);
}

void read_others(const Json& attributes, ItemAttributes& into) {
  std::size_t left_out = 0;
  for (const auto& [name, value] : attributes.items()) {
    if (std::ranges::find(kMembers, name) != kMembers.end()) continue;
    if (!value.is_array()) {
      left_out += !add_value(name, value, into);
      continue;
    }
    for (const Json& each : value) left_out += !add_value(name, each, into);
  }
  note_attributes_left_out(left_out);
}

/// Many shops send how many there are and nothing else.
bool is_sold_out(const ItemAttributes& attributes) {
  static const AttributeName kStock("stock");
  return attributes.any_of(kStock, [](const auto& value) { return value.number && *value.number <= 0; });
}

void read_item(const Json& attributes, ItemFacts& facts) {
  read_others(attributes, facts.attributes);
  facts.available = !is_sold_out(facts.attributes);
  read_text(attributes, "name", facts.name);
  read_text(attributes, "category", facts.category);
  read_price(attributes, facts.price);
  read_text(attributes, "currency", facts.currency);
  read_bool(attributes, "available", facts.available);
  read_bool(attributes, "hidden", facts.hidden);
  read_countries(attributes, "country", facts.countries);
  read_countries(attributes, "countries", facts.countries);
  read_time(attributes, "published", facts.published_us);
  read_time(attributes, "expires", facts.expires_us);
}

struct Head {
  bool put = true;
  std::string id;
  Json attributes;
};

Result<Head> parse_head(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(Code::kInvalid, "the record is not a JSON object");
  Head head;
  std::string op = "put";
  read_text(json, "op", op);
  read_text(json, "id", head.id);
  if (head.id.empty()) return fail(Code::kInvalid, "the record has no id", "id");
  if (op != "put" && op != "delete") return fail(Code::kInvalid, "op is neither put nor delete", "op");
  head.put = op == "put";
  if (const auto at = json.find("attributes"); at != json.end() && at->is_object()) head.attributes = *at;
  return head;
}

}  // namespace

Status read_item_attributes(std::string_view attributes, ItemFacts& facts) {
  if (attributes.empty()) return {};
  const Json json = Json::parse(attributes, nullptr, false);
  if (!json.is_object()) return fail(Code::kInvalid, "attributes are not a JSON object", "attributes");
  read_item(json, facts);
  return {};
}

Result<CatalogueChange<ItemFacts>> parse_item_record(std::string_view json) {
  MILLRACE_ASSIGN(Head head, parse_head(json));
  CatalogueChange<ItemFacts> change{.put = head.put};
  change.facts.id = std::move(head.id);
  if (head.attributes.is_object()) read_item(head.attributes, change.facts);
  return change;
}

Result<CatalogueChange<UserFacts>> parse_user_record(std::string_view json) {
  MILLRACE_ASSIGN(Head head, parse_head(json));
  CatalogueChange<UserFacts> change{.put = head.put};
  change.facts.id = std::move(head.id);
  if (head.attributes.is_object()) read_text(head.attributes, "country", change.facts.country);
  return change;
}

}  // namespace millrace
