#include "server/ui_files.h"

#include <algorithm>

namespace millrace {
namespace {

// Made by ui/embed.mjs: `constexpr UiFile kFiles[]`, sorted by path.
#include "ui_files_table.inc"

bool is_page(std::string_view path) {
  return path == "/" || path == "/shop" || path.starts_with("/shop/");
}

}  // namespace

std::span<const UiFile> ui_files() {
  return kFiles;
}

const UiFile* find_ui_file(std::string_view path) {
  const std::string_view wanted = is_page(path) ? "/index.html" : path;
  const auto* found = std::ranges::find(kFiles, wanted, &UiFile::path);
  return found == std::ranges::end(kFiles) ? nullptr : found;
}

std::string_view ui_cache_control(const UiFile& file) {
  return file.immutable ? "public, max-age=31536000, immutable" : "no-cache";
}

}  // namespace millrace
