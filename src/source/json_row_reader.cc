#include <unordered_map>

#include <fmt/format.h>
#include <simdjson.h>

#include "event/json_read.h"
#include "source/row_reader.h"

namespace millrace {
namespace {

namespace sj = simdjson;

constexpr std::size_t kPaddingBytes = 64;
constexpr int kNestingMax = 32;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

sj::padded_string_view padded(std::string_view text) {
  return sj::padded_string_view(text.data(), text.size(), text.size() + kPaddingBytes);
}

/// Return the raw token of a number or literal.
std::string_view token_of(sj::ondemand::value& value) {
  const std::string_view token = value.raw_json_token();
  return token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
}

/// Reads the members of JSON objects into the cells of their columns. Texts live until the parser is used for
/// another document.
class CellFiller {
 public:
  explicit CellFiller(std::string unnest) : unnest_(std::move(unnest)) {}

  const std::vector<std::string>& columns() const { return columns_; }
  std::span<const Cell> cells() const { return cells_; }

  void clear() { cells_.assign(columns_.size(), Cell()); }

  /// Read the object that is all of `json`; its columns are below `path`. Return what is wrong, or nothing.
  /// `json` must have 64 readable bytes after its end.
  std::string read(sj::ondemand::parser& parser, std::string_view json, std::string_view path);

  /// Return the text of the list that is to be unnested, as it stood in the last object read.
  std::string_view list() const { return list_; }

  /// Empty the cells of the columns below `unnest`.
  void clear_elements();

 private:
  sj::error_code read_object(sj::ondemand::object object, int nesting);
  sj::error_code read_value(sj::ondemand::value value, int nesting);
  sj::error_code read_array(sj::ondemand::value& value);
  sj::error_code read_indexed(sj::ondemand::array& array, bool& is_indexed);
  sj::error_code read_pair(sj::ondemand::value& element, bool& is_indexed);
  sj::error_code put(const Cell& cell);

  const std::string unnest_;
  std::vector<std::string> columns_;
  std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> index_;
  std::vector<Cell> cells_;
  std::string path_;  ///< of the value being read: "outer.inner"
  std::string_view list_;
};

/// Fill the cell of the column named `path_`.
sj::error_code CellFiller::put(const Cell& cell) {
  auto found = index_.find(path_);
  if (found == index_.end()) {
    if (columns_.size() == kColumnsMax) return sj::CAPACITY;
    found = index_.emplace(path_, columns_.size()).first;
    columns_.push_back(path_);
    cells_.emplace_back();
  }
  cells_[found->second] = cell;
  return sj::SUCCESS;
}

/// Read one `{"index": I, "value": V}`. `is_indexed` becomes false where it is something else.
sj::error_code CellFiller::read_pair(sj::ondemand::value& element, bool& is_indexed) {
  sj::ondemand::object pair;
  if (element.get_object().get(pair)) {
    is_indexed = false;
    return sj::SUCCESS;
  }
  Cell index, value;
  for (auto each : pair) {
    sj::ondemand::field field;
    std::string_view key;
    if (const auto error = std::move(each).get(field)) return error;
    if (const auto error = field.unescaped_key().get(key)) return error;
    const bool is_index = key == "index";
    sj::ondemand::json_type type;
    if (const auto error = field.value().type().get(type)) return error;
    using enum sj::ondemand::json_type;
    is_indexed = (is_index || key == "value") && type != object && type != array;
    if (!is_indexed) return sj::SUCCESS;
    Cell& cell = is_index ? index : value;
    cell.is_json = type != string && type != null;
    if (type == string) {
      if (const auto error = field.value().get_string().get(cell.text)) return error;
    } else if (type != null) {
      cell.text = token_of(field.value());
    }
  }
  is_indexed = !index.text.empty();
  if (!is_indexed) return sj::SUCCESS;
  const auto outer = path_.size();
  path_.append(".").append(index.text);
  const auto error = put(value);
  path_.resize(outer);
  return error;
}

/// Read a list of such pairs. `is_indexed` becomes false where it is another list, or empty.
sj::error_code CellFiller::read_indexed(sj::ondemand::array& array, bool& is_indexed) {
  is_indexed = false;
  for (auto each : array) {
    sj::ondemand::value element;
    if (const auto error = std::move(each).get(element)) return error;
    is_indexed = true;
    if (const auto error = read_pair(element, is_indexed)) return error;
    if (!is_indexed) return sj::SUCCESS;
  }
  return sj::SUCCESS;
}

sj::error_code CellFiller::read_array(sj::ondemand::value& value) {
  sj::ondemand::array array;
  if (const auto error = value.get_array().get(array)) return error;
  if (!unnest_.empty() && path_ == unnest_) return array.raw_json().get(list_);
  bool is_indexed = false;
  if (const auto error = read_indexed(array, is_indexed)) return error;
  if (is_indexed) return sj::SUCCESS;
  if (const auto error = array.reset().error()) return error;
  Cell cell{.text = {}, .is_json = true};
  if (const auto error = array.raw_json().get(cell.text)) return error;
  return put(cell);
}

sj::error_code CellFiller::read_value(sj::ondemand::value value, int nesting) {
  sj::ondemand::json_type type;
  if (const auto error = value.type().get(type)) return error;
  if (type == sj::ondemand::json_type::object) {
    sj::ondemand::object object;
    if (const auto error = value.get_object().get(object)) return error;
    return nesting == kNestingMax ? sj::DEPTH_ERROR : read_object(object, nesting + 1);
  }
  if (type == sj::ondemand::json_type::array) return read_array(value);
  if (type == sj::ondemand::json_type::null) return value.is_null() ? sj::SUCCESS : sj::N_ATOM_ERROR;
  Cell cell;
  cell.is_json = type != sj::ondemand::json_type::string;
  if (cell.is_json) {
    cell.text = token_of(value);
  } else if (const auto error = value.get_string().get(cell.text)) {
    return error;
  }
  return put(cell);
}

sj::error_code CellFiller::read_object(sj::ondemand::object object, int nesting) {
  const auto outer = path_.size();
  for (auto each : object) {
    sj::ondemand::field field;
    std::string_view key;
    if (const auto error = std::move(each).get(field)) return error;
    if (const auto error = field.unescaped_key().get(key)) return error;
    path_.resize(outer);
    if (outer > 0) path_ += '.';
    path_ += key;
    if (const auto error = read_value(field.value(), nesting)) return error;
  }
  path_.resize(outer);
  return sj::SUCCESS;
}

std::string CellFiller::read(sj::ondemand::parser& parser, std::string_view json, std::string_view path) {
  path_ = path;
  list_ = {};
  sj::ondemand::document document;
  sj::ondemand::object object;
  auto error = parser.iterate(padded(json)).get(document);
  if (!error && document.get_object().get(object)) return "the row is not a JSON object";
  if (!error) error = read_object(object, 1);
  // At the end of the text there is no present location.
  if (!error && !document.current_location().error()) return "there is text after the JSON object";
  return error ? fmt::format("bad JSON: {}", sj::error_message(error)) : "";
}

void CellFiller::clear_elements() {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::string_view name = columns_[i];
    if (name.starts_with(unnest_) && name.substr(unnest_.size()).starts_with('.')) cells_[i] = {};
  }
}

class JsonRowReader final : public RowReader {
 public:
  JsonRowReader(std::unique_ptr<JsonTexts> texts, std::string unnest)
      : texts_(std::move(texts)), unnest_(std::move(unnest)), filler_(unnest_) {}

  Result<Step> next(Row& row) override;
  const std::vector<std::string>& columns() const override { return filler_.columns(); }
  std::uint64_t bytes_done() const override { return texts_->bytes_done(); }
  Result<Hash128> content_hash() const override { return texts_->content_hash(); }

 private:
  std::string open_list();
  std::string open_elements(std::string_view list);
  Step next_element(Row& row);

  const std::unique_ptr<JsonTexts> texts_;
  const std::string unnest_;
  CellFiller filler_;
  sj::ondemand::parser parser_;

  // While the elements of a list are given as rows:
  Row outer_;
  sj::ondemand::parser element_parser_;
  std::vector<std::string_view> elements_;
  std::size_t element_ = 0;
};

/// Find where the elements of `list` are; return what is wrong, or nothing.
std::string JsonRowReader::open_elements(std::string_view list) {
  sj::ondemand::document document;
  sj::ondemand::array array;
  auto error = element_parser_.iterate(padded(list)).get(document);
  if (!error) error = document.get_array().get(array);
  if (!error) {
    for (auto each : array) {
      sj::ondemand::value element;
      error = std::move(each).get(element);
      if (error) break;
      const auto raw = json::raw_value(element);
      if (!raw) return raw.error().message;
      elements_.push_back(*raw);
    }
  }
  return error ? fmt::format("bad JSON: {}", sj::error_message(error)) : "";
}

/// Return what is wrong with the list of the object that was read, or nothing.
std::string JsonRowReader::open_list() {
  elements_.clear();
  element_ = 0;
  if (!filler_.list().empty()) return open_elements(filler_.list());
  for (std::size_t i = 0; i < columns().size(); ++i) {
    const bool is_there = columns()[i] == unnest_ || columns()[i].starts_with(unnest_ + ".");
    if (is_there && !filler_.cells()[i].text.empty()) return fmt::format("'{}' is not a list", unnest_);
  }
  return "";
}

RowReader::Step JsonRowReader::next_element(Row& row) {
  row = outer_;
  row.place.part = element_ + 1;
  filler_.clear_elements();
  auto problem = filler_.read(element_parser_, elements_[element_++], unnest_);
  row.cells = filler_.cells();
  if (problem.empty()) return Step::kRow;
  row.raw = row.raw.substr(0, kBadRowBytesMax);
  row.problem = {Code::kInvalid, std::move(problem), fmt::format("{}[{}]", unnest_, element_ - 1)};
  return Step::kBadRow;
}

Result<RowReader::Step> JsonRowReader::next(Row& row) {
  for (;;) {
    if (element_ < elements_.size()) return next_element(row);
    row.place.part = 0;
    MILLRACE_ASSIGN(const auto step, texts_->next(row));
    if (step != Step::kRow) return step;
    filler_.clear();
    auto problem = filler_.read(parser_, row.raw, "");
    if (problem.empty() && !unnest_.empty()) problem = open_list();
    row.cells = filler_.cells();
    if (!problem.empty()) {
      elements_.clear();
      row.raw = row.raw.substr(0, kBadRowBytesMax);
      row.problem = {Code::kInvalid, std::move(problem), ""};
      return Step::kBadRow;
    }
    if (unnest_.empty()) return Step::kRow;
    outer_ = row;
  }
}

}  // namespace

std::unique_ptr<RowReader> read_json_rows(std::unique_ptr<JsonTexts> texts, std::string unnest) {
  return std::make_unique<JsonRowReader>(std::move(texts), std::move(unnest));
}

}  // namespace millrace
