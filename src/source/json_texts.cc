#include <array>

#include "source/json_elements.h"

namespace millrace {
namespace {

constexpr std::string_view kParquetMagic = "PAR1";

}  // namespace

Result<bool> is_parquet(Env& env, const Path& path) {
  MILLRACE_ASSIGN(const auto file, env.open(path, OpenMode::kRead));
  std::array<char, kParquetMagic.size()> start{};
  MILLRACE_ASSIGN(const auto n, file->read_at(0, std::as_writable_bytes(std::span(start))));
  return std::string_view(start.data(), n) == kParquetMagic;
}

Result<std::unique_ptr<JsonTexts>> open_json_texts(Env& env, const Path& path,
                                                   const OpenParquet& open_parquet,
                                                   std::size_t text_bytes_max) {
  MILLRACE_ASSIGN(const bool parquet, is_parquet(env, path));
  if (parquet && open_parquet) return open_parquet(env, path);
  if (parquet) return fail(Code::kInvalid, "Parquet files are not read here", path.string());
  MILLRACE_ASSIGN(auto file, FileReader::open(env, path));
  return std::make_unique<JsonElements>(std::move(file), text_bytes_max);
}

}  // namespace millrace
