#include "server/ui_files.h"

#include <algorithm>

namespace millrace {
namespace {

// Made by ui/embed.mjs: `constexpr UiFile kFiles[]`, sorted by path, and `kPages[]`, the addresses of pages.
#include "ui_files_table.inc"

/// A page, or what lies below one. "/" is a page with nothing of its own below it.
bool is_page(std::string_view path) {
  return std::ranges::any_of(kPages, [path](std::string_view page) {
    if (!path.starts_with(page)) return false;
    return path.size() == page.size() || (page != "/" && path[page.size()] == '/');
  });
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
