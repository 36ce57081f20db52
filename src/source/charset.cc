#include "source/charset.h"

#include <algorithm>
#include <array>

#include <iconv.h>

namespace millrace {
namespace {

struct NamedCharset {
  std::string_view mysql;
  const char* iconv;
};

/// What MySQL calls otherwise than iconv. UTF-8, ASCII and binary need nothing.
constexpr std::array kNames = {
    NamedCharset{"latin2", "ISO-8859-2"},  NamedCharset{"latin5", "ISO-8859-9"},
    NamedCharset{"latin7", "ISO-8859-13"}, NamedCharset{"cp1250", "CP1250"},
    NamedCharset{"cp1251", "CP1251"},      NamedCharset{"cp1256", "CP1256"},
    NamedCharset{"cp1257", "CP1257"},      NamedCharset{"cp850", "CP850"},
    NamedCharset{"cp852", "CP852"},        NamedCharset{"cp866", "CP866"},
    NamedCharset{"cp932", "CP932"},        NamedCharset{"koi8r", "KOI8-R"},
    NamedCharset{"koi8u", "KOI8-U"},       NamedCharset{"greek", "ISO-8859-7"},
    NamedCharset{"hebrew", "ISO-8859-8"},  NamedCharset{"tis620", "TIS-620"},
    NamedCharset{"sjis", "SHIFT_JIS"},     NamedCharset{"ujis", "EUC-JP"},
    NamedCharset{"eucjpms", "EUC-JP-MS"},  NamedCharset{"euckr", "CP949"},
    NamedCharset{"gb2312", "GB2312"},      NamedCharset{"gbk", "GBK"},
    NamedCharset{"gb18030", "GB18030"},    NamedCharset{"big5", "BIG5"},
    NamedCharset{"ucs2", "UCS-2BE"},       NamedCharset{"utf16", "UTF-16BE"},
    NamedCharset{"utf16le", "UTF-16LE"},   NamedCharset{"utf32", "UTF-32BE"},
    NamedCharset{"macroman", "MACINTOSH"}, NamedCharset{"macce", "MACCENTRALEUROPE"},
};

/// 0x80 to 0x9F of MySQL's latin1, which is Windows-1252 with the five holes filled.
constexpr std::array<std::uint16_t, 32> kLatin1Upper = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

CharsetReader::CharsetReader(std::string_view charset) {
  if (charset == "latin1") form_ = Form::kLatin1;
  const auto found = std::ranges::find(kNames, charset, &NamedCharset::mysql);
  if (found == kNames.end()) return;
  const iconv_t opened = iconv_open("UTF-8", found->iconv);
  if (opened == reinterpret_cast<iconv_t>(-1)) return;
  iconv_.reset(opened, iconv_close);
  form_ = Form::kIconv;
}

std::string_view CharsetReader::read(std::string_view text) {
  switch (form_) {
    case Form::kAsItIs:
      return text;
    case Form::kLatin1:
      return is_ascii(text) ? text : read_latin1(text);
    case Form::kIconv:
      return read_other(text);
  }
  return text;
}

std::string_view CharsetReader::read_latin1(std::string_view text) {
  out_.clear();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const unsigned point = byte >= 0x80 && byte < 0xA0 ? kLatin1Upper[byte - 0x80u] : byte;
    if (point < 0x80) {
      out_ += c;
    } else if (point < 0x800) {
      out_ += static_cast<char>(0xC0 | point >> 6);
      out_ += static_cast<char>(0x80 | (point & 0x3F));
    } else {
      out_ += static_cast<char>(0xE0 | point >> 12);
      out_ += static_cast<char>(0x80 | (point >> 6 & 0x3F));
      out_ += static_cast<char>(0x80 | (point & 0x3F));
    }
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
  return out_;
}

}  // namespace millrace
