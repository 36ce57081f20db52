#include <fmt/format.h>

#include "model/feature_encoder.h"

namespace millrace {
namespace {

using EncoderJson = nlohmann::json;

std::unexpected<Error> unreadable_encoder(std::string_view where, std::string message) {
  return fail(Code::kInvalid, std::move(message), std::string(where));
}

/// Put a member of `json` into `into`; one that is not there leaves it as it is, unless it is needed.
template <class T>
Status take_member(const EncoderJson& json, const char* name, bool needed, std::string_view where, T& into) {
  const auto found = json.find(name);
  if (found == json.end())
    return needed ? Status(unreadable_encoder(where, fmt::format("'{}' is missing", name))) : Status();
  bool fits = false;
  if constexpr (std::is_same_v<T, std::string>)
    fits = found->is_string();
  else if constexpr (std::is_same_v<T, bool>)
    fits = found->is_boolean();
  else if constexpr (std::is_same_v<T, double>)
    fits = found->is_number();
  else
    fits = found->is_number_unsigned();
  if (!fits) return unreadable_encoder(where, fmt::format("'{}' is {}", name, found->dump()));
  into = found->get<T>();
  return {};
}

Status read_values(const EncoderJson& json, std::string_view where, std::vector<std::string>& into) {
  const auto found = json.find("values");
  if (found == json.end() || !found->is_array()) return unreadable_encoder(where, "'values' is no list");
  for (const EncoderJson& value : *found) {
    if (!value.is_string())
      return unreadable_encoder(where, fmt::format("the value {} is no text", value.dump()));
    into.push_back(value.get<std::string>());
  }
  return {};
}

Status read_field(const EncoderJson& json, std::string_view where, EncoderColumn& into) {
  MILLRACE_TRY(take_member(json, "buckets", true, where, into.buckets));
  if (into.kind == ColumnKind::kCategory) return read_values(json, where, into.values);
  MILLRACE_TRY(take_member(json, "letters_min", true, where, into.grams.letters_min));
  return take_member(json, "letters_max", true, where, into.grams.letters_max);
}

}  // namespace

nlohmann::json encoder_to_json(const EncoderColumn& column) {
  EncoderJson json = {{"name", column.name}, {"kind", column_kind_name(column.kind)}};
  if (column.kind == ColumnKind::kNumber) {
    json["mean"] = column.mean;
    json["deviation"] = column.deviation;
    json["indicator"] = column.indicator;
    if (column.limit > 0) json["limit"] = column.limit;
    return json;
  }
  json["buckets"] = column.buckets;
  if (column.kind == ColumnKind::kCategory) {
    json["values"] = column.values;
  } else {
    json["letters_min"] = column.grams.letters_min;
    json["letters_max"] = column.grams.letters_max;
  }
  return json;
}

Result<EncoderColumn> encoder_from_json(const nlohmann::json& json, std::string_view where) {
  if (!json.is_object()) return unreadable_encoder(where, "a column is an object");
  EncoderColumn column;
  std::string kind;
  MILLRACE_TRY(take_member(json, "name", true, where, column.name));
  MILLRACE_TRY(take_member(json, "kind", true, where, kind));
  for (const ColumnKind one : {ColumnKind::kNumber, ColumnKind::kCategory, ColumnKind::kText})
    if (kind == column_kind_name(one)) {
      column.kind = one;
      if (one != ColumnKind::kNumber) {
        MILLRACE_TRY(read_field(json, where, column));
        return column;
      }
      MILLRACE_TRY(take_member(json, "mean", true, where, column.mean));
      MILLRACE_TRY(take_member(json, "deviation", true, where, column.deviation));
      MILLRACE_TRY(take_member(json, "limit", false, where, column.limit));
      MILLRACE_TRY(take_member(json, "indicator", false, where, column.indicator));
      return column;
    }
  return unreadable_encoder(where, fmt::format("the kind '{}' is none of number, category, text", kind));
}

}  // namespace millrace
