#include "source/binlog_values.h"

#include <array>
#include <chrono>
#include <iterator>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace millrace {
namespace {

constexpr unsigned kGroupDigits = 9;  // of a decimal, in four bytes
constexpr std::array<std::uint8_t, kGroupDigits + 1> kBytesOfDigits = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};

auto to(std::string& out) {
  return std::back_inserter(out);
}

/// Read the fractions of a second and return them in microseconds: two digits a byte.
std::uint32_t read_fraction(BinlogBytes& in, unsigned digits) {
  constexpr std::array<std::uint32_t, 4> kUnits = {0, 10'000, 100, 1};
  const unsigned bytes = (digits + 1) / 2;
  if (bytes >= kUnits.size()) return 0;
  return static_cast<std::uint32_t>(in.big(bytes)) * kUnits[bytes];
}

void put_fraction(std::uint32_t micros, unsigned digits, std::string& out) {
  constexpr std::array<std::uint32_t, 7> kUnits = {1'000'000, 100'000, 10'000, 1'000, 100, 10, 1};
  if (digits > 0 && digits < kUnits.size())
    fmt::format_to(to(out), ".{:0{}}", micros / kUnits[digits], digits);
}

void put_clock(unsigned hour, unsigned minute, unsigned second, std::string& out) {
  fmt::format_to(to(out), "{:02}:{:02}:{:02}", hour, minute, second);
}

void put_date(unsigned year, unsigned month, unsigned day, std::string& out) {
  fmt::format_to(to(out), "{:04}-{:02}-{:02}", year, month, day);
}

/// Append the digits of a group, with zeros before them unless nothing but the sign is there yet.
void put_digits(std::uint64_t group, unsigned digits, bool& begun, std::string& out) {
  if (digits == 0) return;
  if (begun) {
    fmt::format_to(to(out), "{:0{}}", group, digits);
  } else if (group > 0) {
    fmt::format_to(to(out), "{}", group);
    begun = true;
  }
}

void put_timestamp(std::uint32_t seconds, std::string& out) {
  if (seconds == 0) {  // what MySQL means by 0000-00-00
    out += "0000-00-00 00:00:00";
    return;
  }
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(time - days);
  put_date(static_cast<unsigned>(static_cast<int>(date.year())), static_cast<unsigned>(date.month()),
           static_cast<unsigned>(date.day()), out);
  out += ' ';
  put_clock(static_cast<unsigned>(clock.hours().count()), static_cast<unsigned>(clock.minutes().count()),
            static_cast<unsigned>(clock.seconds().count()), out);
}

}  // namespace

std::size_t binlog_decimal_bytes(unsigned precision, unsigned scale) {
  const auto bytes = [](unsigned digits) {
    return digits / kGroupDigits * 4u + kBytesOfDigits[digits % kGroupDigits];
  };
  return bytes(precision - scale) + bytes(scale);
}

/// Groups of nine digits in four bytes each, the odd ones outside; the first bit is set for a number that is
/// not negative, and of a negative one all bits are turned.
void read_binlog_decimal(BinlogBytes& in, unsigned precision, unsigned scale, std::string& out) {
  std::string bytes(in.take(binlog_decimal_bytes(precision, scale)));
  if (!in.ok() || bytes.empty()) return;
  const bool negative = (static_cast<unsigned char>(bytes[0]) & 0x80u) == 0;
  if (negative)
    for (char& byte : bytes) byte = static_cast<char>(~byte);
  bytes[0] = static_cast<char>(static_cast<unsigned char>(bytes[0]) ^ 0x80u);
  BinlogBytes parts(bytes);
  if (negative) out += '-';
  bool begun = false;
  const auto groups = [&](unsigned digits) {
    for (; digits >= kGroupDigits; digits -= kGroupDigits) put_digits(parts.big(4), kGroupDigits, begun, out);
    return digits;
  };
  const unsigned whole = precision - scale;
  const unsigned odd = whole % kGroupDigits;
  put_digits(parts.big(kBytesOfDigits[odd]), odd, begun, out);
  groups(whole - odd);
  if (!begun) out += '0';
  if (scale == 0) return;
  out += '.';
  begun = true;
  const unsigned rest = groups(scale);
  put_digits(parts.big(kBytesOfDigits[rest]), rest, begun, out);
}

/// The sign, 10 bits of hours, 6 of minutes, 6 of seconds and the fractions are one number, moved up so that
/// it is never negative.
void read_binlog_time(BinlogBytes& in, unsigned digits, std::string& out) {
  const unsigned fraction_bits = 8 * ((digits + 1) / 2);
  auto packed = static_cast<std::int64_t>(in.big(3 + fraction_bits / 8));
  packed -= std::int64_t{0x800000} << fraction_bits;
  if (packed < 0) out += '-';
  const auto size = static_cast<std::uint64_t>(packed < 0 ? -packed : packed);
  const std::uint64_t clock = size >> fraction_bits;
  constexpr std::array<std::uint32_t, 4> kUnits = {0, 10'000, 100, 1};
  put_clock(static_cast<unsigned>(clock >> 12 & 0x3FF), clock >> 6 & 0x3F, clock & 0x3F, out);
  const auto fraction = static_cast<std::uint32_t>(size & ((std::uint64_t{1} << fraction_bits) - 1));
  put_fraction(fraction * kUnits[fraction_bits / 8], digits, out);
}

void read_binlog_datetime(BinlogBytes& in, unsigned digits, std::string& out) {
  const std::uint64_t packed = in.big(5) & 0x7FFFFFFFFF;  // without the sign, which no date has
  const std::uint64_t months = packed >> 22;
  put_date(static_cast<unsigned>(months / 13), months % 13, packed >> 17 & 0x1F, out);
  out += ' ';
  put_clock(packed >> 12 & 0x1F, packed >> 6 & 0x3F, packed & 0x3F, out);
  put_fraction(read_fraction(in, digits), digits, out);
}

void read_binlog_timestamp(BinlogBytes& in, unsigned digits, std::string& out) {
  put_timestamp(static_cast<std::uint32_t>(in.big(4)), out);
  put_fraction(read_fraction(in, digits), digits, out);
}

void read_binlog_date(BinlogBytes& in, std::string& out) {
  const std::uint64_t packed = in.little(3);
  put_date(static_cast<unsigned>(packed >> 9), packed >> 5 & 0xF, packed & 0x1F, out);
}

void read_binlog_old_time(BinlogBytes& in, std::string& out) {
  auto number = static_cast<std::int32_t>(in.little(3) << 8) >> 8;
  if (number < 0) out += '-';
  const auto size = static_cast<unsigned>(number < 0 ? -number : number);
  put_clock(size / 10'000, size / 100 % 100, size % 100, out);
}

void read_binlog_old_datetime(BinlogBytes& in, std::string& out) {
  const std::uint64_t number = in.little(8);
  const std::uint64_t date = number / 1'000'000;
  const std::uint64_t clock = number % 1'000'000;
  put_date(static_cast<unsigned>(date / 10'000 % 10'000), date / 100 % 100, date % 100, out);
  out += ' ';
  put_clock(static_cast<unsigned>(clock / 10'000), clock / 100 % 100, clock % 100, out);
}

void read_binlog_old_timestamp(BinlogBytes& in, std::string& out) {
  put_timestamp(static_cast<std::uint32_t>(in.little(4)), out);
}

void read_binlog_uuid(std::string_view bytes, std::string& out) {
  if (bytes.size() != 16) return;
  std::array<unsigned char, 16> plain{};
  for (std::size_t i = 0; i < 16; ++i) plain[i] = static_cast<unsigned char>(bytes[i]);
  if ((plain[6] & 0x80) != 0 && plain[8] > 0 && plain[8] <= 0x80) {  // stored with the node first
    const auto stored = plain;
    const auto move = [&](std::size_t to_place, std::size_t from, std::size_t size) {
      for (std::size_t i = 0; i < size; ++i) plain[to_place + i] = stored[from + i];
    };
    move(0, 12, 4);
    move(4, 10, 2);
    move(6, 8, 2);
    move(8, 6, 2);
    move(10, 0, 6);
  }
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    fmt::format_to(to(out), "{:02x}", plain[i]);
  }
}

void read_binlog_inet(std::string_view bytes, std::string& out) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  if ((bytes.size() == 4 || bytes.size() == 16) &&
      inet_ntop(family, bytes.data(), text.data(), text.size()) != nullptr)
    out += text.data();
}

}  // namespace millrace
