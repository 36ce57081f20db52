#include "server/vector_request.h"

#include <algorithm>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/text.h"

namespace millrace {
namespace {

using Element = simdjson::dom::element;

constexpr const char* kRowShape = R"(a row is {"id":"a","vector":[0.1,0.2]})";
constexpr const char* kQueryShape =
    R"(send {"vector":[0.1,0.2],"n":10}, or "id":"a", or "vectors":[[…],[…]])";

/// Parse one JSON text that has padding behind it.
Result<Element> parse_one(simdjson::dom::parser& parser, std::string_view text) {
  Element root;
  if (parser.parse(text.data(), text.size(), false).get(root)) return fail(Code::kInvalid, "is not JSON");
  return root;
}

/// Ids are texts or whole numbers, which are taken as text.
Result<std::string> vector_id_of(Element element) {
  std::string_view text;
  std::int64_t number = 0;
  if (!element.get_string().get(text)) return std::string(text);
  if (element.is_int64() && !element.get_int64().get(number)) return std::to_string(number);
  return fail(Code::kInvalid, "an id is a text or a whole number");
}

Status append_floats(Element element, std::vector<float>& into) {
  simdjson::dom::array values;
  if (element.get_array().get(values)) return fail(Code::kInvalid, "a vector is a list of numbers");
  for (const Element value : values) {
    double number = 0;
    if (value.get_double().get(number)) return fail(Code::kInvalid, "a vector is a list of numbers");
    into.push_back(static_cast<float>(number));
  }
  return {};
}

Result<VectorSet::Row> row_of(Element element) {
  simdjson::dom::object members;
  if (element.get_object().get(members)) return fail(Code::kInvalid, kRowShape);
  VectorSet::Row row;
  bool has_id = false, has_vector = false;
  for (const auto& [name, value] : members) {
    if (name == "id") {
      MILLRACE_ASSIGN(row.id, vector_id_of(value));
      has_id = true;
    } else if (name == "vector") {
      row.vector.clear();
      MILLRACE_TRY(append_floats(value, row.vector));
      has_vector = true;
    } else {
      return fail(Code::kInvalid, fmt::format("there is no member '{}': {}",
                                              without_controls(name.substr(0, kShownBytesMax)), kRowShape));
    }
  }
  if (!has_id || !has_vector) return fail(Code::kInvalid, kRowShape);
  return row;
}

std::unexpected<Error> placed(const Error& error, std::string where) {
  return fail(error.code, error.message, std::move(where));
}

Result<std::vector<VectorSet::Row>> rows_of_array(std::string_view body) {
  simdjson::dom::parser parser;
  MILLRACE_ASSIGN(const Element root, parse_one(parser, body));
  simdjson::dom::array elements;
  if (root.get_array().get(elements)) return fail(Code::kInvalid, kRowShape);
  std::vector<VectorSet::Row> rows;
  for (const Element element : elements) {
    auto row = row_of(element);
    if (!row) return placed(row.error(), fmt::format("[{}]", rows.size()));
    rows.push_back(*std::move(row));
  }
  return rows;
}

Result<std::vector<VectorSet::Row>> rows_of_lines(std::string_view body) {
  simdjson::dom::parser parser;
  std::vector<VectorSet::Row> rows;
  for (std::size_t line = 1; !body.empty(); ++line) {
    const std::string_view text = body.substr(0, body.find('\n'));
    body.remove_prefix(std::min(body.size(), text.size() + 1));
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto element = parse_one(parser, text);
    if (!element) return placed(element.error(), fmt::format("line {}", line));
    auto row = row_of(*element);
    if (!row) return placed(row.error(), fmt::format("line {}", line));
    rows.push_back(*std::move(row));
  }
  return rows;
}

Result<std::vector<std::string>> ids_of(Element element) {
  simdjson::dom::array values;
  std::vector<std::string> ids;
  if (element.get_array().get(values)) return fail(Code::kInvalid, "takes a list of ids");
  for (const Element value : values) {
    MILLRACE_ASSIGN(ids.emplace_back(), vector_id_of(value));
  }
  return ids;
}

Status read_vectors(Element element, VectorQuery& query) {
  simdjson::dom::array values;
  query.is_list = true;
  query.count = 0;
  if (element.get_array().get(values)) return fail(Code::kInvalid, "takes a list of vectors");
  std::size_t length = 0;
  for (const Element value : values) {
    const std::size_t before = query.vectors.size();
    MILLRACE_TRY(append_floats(value, query.vectors));
    if (query.count++ == 0) length = query.vectors.size();
    if (query.vectors.size() - before != length) return fail(Code::kInvalid, "takes vectors of one length");
  }
  if (query.count < 1 || query.count > VectorQuery::kQueriesMax)
    return fail(Code::kInvalid, fmt::format("takes 1 to {} vectors", VectorQuery::kQueriesMax));
  return {};
}

Status read_query_member(std::string_view name, Element value, VectorQuery& query) {
  if (name == "id") {
    MILLRACE_ASSIGN(query.id, vector_id_of(value));
  } else if (name == "vector") {
    MILLRACE_TRY(append_floats(value, query.vectors));
  } else if (name == "vectors") {
    MILLRACE_TRY(read_vectors(value, query));
  } else if (name == "n") {
    std::uint64_t n = 0;
    if (value.get_uint64().get(n) || n < 1 || n > VectorQuery::kNeighboursMax)
      return fail(Code::kInvalid, fmt::format("is a whole number from 1 to {}", VectorQuery::kNeighboursMax));
    query.n = n;
  } else if (name == "exclude") {
    MILLRACE_ASSIGN(query.exclude, ids_of(value));
  } else if (name == "only") {
    MILLRACE_ASSIGN(query.only, ids_of(value));
  } else if (name == "with_vectors") {
    if (value.get_bool().get(query.with_vectors)) return fail(Code::kInvalid, "is true or false");
  } else {
    const std::string nearest = nearest_name(
        name.substr(0, kShownBytesMax), {"id", "vector", "vectors", "n", "exclude", "only", "with_vectors"});
    return fail(Code::kInvalid,
                nearest.empty() ? "is not known here" : "is not known here; did you mean " + nearest + "?");
  }
  return {};
}

}  // namespace

std::string float_text(float value) {
  return fmt::format("{}", value);
}

Result<std::vector<VectorSet::Row>> parse_vector_rows(std::string_view body) {
  const std::size_t first = body.find_first_not_of(" \t\r\n");
  auto rows =
      first != std::string_view::npos && body[first] == '[' ? rows_of_array(body) : rows_of_lines(body);
  if (rows && rows->empty())
    return fail(Code::kInvalid,
                fmt::format("there are no rows in the body; {}, a line each or in an array", kRowShape));
  return rows;
}

Result<VectorQuery> parse_vector_query(std::string_view body) {
  simdjson::dom::parser parser;
  VectorQuery query;
  simdjson::dom::object members;
  const auto root = parse_one(parser, body);
  if (!root || root->get_object().get(members)) return fail(Code::kInvalid, kQueryShape);
  int given = 0;
  for (const auto& [name, value] : members) {
    if (name == "id" || name == "vector" || name == "vectors") ++given;
    if (Status read = read_query_member(name, value, query); !read)
      return placed(read.error(), without_controls(name.substr(0, kShownBytesMax)));
  }
  if (given != 1) return fail(Code::kInvalid, kQueryShape);
  return query;
}

Result<VectorShape> parse_vector_shape(std::string_view body) {
  constexpr const char* kShape =
      R"(send {"dimensions":32,"similarity":"dot"}; the similarity is dot or cosine)";
  simdjson::dom::parser parser;
  simdjson::dom::object members;
  const auto root = parse_one(parser, body);
  if (!root || root->get_object().get(members)) return fail(Code::kInvalid, kShape);
  VectorShape shape;
  for (const auto& [name, value] : members) {
    std::uint64_t dimensions = 0;
    std::string_view similarity;
    if (name == "dimensions" && !value.get_uint64().get(dimensions)) {
      shape.dimensions = dimensions;
    } else if (name == "similarity" && !value.get_string().get(similarity)) {
      MILLRACE_ASSIGN(shape.similarity, parse_similarity(similarity));
    } else {
      return fail(Code::kInvalid, kShape, without_controls(name.substr(0, kShownBytesMax)));
    }
  }
  MILLRACE_TRY(shape.check());
  return shape;
}

Result<SomeoneOrVector> parse_someone(std::string_view body) {
  constexpr const char* kShape =
      R"(send a vector, [0.1,0.2] or {"embedding":[0.1,0.2]}, or whom it is about: {"customer_number":103})";
  simdjson::dom::parser parser;
  MILLRACE_ASSIGN(const Element root, parse_one(parser, body));
  SomeoneOrVector someone;
  if (root.is_array()) {
    MILLRACE_TRY(append_floats(root, someone.vector));
    return someone;
  }
  simdjson::dom::object members;
  if (root.get_object().get(members)) return fail(Code::kInvalid, kShape);
  for (const std::string_view name : {"embedding", "vector"}) {
    Element value;
    if (members[name].get(value)) continue;
    MILLRACE_TRY(append_floats(value, someone.vector));
    return someone;
  }
  for (const std::string_view name : {"customer_number", "customerNumber", "user_id", "id"}) {
    Element value;
    if (members[name].get(value)) continue;
    MILLRACE_ASSIGN(someone.id, vector_id_of(value));
    return someone;
  }
  return fail(Code::kInvalid, kShape);
}

}  // namespace millrace
