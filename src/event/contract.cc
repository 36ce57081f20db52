#include "event/contract.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "base/yaml.h"
#include "event/contract_reader.h"

namespace millrace {
namespace {

constexpr std::size_t kContractBytesMax = 1 << 20;
constexpr int kNestingMax = 16;
using contract::kPropertiesMax;

constexpr std::array<std::string_view, 10> kTypeNames = {
    "any", "string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"};

/// Reads one file.
class ContractReader {
 public:
  ContractReader(const YamlMap& root, Contract& contract) : root_(root), contract_(contract) {}

  void read() {
    read_fundamentals();
    read_team();
    read_custom();
    for (const YamlValue& value : root_.list("schema")) read_object(value.map());
    check_names();
    for (std::size_t i = 0; i < contract_.objects.size(); ++i)
      if (contract_.objects[i].is_event()) contract::check_event_object(contract_.objects[i], maps_[i]);
    read_service_levels();
    contract::pass_over(root_, {"tenant", "tags", "servers", "dataProduct", "support", "price", "roles",
                                "slaDefaultElement", "authoritativeDefinitions", "contractCreatedTs"});
  }

 private:
  void read_fundamentals() {
    std::string api, kind;
    root_.required("apiVersion", api);
    if (const auto value = root_.find("apiVersion"); value && !api.starts_with("v3."))
      value->error(
          fmt::format("reads versions v3.0 and v3.1 of the standard, such as v3.1.0; not '{}'", api));
    root_.required("kind", kind);
    if (const auto value = root_.find("kind"); value && kind != "DataContract")
      value->error("is DataContract");
    root_.required("id", contract_.id);
    root_.required("version", contract_.version);
    root_.required("status", contract_.status);
    if (const auto value = root_.find("status"))
      value->read_choice(status_,
                         {{"proposed", 0}, {"draft", 0}, {"active", 0}, {"deprecated", 0}, {"retired", 0}});
    root_.optional("name", contract_.name);
    root_.optional("domain", contract_.domain);
    if (const auto value = root_.find("description")) {
      // An object since 3.0; files of older tools have a text here.
      if (value->is_text()) return value->read(contract_.description);
      const YamlMap about = value->map();
      about.optional("purpose", contract_.description);
      contract::pass_over(about, {"limitations", "usage", "authoritativeDefinitions", "customProperties"});
    }
  }

  void read_member(const YamlMap& map) {
    ContractPerson& person = contract_.team.emplace_back();
    map.required("username", person.name);
    map.optional("role", person.role);
    contract::pass_over(map, {"id", "name", "description", "dateIn", "dateOut", "replacedByUsername", "tags",
                              "customProperties", "authoritativeDefinitions"});
  }

  /// An object with members since 3.1, a list of them before.
  void read_team() {
    const auto team = root_.find("team");
    if (!team) return;
    if (team->is_list()) {
      for (const YamlValue& member : team->list()) read_member(member.map());
      return;
    }
    const YamlMap map = team->map();
    for (const YamlValue& member : map.list("members")) read_member(member.map());
    contract::pass_over(
        map, {"id", "name", "description", "tags", "customProperties", "authoritativeDefinitions"});
  }

  void read_custom() {
    std::set<std::string> seen;
    for (const YamlValue& entry : root_.list("customProperties")) {
      const YamlMap map = entry.map();
      std::string property;
      map.required("property", property);
      contract::pass_over(map, {"id", "description"});
      const auto value = map.find("value");
      if (!value) {
        map.missing("value");
        continue;
      }
      if (!seen.insert(property).second) map.error(fmt::format("'{}' is given twice", property));
      if (property == "sources") value->read(contract_.sources);
      if (property == "consumers") value->read(contract_.consumers);
      if (property == "effectiveDate") read_effective(*value);
      if (property == "stopAfter")
        value->read(contract_.stop_after, std::uint64_t{0}, std::uint64_t{1'000'000});
    }
  }

  void read_effective(const YamlValue& value) {
    std::string text;
    value.read(text);
    if (const auto time = parse_time(text))
      contract_.effective = *time;
    else
      value.error(time.error().message);
  }

  void read_object(const YamlMap& map) {
    ContractObject& object = contract_.objects.emplace_back();
    auto& maps = maps_.emplace_back();
    object.where = map.where();
    map.required("name", object.name);
    map.optional("physicalName", object.physical_name);
    map.optional("physicalType", object.physical_type);
    map.optional("description", object.description);
    std::string type;
    if (map.optional("logicalType", type) && type != "object")
      map.error(fmt::format("an entry of schema is an object, not of logicalType {}", type));
    for (const YamlValue& value : map.list("properties")) {
      maps.push_back(value.map());
      object.properties.push_back(read_property(maps.back(), true, 1));
    }
    check_unique_names(map, object.properties);
    contract::read_quality(map, nullptr, object.quality);
    // The standard allows these between any two objects here; they are read where the column is.
    for (const YamlValue& value : map.list("relationships")) read_object_relationship(value.map(), object);
    contract::pass_over(map, {"id", "businessName", "authoritativeDefinitions", "tags", "customProperties",
                              "dataGranularityDescription"});
  }

  ContractProperty read_property(const YamlMap& map, bool named, int depth) {
    ContractProperty property;
    property.where = map.where();
    if (depth > kNestingMax) {
      map.error(fmt::format("properties are nested more than {} deep", kNestingMax));
      return property;
    }
    if (named) map.required("name", property.name);
    map.optional("physicalName", property.physical_name);
    map.optional("description", property.description);
    map.optional("classification", property.classification);
    read_type(map, property);
    map.optional("required", property.required);
    map.optional("unique", property.unique);
    map.optional("primaryKey", property.primary_key);
    contract::read_options(map, property);
    read_nested(map, property, depth);
    contract::read_quality(map, &property, property.quality);
    for (const YamlValue& value : map.list("relationships"))
      read_relationship(value.map(), property.relationships);
    contract::check_property(property, map.list("examples"), map);
    contract::pass_over(
        map, {"id", "name", "businessName", "authoritativeDefinitions", "tags", "customProperties",
              "primaryKeyPosition", "physicalType", "partitioned", "partitionKeyPosition", "encryptedName",
              "transformSourceObjects", "transformLogic", "transformDescription", "criticalDataElement"});
    return property;
  }

  static void read_type(const YamlMap& map, ContractProperty& property) {
    map.optional_choice("logicalType", property.type,
                        {{"string", LogicalType::kString},
                         {"date", LogicalType::kDate},
                         {"timestamp", LogicalType::kTimestamp},
                         {"time", LogicalType::kTime},
                         {"number", LogicalType::kNumber},
                         {"integer", LogicalType::kInteger},
                         {"object", LogicalType::kObject},
                         {"array", LogicalType::kArray},
                         {"boolean", LogicalType::kBoolean}});
  }

  void read_nested(const YamlMap& map, ContractProperty& property, int depth) {
    if (const auto items = map.find("items")) {
      if (property.type != LogicalType::kArray)
        items->error(fmt::format("only an array has items, and '{}' is of logicalType {}", property.name,
                                 logical_type_name(property.type)));
      property.items.push_back(read_property(items->map(), false, depth + 1));
      property.items.back().name = property.name + "[]";
    }
    if (const auto nested = map.find("properties")) {
      if (property.type != LogicalType::kObject)
        nested->error(fmt::format("only an object has properties, and '{}' is of logicalType {}",
                                  property.name, logical_type_name(property.type)));
      for (const YamlValue& value : nested->list())
        property.properties.push_back(read_property(value.map(), true, depth + 1));
      check_unique_names(map, property.properties);
    }
    if (const auto options = map.find("logicalTypeOptions"); options && property.type == LogicalType::kObject)
      require_members(options->map(), property);
  }

  /// The option `required` of an object names properties that must be there.
  static void require_members(const YamlMap& options, ContractProperty& property) {
    std::vector<std::string> names;
    options.optional("required", names);
    for (const std::string& name : names) {
      const auto found = std::ranges::find(property.properties, name, &ContractProperty::name);
      if (found == property.properties.end())
        options.error(fmt::format("required names '{}', which '{}' does not have", name, property.name));
      else
        found->required = true;
    }
  }

  static void check_unique_names(const YamlMap& map, const std::vector<ContractProperty>& properties) {
    std::set<std::string_view> seen;
    for (const ContractProperty& property : properties)
      if (!seen.insert(property.column()).second)
        map.error(fmt::format("has two properties named '{}'", property.column()));
    if (properties.size() > kPropertiesMax)
      map.error(fmt::format("has more than {} properties", kPropertiesMax));
  }

  /// `orders.id`, or `schema/orders/properties/id`; what is before the last name is the object.
  static bool read_reference(const YamlValue& value, Relationship& into) {
    std::string to;
    if (!value.is_text()) {
      value.error("keys over several columns are not checked here: give one property, OBJECT.PROPERTY");
      return false;
    }
    value.read(to);
    constexpr std::string_view kSchema = "schema/", kBelow = "/properties/";
    if (const auto at = to.find(kBelow); to.starts_with(kSchema) && at != std::string::npos) {
      into.object = to.substr(kSchema.size(), at - kSchema.size());
      into.property = to.substr(at + kBelow.size());
    } else if (const auto dot = to.rfind('.'); dot != std::string::npos) {
      into.object = to.substr(0, dot);
      into.property = to.substr(dot + 1);
    }
    if (!into.object.empty() && !into.property.empty()) return true;
    value.error(fmt::format("'{}' names no property: give OBJECT.PROPERTY", to));
    return false;
  }

  void read_relationship(const YamlMap& map, std::vector<Relationship>& into) {
    Relationship relationship;
    relationship.where = map.where();
    contract::pass_over(map, {"type", "customProperties"});
    if (map.find("from")) map.error("'from' is the property itself, and not given here");
    const auto to = map.find("to");
    if (!to) return map.missing("to");
    if (!read_reference(*to, relationship)) return;
    references_.emplace_back(relationship, *to);
    into.push_back(std::move(relationship));
  }

  void read_object_relationship(const YamlMap& map, ContractObject& object) {
    contract::pass_over(map, {"type", "customProperties"});
    const auto from = map.find("from"), to = map.find("to");
    if (!from || !to) return map.error("a relationship of an object needs both 'from' and 'to'");
    Relationship source, target;
    target.where = map.where();
    if (!read_reference(*from, source) || !read_reference(*to, target)) return;
    const auto found = std::ranges::find(object.properties, source.property, &ContractProperty::name);
    if (source.object != object.name || found == object.properties.end())
      return from->error(fmt::format("names no property of '{}'", object.name));
    references_.emplace_back(target, *to);
    found->relationships.push_back(std::move(target));
  }

  /// Names of objects are unique, and what relationships name exists, where the object is in this contract.
  void check_names() {
    std::map<std::string_view, const ContractObject*> objects;
    for (const ContractObject& object : contract_.objects)
      if (!objects.emplace(object.name, &object).second)
        root_.error(fmt::format("schema has two objects named '{}'", object.name));
    for (const auto& [reference, value] : references_) {
      const auto object = objects.find(reference.object);
      if (object == objects.end()) continue;  // a table of somebody else's
      const auto& properties = object->second->properties;
      if (std::ranges::find(properties, reference.property, &ContractProperty::name) == properties.end())
        value.error(fmt::format("'{}' has no property '{}'", reference.object, reference.property));
    }
  }

  /// `latency` of a column of times is how old its newest value may be.
  void read_service_levels() {
    for (const YamlValue& entry : root_.list("slaProperties")) {
      const YamlMap map = entry.map();
      std::string property, unit, element;
      map.required("property", property);
      map.optional("unit", unit);
      map.optional("element", element);
      const auto value = map.find("value");
      if (!value) map.missing("value");
      contract::pass_over(map, {"id", "valueExt", "driver", "description", "scheduler", "schedule"});
      const bool is_latency = property == "latency" || property == "ly" || property == "freshness";
      if (value && is_latency && !element.empty()) read_latency(map, *value, unit, element);
    }
  }

  void read_latency(const YamlMap& map, const YamlValue& value, const std::string& unit,
                    const std::string& element) {
    static constexpr std::pair<std::string_view, double> kUnits[] = {
        {"s", 1},        {"second", 1},   {"seconds", 1}, {"m", 60},      {"min", 60},
        {"minute", 60},  {"minutes", 60}, {"h", 3600},    {"hr", 3600},   {"hour", 3600},
        {"hours", 3600}, {"d", 86400},    {"day", 86400}, {"days", 86400}};
    QualityRule rule;
    rule.metric = QualityRule::Metric::kFreshness;
    rule.severity = RuleSeverity::kWarn;
    rule.dimension = "timeliness";
    rule.where = map.where();
    double number = 0;
    value.read(number, 0.0);
    const auto found =
        std::ranges::find(kUnits, unit.empty() ? "d" : unit, &std::pair<std::string_view, double>::first);
    if (found == std::end(kUnits))
      return map.error(fmt::format("the unit of a latency is s, m, h or d, not '{}'", unit));
    rule.must = {RuleOperator::Kind::kLessOrEqual, number * found->second, 0};
    const auto dot = element.rfind('.');
    rule.properties = {element.substr(dot == std::string::npos ? 0 : dot + 1)};
    const std::string name = dot == std::string::npos ? "" : element.substr(0, dot);
    for (ContractObject& object : contract_.objects) {
      if (!name.empty() && object.name != name) continue;
      if (name.empty() && contract_.objects.size() > 1) break;
      if (std::ranges::find(object.properties, rule.properties.front(), &ContractProperty::name) ==
          object.properties.end())
        break;
      rule.name = "latency:" + rule.properties.front();
      object.quality.push_back(std::move(rule));
      return;
    }
    map.error(fmt::format("element '{}' names no property of this contract: OBJECT.PROPERTY", element));
  }

  const YamlMap root_;
  Contract& contract_;
  int status_ = 0;
  std::vector<std::vector<YamlMap>> maps_;  ///< of the properties of each object
  std::vector<std::pair<Relationship, YamlValue>> references_;
};

/// Return what two versions of one contract cannot both be, "" when they can.
std::string contradiction(const Contract& a, const Contract& b) {
  if (a.id != b.id) return "";
  if (a.version == b.version)
    return fmt::format("is version {} of '{}', as is {}", a.version, a.id, b.path.string());
  if (!a.is_in_force() || !b.is_in_force() || a.effective != b.effective) return "";
  if (!a.effective)
    return fmt::format(
        "version {} of '{}' says no effectiveDate, nor does version {} of {}: one of them only "
        "takes effect at a time",
        a.version, a.id, b.version, b.path.string());
  return fmt::format("version {} of '{}' takes effect at the same time as version {} of {}", a.version, a.id,
                     b.version, b.path.string());
}

}  // namespace

std::string_view logical_type_name(LogicalType type) {
  return kTypeNames[static_cast<std::size_t>(type)];
}

void contract::pass_over(const YamlMap& map, std::initializer_list<std::string_view> keys) {
  for (const auto key : keys) static_cast<void>(map.find(key));
}

Result<Contract> parse_contract(std::string_view text, const Path& path) {
  MILLRACE_ASSIGN(const YamlDocument yaml, YamlDocument::parse(text, path));
  Contract contract;
  contract.path = path;
  ContractReader(yaml.root(), contract).read();
  MILLRACE_TRY(yaml.finish());
  return contract;
}

Status check_versions(const std::vector<Contract>& contracts) {
  for (std::size_t i = 0; i < contracts.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (auto why = contradiction(contracts[i], contracts[k]); !why.empty())
        return fail(Code::kInvalid, std::move(why), contracts[i].path.string());
  return {};
}

Result<std::vector<Contract>> load_contracts(Env& env, const Path& dir) {
  std::vector<Contract> contracts;
  if (!env.exists(dir)) return contracts;
  MILLRACE_ASSIGN(auto names, env.list_dir(dir));
  std::ranges::sort(names);
  std::optional<Error> mistakes;
  for (const auto& name : names) {
    const Path path = dir / name;
    if (path.extension() != ".yaml" && path.extension() != ".yml") continue;
    MILLRACE_ASSIGN(const auto text, read_file(env, path, kContractBytesMax));
    auto contract = parse_contract(text, path);
    if (contract)
      contracts.push_back(*std::move(contract));
    else if (!mistakes)
      mistakes = std::move(contract).error();
    else
      mistakes->message += "\n" + contract.error().text();
  }
  if (mistakes) return fail(*std::move(mistakes));
  MILLRACE_TRY(check_versions(contracts));
  return contracts;
}

}  // namespace millrace
