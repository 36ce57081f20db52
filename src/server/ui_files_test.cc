#include "server/ui_files.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

namespace millrace {
namespace {

std::string gunzip(std::string_view packed, std::size_t size) {
  std::string out(size + 1, '\0');
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  std::string in(packed);
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(UiFiles, EveryPageOfTheBrowserIsIndexHtml) {
  const UiFile* index = find_ui_file("/index.html");
  ASSERT_NE(index, nullptr);
  EXPECT_EQ(index->content_type, "text/html; charset=utf-8");
  EXPECT_TRUE(index->bytes.starts_with("<!doctype html>"));
  for (const char* page : {"/", "/shop", "/shop/item/P-1"}) EXPECT_EQ(find_ui_file(page), index) << page;
  for (const char* none : {"/shopping", "/v1", "//", "/x/shop", ""})
    EXPECT_EQ(find_ui_file(none), nullptr) << none;
  EXPECT_EQ(find_ui_file("/assets/../index.html"), nullptr);
}

TEST(UiFiles, IndexNamesOnlyFilesThatAreThere) {
  const std::string html(find_ui_file("/")->bytes);
  int found = 0;
  for (const std::string mark : {"src=\"", "href=\"/"}) {
    for (auto at = html.find(mark); at != html.npos; at = html.find(mark, at + 1)) {
      const auto start = html.find('/', at);
      const std::string path = html.substr(start, html.find('"', start) - start);
      if (path.starts_with("/v1/")) continue;
      EXPECT_NE(find_ui_file(path), nullptr) << path;
      ++found;
    }
  }
  EXPECT_GE(found, 3) << html;
}

TEST(UiFiles, HasNoInlineScript) {
  const std::string html(find_ui_file("/")->bytes);
  for (auto at = html.find("<script"); at != html.npos; at = html.find("<script", at + 1)) {
    EXPECT_THAT(html.substr(at, html.find('>', at) - at), testing::HasSubstr("src="));
  }
}

TEST(UiFiles, GzipIsTheSameBytes) {
  for (const UiFile& file : ui_files()) {
    if (file.gzip_bytes.empty()) continue;
    EXPECT_LT(file.gzip_bytes.size(), file.bytes.size()) << file.path;
    EXPECT_EQ(gunzip(file.gzip_bytes, file.bytes.size()), file.bytes) << file.path;
  }
}

TEST(UiFiles, OnlyHashedNamesAreKeptForAYear) {
  EXPECT_EQ(ui_cache_control(*find_ui_file("/")), "no-cache");
  const auto hashed = std::ranges::count_if(ui_files(), &UiFile::immutable);
  EXPECT_GE(hashed, 1);
  for (const UiFile& file : ui_files()) {
    EXPECT_EQ(file.immutable, file.path.starts_with("/assets/")) << file.path;
    EXPECT_EQ(ui_cache_control(file).contains("immutable"), file.immutable) << file.path;
  }
}

TEST(UiFiles, SortedWithOwnEtags) {
  EXPECT_TRUE(std::ranges::is_sorted(ui_files(), {}, &UiFile::path));
  EXPECT_EQ(std::ranges::adjacent_find(ui_files(), {}, &UiFile::etag), ui_files().end());
  for (const UiFile& file : ui_files()) EXPECT_EQ(file.etag.size(), 18U) << file.path;
}

}  // namespace
}  // namespace millrace
