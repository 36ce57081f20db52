#include "event/contract_types.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "event/contract_fields.h"
#include "event/json_writer.h"

namespace millrace {
namespace {

/// Return the properties of an object as a document has them: of an event, what is no field lies in
/// `properties`.
std::vector<ContractProperty> document_of(const ContractObject& object) {
  if (!object.is_event()) return object.properties;
  std::vector<ContractProperty> fields;
  ContractProperty rest;
  rest.name = "properties";
  rest.type = LogicalType::kObject;
  for (const ContractProperty& property : object.properties) {
    const std::string& name = property.column();
    if (name == "type") continue;
    if (name == "properties") {
      rest.required = rest.required || property.required;
      rest.properties.insert(rest.properties.end(), property.properties.begin(), property.properties.end());
    } else if (name == "items" || name == "order" || event_field(name) != nullptr) {
      fields.push_back(property);
    } else {
      rest.properties.push_back(property);
    }
  }
  for (const ContractProperty& property : rest.properties) rest.required = rest.required || property.required;
  if (!rest.properties.empty()) fields.push_back(std::move(rest));
  return fields;
}

bool is_needed(const ContractProperty& property) {
  return property.required || property.primary_key;
}

/// Return the values that alone are right, none when any are.
std::vector<std::string> values_of(const ContractProperty& property) {
  for (const QualityRule& rule : property.quality)
    if (!rule.valid_values.empty() && rule.forbids_any() && rule.severity == RuleSeverity::kStop)
      return rule.valid_values;
  return {};
}

bool is_number(const ContractProperty& property) {
  return property.type == LogicalType::kNumber || property.type == LogicalType::kInteger;
}

/// Return a value of a contract as JSON writes it. A number is written from its digits' value.
std::string literal_of(const ContractProperty& property, const std::string& value) {
  std::string out;
  double number = 0;
  const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool reads = problem == std::errc() && end == value.data() + value.size() && std::isfinite(number);
  if (is_number(property) && reads)
    JsonWriter(out).number(number);
  else if (property.type == LogicalType::kBoolean)
    out = value == "true" ? "true" : "false";
  else
    append_json_string(value, out);
  return out;
}

/// Writes definitions of JSON Schema.
class SchemaWriter {
 public:
  explicit SchemaWriter(std::string& out) : json_(out) {}

  void write(const Contract& contract) {
    json_.begin_object().member("$schema", "https://json-schema.org/draft/2020-12/schema");
    json_.member("$id", fmt::format("urn:contract:{}:{}", contract.id, contract.version));
    json_.member("title", contract.title()).member_if("description", contract.description);
    json_.key("anyOf").begin_array();
    for (const ContractObject& object : contract.objects)
      json_.begin_object().member("$ref", "#/$defs/" + pointer(object.name)).end_object();
    json_.end_array().key("$defs").begin_object();
    for (const ContractObject& object : contract.objects) write_object(object);
    json_.end_object().end_object();
  }

 private:
  /// A name as a JSON pointer in a URI has it.
  static std::string pointer(const std::string& name) {
    std::string out;
    for (const char c : name) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '~')
        out += "~0";
      else if (c == '/')
        out += "~1";
      else if (std::isalnum(byte) != 0 || c == '_' || c == '-' || c == '.')
        out += c;
      else
        out += fmt::format("%{:02X}", byte);
    }
    return out;
  }

  void write_object(const ContractObject& object) {
    json_.key(object.name)
        .begin_object()
        .member("type", "object")
        .member_if("description", object.description);
    const auto properties = document_of(object);
    json_.key("properties").begin_object();
    if (object.is_event()) json_.key("type").begin_object().member("const", object.table()).end_object();
    for (const ContractProperty& property : properties) write_member(property);
    json_.end_object();
    write_required(properties, object.is_event());
    json_.end_object();
  }

  void write_required(const std::vector<ContractProperty>& properties, bool is_event) {
    if (!is_event && std::ranges::none_of(properties, is_needed)) return;
    json_.key("required").begin_array();
    if (is_event) json_.text("type");
    for (const ContractProperty& property : properties)
      if (is_needed(property)) json_.text(property.column());
    json_.end_array();
  }

  void write_member(const ContractProperty& property) {
    json_.key(property.column()).begin_object().member_if("description", property.description);
    write_type(property);
    json_.end_object();
  }

  void write_type(const ContractProperty& property) {
    static constexpr std::string_view kTypes[] = {"",       "string",  "string", "string", "string",
                                                  "number", "integer", "object", "array",  "boolean"};
    const std::string_view type = kTypes[static_cast<std::size_t>(property.type)];
    if (!type.empty() && is_needed(property)) json_.member("type", type);
    if (!type.empty() && !is_needed(property))
      json_.key("type").begin_array().text(type).text("null").end_array();
    if (property.type == LogicalType::kDate) json_.member("format", "date");
    if (property.type == LogicalType::kTimestamp) json_.member("format", "date-time");
    if (property.type == LogicalType::kTime) json_.member("format", "time");
    write_options(property);
    if (const auto values = values_of(property); !values.empty()) {
      json_.key("enum").begin_array();
      for (const std::string& value : values) json_.raw(literal_of(property, value));
      if (!is_needed(property)) json_.null();
      json_.end_array();
    }
    if (!property.items.empty()) {
      json_.key("items").begin_object();
      ContractProperty item = property.items.front();
      item.required = true;  // an element is there
      write_type(item);
      json_.end_object();
    }
    if (property.properties.empty()) return;
    json_.key("properties").begin_object();
    for (const ContractProperty& one : property.properties) write_member(one);
    json_.end_object();
    write_required(property.properties, false);
  }

  void write_options(const ContractProperty& property) {
    const auto& options = property.options;
    const auto bound = [&](std::string_view plain, std::string_view exclusive,
                           const std::optional<ValueBound>& limit) {
      if (limit && is_number(property)) json_.key(limit->exclusive ? exclusive : plain).number(limit->value);
    };
    bound("minimum", "exclusiveMinimum", options.minimum);
    bound("maximum", "exclusiveMaximum", options.maximum);
    if (options.multiple_of) json_.member("multipleOf", *options.multiple_of);
    json_.member_if("minLength", options.min_length).member_if("maxLength", options.max_length);
    json_.member_if("minItems", options.min_items).member_if("maxItems", options.max_items);
    json_.member_if("minProperties", options.min_properties)
        .member_if("maxProperties", options.max_properties);
    if (options.unique_items) json_.member("uniqueItems", true);
    json_.member_if("pattern", options.pattern);
  }

  JsonWriter json_;
};

/// Writes TypeScript.
class TypeScriptWriter {
 public:
  std::string write(const Contract& contract) {
    out_ = fmt::format("// {}: made from the contract, not written. millrace contract types\n",
                       one_line(contract.title()));
    for (const ContractObject& object : contract.objects) {
      out_ += "\n";
      comment(object.description, 0);
      out_ += fmt::format("export interface {} {{\n", type_name(object.name));
      if (object.is_event()) out_ += "  type: " + quoted(object.table()) + ";\n";
      for (const ContractProperty& property : document_of(object)) member(property, 1);
      out_ += "}\n";
    }
    return std::move(out_);
  }

 private:
  static std::string quoted(std::string_view text) {
    std::string out;
    append_json_string(text, out);
    return out;
  }

  static std::string one_line(std::string text) {
    std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\r'; }, ' ');
    return text;
  }

  static bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

  /// "newsletter subscribed" as NewsletterSubscribed.
  static std::string type_name(const std::string& name) {
    std::string out;
    bool begins = true;
    for (const char c : name) {
      const bool fits = std::isalnum(static_cast<unsigned char>(c)) != 0;
      if (fits) out += begins ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
      begins = !fits;
    }
    if (out.empty() || std::isdigit(static_cast<unsigned char>(out.front())) != 0) out.insert(0, "T");
    return out;
  }

  static std::string key(const std::string& name) {
    const bool fits = !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
                      std::ranges::all_of(name, is_word);
    return fits ? name : quoted(name);
  }

  void comment(const std::string& text, int depth) {
    if (text.empty()) return;
    std::string safe = one_line(text);
    for (auto at = safe.find("*/"); at != std::string::npos; at = safe.find("*/", at))
      safe.replace(at, 2, "* /");
    out_ += fmt::format("{:{}}/** {} */\n", "", depth * 2, safe);
  }

  void member(const ContractProperty& property, int depth) {
    comment(property.description, depth);
    const bool needed = is_needed(property);
    out_ += fmt::format("{:{}}{}{}: ", "", depth * 2, key(property.column()), needed ? "" : "?");
    type(property, depth);
    out_ += needed ? ";\n" : " | null;\n";
  }

  void type(const ContractProperty& property, int depth) {
    if (const auto values = values_of(property); !values.empty()) {
      for (std::size_t i = 0; i < values.size(); ++i)
        out_ += (i > 0 ? " | " : "") + literal_of(property, values[i]);
      return;
    }
    switch (property.type) {
      case LogicalType::kAny:
        out_ += "unknown";
        return;
      case LogicalType::kNumber:
      case LogicalType::kInteger:
        out_ += "number";
        return;
      case LogicalType::kBoolean:
        out_ += "boolean";
        return;
      case LogicalType::kObject:
        return object(property, depth);
      case LogicalType::kArray:
        out_ += "Array<";
        if (property.items.empty())
          out_ += "unknown";
        else
          type(property.items.front(), depth);
        out_ += ">";
        return;
      default:
        out_ += "string";
    }
  }

  void object(const ContractProperty& property, int depth) {
    if (property.properties.empty()) {
      out_ += "Record<string, unknown>";
      return;
    }
    out_ += "{\n";
    for (const ContractProperty& one : property.properties) member(one, depth + 1);
    out_ += fmt::format("{:{}}[unannounced: string]: unknown;\n{:{}}}}", "", (depth + 1) * 2, "", depth * 2);
  }

  std::string out_;
};

}  // namespace

std::string json_schema_of(const Contract& contract) {
  std::string out;
  SchemaWriter(out).write(contract);
  return out;
}

std::string typescript_of(const Contract& contract) {
  return TypeScriptWriter().write(contract);
}

}  // namespace millrace
