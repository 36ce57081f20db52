#include "vector/embedding_file.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include <fmt/format.h>

#include "base/npy.h"
#include "base/text.h"

namespace millrace {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kEmbeddingHeader = "id,embedding";

std::string shown(std::string_view text) {
  return without_controls(text.substr(0, kShownBytesMax));
}

std::string place(const std::string& name, std::size_t line) {
  return fmt::format("{}:{}", name, line);
}

/// Cuts text into rows of two fields, and counts lines.
class TwoFieldRows {
 public:
  TwoFieldRows(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  bool at_end() const { return rest_.empty(); }
  std::string where() const { return place(name_, row_line_); }
  std::size_t line() const { return row_line_; }

  /// Read the next row. Errors: kInvalid, kCorrupt.
  Status next(std::string& first, std::string& second) {
    row_line_ = line_;
    MILLRACE_TRY(field(first));
    const bool has_comma = rest_.starts_with(',');
    if (has_comma) rest_.remove_prefix(1);
    if (rest_.empty()) return fail(Code::kCorrupt, "the file ends within this row: it is cut off", where());
    if (!has_comma) return fail(Code::kInvalid, "a row is id,embedding; this one has no comma", where());
    MILLRACE_TRY(field(second));
    if (rest_.starts_with(','))
      return fail(Code::kInvalid,
                  "a row is id,embedding; this one has more fields. Quote the embedding: a,\"[0.1,0.2]\"",
                  where());
    if (rest_.starts_with('\r')) rest_.remove_prefix(1);
    if (rest_.starts_with('\n')) {
      rest_.remove_prefix(1);
      ++line_;
    } else if (!rest_.empty()) {
      return fail(Code::kInvalid, "a quoted field must end with its quote", where());
    }
    return {};
  }

 private:
  Status field(std::string& into) {
    into.clear();
    if (!rest_.starts_with('"')) {
      const std::size_t end = std::min(rest_.find_first_of(",\r\n"), rest_.size());
      into = rest_.substr(0, end);
      rest_.remove_prefix(end);
      return {};
    }
    for (;;) {
      rest_.remove_prefix(1);
      const std::size_t end = rest_.find('"');
      if (end == std::string_view::npos)
        return fail(Code::kCorrupt, "the file ends within a quoted field: it is cut off", where());
      into += rest_.substr(0, end);
      line_ += static_cast<std::size_t>(
          std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
      rest_.remove_prefix(end + 1);
      if (!rest_.starts_with('"')) return {};
      into += '"';
    }
  }

  std::string_view rest_;
  const std::string& name_;
  std::size_t line_ = 1;
  std::size_t row_line_ = 1;
};

bool is_between(char c) {
  return c == ' ' || c == ',' || c == '\t' || c == '\n' || c == '\r';
}

/// Append the values of "[1, 2]" to `into`. Errors: kInvalid, kCorrupt when the bracket does not close.
Status parse_values(std::string_view text, std::vector<float>& into) {
  const auto trim = [&] {
    while (!text.empty() && is_between(text.front())) text.remove_prefix(1);
  };
  trim();
  if (!text.starts_with('['))
    return fail(Code::kInvalid,
                fmt::format("an embedding is its values in brackets, [0.1,0.2], not '{}'", shown(text)));
  text.remove_prefix(1);
  for (trim(); !text.empty() && text.front() != ']'; trim()) {
    if (text.front() == '+') text.remove_prefix(1);
    float value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const auto used = static_cast<std::size_t>(end - text.data());
    if (error == std::errc::result_out_of_range)
      return fail(Code::kInvalid, fmt::format("'{}' is more, or less, than a 32-bit number can be",
                                              shown(text.substr(0, used))));
    if (error != std::errc() || (used < text.size() && text[used] != ']' && !is_between(text[used])))
      return fail(Code::kInvalid, fmt::format("'{}' is not a number",
                                              shown(text.substr(0, text.find_first_of(", ]\n\r\t")))));
    into.push_back(value);
    text.remove_prefix(used);
  }
  if (text.empty()) return fail(Code::kCorrupt, "the embedding has no closing bracket: it is cut off");
  text.remove_prefix(1);
  trim();
  if (!text.empty()) return fail(Code::kInvalid, "there is more behind the embedding's closing bracket");
  return {};
}

/// Collects rows: checks each, and that ids differ.
class EmbeddingCollector {
 public:
  /// Take the row whose values were appended to `values()`; `line` is where its id stands in `name`.
  Status add(std::string id, const std::string& name, std::size_t line) {
    EmbeddingRows& out = out_;
    const std::size_t had = out.rows.ids.size() * out.dimensions;
    const auto row = std::span<const float>(out.rows.values).subspan(had);
    if (out.rows.ids.empty()) out.dimensions = row.size();
    const VectorShape shape{.dimensions = out.dimensions, .similarity = {}};
    Status good = shape.check();
    if (good) good = check_vector_id(id);
    if (good) good = shape.check_vector(row);
    if (!good) return fail(good.error().code, good.error().message, place(name, line));
    const auto [first, is_new] = lines_.emplace(id, line);
    if (!is_new)
      return fail(Code::kInvalid, fmt::format("the id '{}' is in line {} already", shown(id), first->second),
                  place(name, line));
    out.rows.ids.push_back(std::move(id));
    return {};
  }

  std::vector<float>& values() { return out_.rows.values; }

  Result<EmbeddingRows> finish(const std::string& name) {
    if (out_.rows.ids.empty()) return fail(Code::kInvalid, "has no vectors", name);
    return std::move(out_);
  }

 private:
  EmbeddingRows out_;
  std::unordered_map<std::string, std::size_t> lines_;
};

std::vector<std::string_view> lines_of(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool is_npy(const Path& file) {
  return to_lower(file.extension().string()) == ".npy";
}

}  // namespace

Result<EmbeddingRows> parse_embedding_csv(std::string_view text, const std::string& name) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (text.empty()) return fail(Code::kInvalid, "is empty; the first line is id,embedding", name);
  TwoFieldRows rows(text, name);
  std::string id, embedding;
  if (const Status header = rows.next(id, embedding); !header || id + ',' + embedding != kEmbeddingHeader)
    return fail(Code::kInvalid, "the first line must be id,embedding", place(name, 1));
  EmbeddingCollector collector;
  while (!rows.at_end()) {
    MILLRACE_TRY(rows.next(id, embedding));
    if (Status parsed = parse_values(embedding, collector.values()); !parsed)
      return fail(parsed.error().code, parsed.error().message, rows.where());
    MILLRACE_TRY(collector.add(id, name, rows.line()));
  }
  return collector.finish(name);
}

Result<EmbeddingRows> parse_embedding_npy(std::string_view bytes, const std::string& name,
                                          std::string_view ids, const std::string& ids_name) {
  MILLRACE_ASSIGN(const NpyView array, parse_npy(std::as_bytes(std::span(bytes)), name));
  if (array.type != NpyType::kFloat32)
    return fail(Code::kInvalid, "holds whole numbers; vectors are float32 (numpy: array.astype('<f4'))",
                name);
  if (array.dimensions != 2)
    return fail(Code::kInvalid, "has one dimension; vectors are the rows of an array of two", name);
  const std::size_t rows = array.rows, dimensions = array.columns;
  const std::vector<std::string_view> lines = lines_of(ids);
  if (lines.size() != rows)
    return fail(Code::kInvalid,
                fmt::format("has {} ids, one a line, for the {} rows of {}", lines.size(), rows, name),
                ids_name);
  EmbeddingCollector collector;
  collector.values().reserve(array.size());
  for (std::size_t i = 0; i < rows; ++i) {
    const auto row = array.floats().subspan(i * dimensions, dimensions);
    collector.values().insert(collector.values().end(), row.begin(), row.end());
    MILLRACE_TRY(collector.add(std::string(lines[i]), ids_name, i + 1));
  }
  return collector.finish(name);
}

Result<EmbeddingRows> read_embeddings(Env& env, const Path& file, const Path& ids) {
  if (is_npy(file) && ids.empty())
    return fail(Code::kInvalid, "a .npy file has no ids; give those of its rows, one a line, with --ids FILE",
                file.string());
  if (!is_npy(file) && !ids.empty())
    return fail(Code::kInvalid, "only a .npy file takes --ids: other files have an id in each line",
                file.string());
  MILLRACE_ASSIGN(const std::string content, read_file(env, file));
  if (!is_npy(file)) return parse_embedding_csv(content, file.string());
  MILLRACE_ASSIGN(const std::string lines, read_file(env, ids));
  return parse_embedding_npy(content, file.string(), lines, ids.string());
}

std::string embedding_csv(const EmbeddingRows& embeddings) {
  std::string out(kEmbeddingHeader);
  out += '\n';
  for (std::size_t i = 0; i < embeddings.rows.ids.size(); ++i) {
    const std::string& id = embeddings.rows.ids[i];
    if (id.find_first_of(",\"") == std::string::npos) {
      out += id;
    } else {
      out += '"';
      for (const char c : id) out.append(c == '"' ? 2 : 1, c);
      out += '"';
    }
    out += ",\"[";
    const auto row = embeddings.rows.row(i, embeddings.dimensions);
    for (std::size_t k = 0; k < row.size(); ++k)
      fmt::format_to(std::back_inserter(out), "{}{}", k == 0 ? "" : ",", row[k]);
    out += "]\"\n";
  }
  return out;
}

Status write_embeddings(Env& env, const Path& file, const Path& ids, const EmbeddingRows& embeddings) {
  if (!is_npy(file)) {
    if (!ids.empty())
      return fail(Code::kInvalid, "only a .npy file takes --ids: other files have an id in each line",
                  file.string());
    return write_file_atomically(env, file, embedding_csv(embeddings));
  }
  if (ids.empty())
    return fail(Code::kInvalid, "a .npy file has no ids; say with --ids FILE where they go", file.string());
  std::string lines;
  for (const std::string& id : embeddings.rows.ids) lines += id + '\n';
  MILLRACE_TRY(write_file_atomically(env, ids, lines));
  std::string content = npy_header(NpyType::kFloat32, embeddings.rows.ids.size(), embeddings.dimensions);
  content.append(reinterpret_cast<const char*>(embeddings.rows.values.data()),
                 embeddings.rows.values.size() * sizeof(float));
  return write_file_atomically(env, file, content);
}

}  // namespace millrace
