#pragma once

#include <span>
#include <string_view>

namespace millrace {

/// One file of the dashboard (ui/), as it lies in the program's read-only data. Views live as long as
/// the process.
struct UiFile {
  std::string_view path;          ///< as asked for: "/index.html", "/assets/index-3f2a….js"
  std::string_view content_type;  ///< with its charset
  std::string_view bytes;
  std::string_view gzip_bytes;  ///< the same, gzipped; empty where that saves nothing (fonts)
  std::string_view etag;        ///< quoted, ready for the header; of the bytes before gzip
  bool immutable;               ///< the name holds the hash of the contents
};

/// What a page of ours may load: nothing but itself. Styles are the component library's need.
inline constexpr std::string_view kUiContentSecurityPolicy =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// Return all files, sorted by path. Any thread.
std::span<const UiFile> ui_files();

/// Return the file to answer `path` (without its query) with, or nullptr for a 404. "/" and the pages
/// of ui/src/pages.ts ("/shop", with all below it) give index.html. Any thread.
const UiFile* find_ui_file(std::string_view path);

/// Return the Cache-Control of a file: a year and immutable for hashed names, else "no-cache", which
/// lets the browser keep it but ask each time (answer 304 when If-None-Match holds the etag). Send
/// `Vary: Accept-Encoding` with either.
std::string_view ui_cache_control(const UiFile& file);

}  // namespace millrace
