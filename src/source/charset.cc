#include "source/charset.h"

#include <algorithm>
#include <array>

#include <iconv.h>

namespace millrace {
namespace {

using Fix = CharsetFix;

constexpr std::array kSjisFixes = {Fix{0xFF3C, 0x5C}, Fix{0x203E, 0x7E}};
constexpr std::array kUjisFixes = {Fix{0xFFE0, 0xA2},  Fix{0xFFE1, 0xA3},   Fix{0xFFE4, 0xA6},
                                   Fix{0xFFE2, 0xAC},  Fix{0x2225, 0x2016}, Fix{0xFF0D, 0x2212},
                                   Fix{0xFF5E, 0x301C}};
/// iconv has the letters that ETEN added among those of private use.
constexpr std::array kBig5Fixes = {
    Fix{0x2215, 0xFF0F},     Fix{0xFE68, 0xFF3C},    Fix{0xFFE0, 0xA2, 2},   Fix{0xFFE5, 0xA5},
    Fix{0xF6B1, 0x30FE},     Fix{0xF6B2, 0x309D, 2}, Fix{0xF6B4, 0x3005},    Fix{0xF6B5, 0x3041, 83},
    Fix{0xF708, 0x30A1, 86}, Fix{0xF75E, 0x414, 2},  Fix{0xF760, 0x401},     Fix{0xF761, 0x416, 7},
    Fix{0xF768, 0x423, 19},  Fix{0xF77B, 0x451},     Fix{0xF77C, 0x436, 26}, Fix{0xF796, 0x2460, 10},
    Fix{0xF7A0, 0x2474, 10}, Fix{0x2027, 0x2022},    Fix{0xAF, 0x203E},      Fix{0xFF5E, 0x223C},
    Fix{0x2299, 0x2609},     Fix{0x2295, 0x2641},    Fix{0xFE51, 0xFF64}};

struct NamedCharset {
  std::string_view mysql;
  const char* iconv;
  std::span<const Fix> fixes = {};
};

/// What MySQL calls otherwise than iconv. UTF-8, ASCII and binary need nothing; those of one byte a character
/// are asked for (ByteCharset).
constexpr std::array kNames = {
    NamedCharset{"cp932", "CP932"},
    NamedCharset{"sjis", "SHIFT_JIS", kSjisFixes},
    NamedCharset{"ujis", "EUC-JP-MS", kUjisFixes},
    NamedCharset{"eucjpms", "EUC-JP-MS"},
    NamedCharset{"euckr", "CP949"},
    NamedCharset{"gb2312", "GB2312"},
    NamedCharset{"gbk", "GBK"},
    NamedCharset{"gb18030", "GB18030"},
    NamedCharset{"big5", "BIG5", kBig5Fixes},
    NamedCharset{"ucs2", "UCS-2BE"},
    NamedCharset{"utf16", "UTF-16BE"},
    NamedCharset{"utf16le", "UTF-16LE"},
    NamedCharset{"utf32", "UTF-32BE"},
};

/// 0x80 to 0x9F of MySQL's latin1, which is Windows-1252 with the five holes filled.
constexpr std::array<std::uint16_t, 32> kLatin1Upper = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

/// Append a character of the first plane.
void append_utf8(unsigned point, std::string& out) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | point >> 12);
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

bool CharsetReader::knows(std::string_view charset) {
  constexpr std::array<std::string_view, 7> kPlain = {"",      "utf8",   "utf8mb3", "utf8mb4",
                                                      "ascii", "binary", "latin1"};
  return std::ranges::find(kPlain, charset) != kPlain.end() || CharsetReader(charset).form_ != Form::kAsItIs;
}

CharsetReader::CharsetReader(std::string_view charset) {
  if (charset == "latin1") form_ = Form::kLatin1;
  const auto found = std::ranges::find(kNames, charset, &NamedCharset::mysql);
  if (found == kNames.end()) return;
  const iconv_t opened = iconv_open("UTF-8", found->iconv);
  if (opened == reinterpret_cast<iconv_t>(-1)) return;
  iconv_.reset(opened, iconv_close);
  fixes_ = found->fixes;
  form_ = Form::kIconv;
}

std::string_view CharsetReader::read(std::string_view text) {
  switch (form_) {
    case Form::kAsItIs:
      return text;
    case Form::kLatin1:
      return is_ascii(text) ? text : read_latin1(text);
    case Form::kBytes:
      return read_bytes(text);
    case Form::kIconv:
      return read_other(text);
  }
  return text;
}

std::string_view CharsetReader::read_latin1(std::string_view text) {
  out_.clear();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    append_utf8(byte >= 0x80 && byte < 0xA0 ? kLatin1Upper[byte - 0x80u] : byte, out_);
  }
  return out_;
}

std::string_view CharsetReader::read_other(std::string_view text) {
  out_.resize(4 * text.size());                 // of UTF-8 four bytes at the most for each
  char* from = const_cast<char*>(text.data());  // iconv does not write there
  char* to = out_.data();
  std::size_t left = text.size();
  std::size_t room = out_.size();
  iconv(iconv_.get(), nullptr, nullptr, nullptr, nullptr);
  if (iconv(iconv_.get(), &from, &left, &to, &room) == static_cast<std::size_t>(-1)) return text;
  out_.resize(out_.size() - room);
  if (!fixes_.empty()) fix();
  return out_;
}

std::string_view CharsetReader::read_bytes(std::string_view text) {
  out_.clear();
  for (const char c : text) out_ += (*bytes_)[static_cast<unsigned char>(c)];
  return out_;
}

/// All that is mended has two or three bytes in UTF-8.
void CharsetReader::fix() {
  std::string fixed;
  for (std::size_t at = 0; at < out_.size();) {
    const auto first = static_cast<unsigned char>(out_[at]);
    const std::size_t size = (first & 0xE0u) == 0xC0 ? 2 : (first & 0xF0u) == 0xE0 ? 3 : 1;
    if (size == 1 || at + size > out_.size()) {
      fixed += out_[at++];
      continue;
    }
    unsigned point = first & (size == 2 ? 0x1Fu : 0xFu);
    for (std::size_t i = 1; i < size; ++i)
      point = point << 6 | (static_cast<unsigned char>(out_[at + i]) & 0x3Fu);
    const auto found = std::ranges::find_if(
        fixes_, [&](const Fix& fix) { return point >= fix.from && point - fix.from < fix.count; });
    append_utf8(found == fixes_.end() ? point : point - found->from + found->to, fixed);
    at += size;
  }
  out_ = std::move(fixed);
}

}  // namespace millrace
