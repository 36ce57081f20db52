#include "server/gorse_json.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/time.h"
#include "event/json_read.h"
#include "server/json_text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kGoZeroTime = "0001-01-01T00:00:00Z";  // what Go's clients send for "none"
constexpr std::int64_t kNumberMax = 1'000'000'000'000;

/// Attributes that have a member of Gorse's item of their own, so that no label takes their place.
constexpr std::array<std::string_view, 7> kOwnMembers = {"id",        "hidden", "category", "categories",
                                                         "published", "labels", "comment"};

/// Return the member, or null when it is missing or null.
const Json* given(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool becomes_attribute(const std::string& name, const Json& value) {
  if (std::ranges::find(kOwnMembers, name) != kOwnMembers.end()) return false;
  return name != "price" || json::decimal_of(value.dump()).has_value();
}

/// Labels that have names are attributes under these names too; `labels` keeps them as they came.
Status apply_labels(Json& attributes, const Json& object) {
  const Json* labels = given(object, "Labels");
  if (!labels) return {};
  if (!labels->is_array() && !labels->is_object())
    return fail(Code::kInvalid, "must be a list of texts or an object", "Labels");
  if (const auto before = attributes.find("labels"); before != attributes.end() && before->is_object()) {
    const Json old = *before;
    for (const auto& [name, value] : old.items())
      if (becomes_attribute(name, value)) attributes.erase(name);
  }
  if (labels->is_object())
    for (const auto& [name, value] : labels->items())
      if (becomes_attribute(name, value)) attributes[name] = value;
  attributes["labels"] = *labels;
  return {};
}

Status apply_comment(Json& attributes, const Json& object) {
  const Json* comment = given(object, "Comment");
  if (!comment) return {};
  if (!comment->is_string()) return fail(Code::kInvalid, "must be a text", "Comment");
  attributes["comment"] = *comment;
  return {};
}

void set_categories(Json& attributes, Json categories) {
  if (categories.empty()) {
    attributes.erase("category");
  } else {
    attributes["category"] = categories.front();
  }
  attributes["categories"] = std::move(categories);
}

Json categories_of(const Json& attributes) {
  if (const Json* list = given(attributes, "categories"); list && list->is_array()) return *list;
  const Json* one = given(attributes, "category");
  return one && one->is_string() ? Json::array({*one}) : Json::array();
}

Status apply_categories(Json& attributes, const Json& item) {
  const Json* categories = given(item, "Categories");
  if (!categories) return {};
  const bool texts =
      categories->is_array() && std::ranges::all_of(*categories, [](const Json& c) { return c.is_string(); });
  if (!texts) return fail(Code::kInvalid, "must be a list of texts", "Categories");
  set_categories(attributes, *categories);
  return {};
}

Status apply_timestamp(Json& attributes, const Json& item) {
  const Json* time = given(item, "Timestamp");
  if (!time) return {};
  if (!time->is_string()) return fail(Code::kInvalid, "must be a time, as 2026-01-31T12:00:00Z", "Timestamp");
  const std::string& text = time->get_ref<const std::string&>();
  if (text.empty() || text == kGoZeroTime) {
    attributes.erase("published");
    return {};
  }
  if (Result<TimeUs> read = parse_time(text); !read)
    return fail(Code::kInvalid, read.error().message, "Timestamp");
  attributes["published"] = text;
  return {};
}

Json text_or(const Json& attributes, const char* name, std::string_view otherwise) {
  const Json* value = given(attributes, name);
  return value && value->is_string() ? *value : Json(otherwise);
}

Json labels_of(const Json& attributes) {
  const Json* labels = given(attributes, "labels");
  return labels ? *labels : Json();
}

Result<CatalogueRecord> record_of(GorseKind kind, const Json& object) {
  if (!object.is_object()) return fail(Code::kInvalid, "not an object");
  const char* name = kind == GorseKind::kItem ? "ItemId" : "UserId";
  const Json* id = given(object, name);
  if (!id || !id->is_string()) return fail(Code::kInvalid, "must be a text", name);
  if (Status good = check_catalogue_id(id->get<std::string>()); !good)
    return fail(Code::kInvalid, good.error().message, name);
  Json attributes = Json::object();
  MILLRACE_TRY(kind == GorseKind::kItem ? apply_gorse_item(attributes, object)
                                        : apply_gorse_user(attributes, object));
  return catalogue_put(id->get<std::string>(), std::move(attributes));
}

Result<std::size_t> whole_number(const QueryParameters& query, std::string_view name, std::size_t otherwise) {
  if (query.get(name).empty()) return otherwise;
  MILLRACE_ASSIGN(const std::int64_t number, query.integer(name, 0, 0, kNumberMax));
  return static_cast<std::size_t>(number);
}

}  // namespace

Result<Json> gorse_body(std::string_view body) {
  Json parsed = json_of_body(body);
  if (parsed.is_discarded()) return fail(Code::kInvalid, "the body is not JSON, or nested too deep");
  return parsed;
}

HttpResponse gorse_error(const Error& error) {
  HttpResponse response = HttpResponse::from_error(error);
  if (error.code == Code::kOutOfRange) response.status = 413;
  response.content_type = "text/plain; charset=utf-8";
  response.body = error.where.empty() ? error.message : error.where + ": " + error.message;
  return response;
}

Status apply_gorse_item(Json& attributes, const Json& item) {
  if (const Json* hidden = given(item, "IsHidden")) {
    if (!hidden->is_boolean()) return fail(Code::kInvalid, "must be true or false", "IsHidden");
    attributes["hidden"] = *hidden;
  }
  MILLRACE_TRY(apply_categories(attributes, item));
  MILLRACE_TRY(apply_timestamp(attributes, item));
  MILLRACE_TRY(apply_labels(attributes, item));
  return apply_comment(attributes, item);
}

Status apply_gorse_user(Json& attributes, const Json& user) {
  MILLRACE_TRY(apply_labels(attributes, user));
  return apply_comment(attributes, user);
}

void add_gorse_category(Json& attributes, const std::string& category) {
  Json categories = categories_of(attributes);
  if (std::ranges::find(categories, Json(category)) == categories.end()) categories.push_back(category);
  set_categories(attributes, std::move(categories));
}

void remove_gorse_category(Json& attributes, const std::string& category) {
  Json left = Json::array();
  for (const Json& each : categories_of(attributes))
    if (each != Json(category)) left.push_back(each);
  set_categories(attributes, std::move(left));
}

Result<std::vector<CatalogueRecord>> gorse_records(GorseKind kind, const Json& body) {
  std::vector<CatalogueRecord> records;
  if (!body.is_array()) {
    MILLRACE_ASSIGN(CatalogueRecord record, record_of(kind, body));
    records.push_back(std::move(record));
    return records;
  }
  for (std::size_t i = 0; i < body.size(); ++i) {
    Result<CatalogueRecord> record = record_of(kind, body[i]);
    if (!record) return fail(json::under(i, record.error()));
    records.push_back(*std::move(record));
  }
  return records;
}

Json gorse_item(const std::string& id, const Json& attributes) {
  const Json* hidden = given(attributes, "hidden");
  return {{"ItemId", id},
          {"IsHidden", hidden && hidden->is_boolean() && hidden->get<bool>()},
          {"Categories", categories_of(attributes)},
          {"Timestamp", text_or(attributes, "published", kGoZeroTime)},
          {"Labels", labels_of(attributes)},
          {"Comment", text_or(attributes, "comment", "")}};
}

Json gorse_user(const std::string& id, const Json& attributes) {
  return {{"UserId", id}, {"Labels", labels_of(attributes)}, {"Comment", text_or(attributes, "comment", "")}};
}

Result<GorsePage> gorse_page(const QueryParameters& query, std::size_t n_max) {
  GorsePage page;
  MILLRACE_ASSIGN(page.n, whole_number(query, "n", page.n));
  MILLRACE_ASSIGN(page.offset, whole_number(query, "offset", 0));
  page.n = std::min(page.n, n_max);
  return page;
}

}  // namespace millrace
