#include <unordered_map>

#include <fmt/format.h>
#include <simdjson.h>

#include "source/json_elements.h"

namespace millrace {
namespace {

namespace sj = simdjson;

constexpr std::size_t kPaddingBytes = 64;
constexpr int kNestingMax = 32;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

class JsonRowReader final : public RowReader {
 public:
  JsonRowReader(std::unique_ptr<FileReader> file, std::size_t row_bytes_max)
      : elements_(std::move(file), row_bytes_max) {}

  Result<Step> next(Row& row) override;
  const std::vector<std::string>& columns() const override { return columns_; }
  const FileReader& file() const override { return elements_.file(); }

 private:
  std::string parse(std::string_view raw);
  sj::error_code read_object(sj::ondemand::object object, int nesting);
  sj::error_code read_value(sj::ondemand::value value, int nesting);
  Cell* cell_of_path();

  JsonElements elements_;
  sj::ondemand::parser parser_;
  std::vector<std::string> columns_;
  std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> index_;
  std::vector<Cell> cells_;
  std::string path_;  ///< of the value being read: "outer.inner"
};

/// Return the cell of the column named `path_`, or nothing when there would be too many columns.
Cell* JsonRowReader::cell_of_path() {
  const auto found = index_.find(path_);
  if (found != index_.end()) return &cells_[found->second];
  if (columns_.size() == kColumnsMax) return nullptr;
  index_.emplace(path_, columns_.size());
  columns_.push_back(path_);
  return &cells_.emplace_back();
}

sj::error_code JsonRowReader::read_value(sj::ondemand::value value, int nesting) {
  sj::ondemand::json_type type;
  if (const auto error = value.type().get(type)) return error;
  if (type == sj::ondemand::json_type::object) {
    sj::ondemand::object object;
    if (const auto error = value.get_object().get(object)) return error;
    return nesting == kNestingMax ? sj::DEPTH_ERROR : read_object(object, nesting + 1);
  }
  if (type == sj::ondemand::json_type::null) return value.is_null() ? sj::SUCCESS : sj::N_ATOM_ERROR;
  Cell* cell = cell_of_path();
  if (cell == nullptr) return sj::CAPACITY;
  cell->is_json = type != sj::ondemand::json_type::string;
  if (!cell->is_json) return value.get_string().get(cell->text);
  if (type == sj::ondemand::json_type::array) {
    sj::ondemand::array array;
    if (const auto error = value.get_array().get(array)) return error;
    return array.raw_json().get(cell->text);
  }
  const auto token = value.raw_json_token();
  cell->text = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
  return sj::SUCCESS;
}

sj::error_code JsonRowReader::read_object(sj::ondemand::object object, int nesting) {
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

/// Fill the cells; return what is wrong with the row, or nothing.
std::string JsonRowReader::parse(std::string_view raw) {
  cells_.assign(columns_.size(), Cell());
  path_.clear();
  sj::ondemand::document document;
  sj::ondemand::object object;
  const sj::padded_string_view padded(raw.data(), raw.size(), raw.size() + kPaddingBytes);
  auto error = parser_.iterate(padded).get(document);
  if (!error && document.get_object().get(object)) return "the row is not a JSON object";
  if (!error) error = read_object(object, 1);
  // At the end of the text there is no present location.
  if (!error && !document.current_location().error()) return "there is text after the JSON object";
  return error ? fmt::format("bad JSON: {}", sj::error_message(error)) : "";
}

Result<RowReader::Step> JsonRowReader::next(Row& row) {
  MILLRACE_ASSIGN(const auto step, elements_.next(row));
  if (step != Step::kRow) return step;
  auto problem = parse(row.raw);
  row.cells = cells_;
  if (problem.empty()) return Step::kRow;
  row.raw = row.raw.substr(0, kBadRowBytesMax);
  row.problem = {Code::kInvalid, std::move(problem), ""};
  return Step::kBadRow;
}

}  // namespace

Result<std::unique_ptr<RowReader>> open_json_rows(std::unique_ptr<FileReader> file,
                                                  std::size_t row_bytes_max) {
  return std::make_unique<JsonRowReader>(std::move(file), row_bytes_max);
}

}  // namespace millrace
