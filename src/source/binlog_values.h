#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "source/binlog_events.h"

namespace millrace {

// Values as the binary log has them, appended to `out` as the server prints them. What is cut short is noted
// in `in`, and what is appended then means nothing.

/// Return how many bytes a DECIMAL takes.
std::size_t binlog_decimal_bytes(unsigned precision, unsigned scale);
void read_binlog_decimal(BinlogBytes& in, unsigned precision, unsigned scale, std::string& out);

/// `digits` are those of the fractions of seconds, 0 to 6.
void read_binlog_time(BinlogBytes& in, unsigned digits, std::string& out);
void read_binlog_datetime(BinlogBytes& in, unsigned digits, std::string& out);
/// Seconds since 1970, as a date and time in UTC.
void read_binlog_timestamp(BinlogBytes& in, unsigned digits, std::string& out);

void read_binlog_date(BinlogBytes& in, std::string& out);
// The forms of before MySQL 5.6, which MariaDB still has in tables that were made so; without fractions.
void read_binlog_old_time(BinlogBytes& in, std::string& out);
void read_binlog_old_datetime(BinlogBytes& in, std::string& out);
void read_binlog_old_timestamp(BinlogBytes& in, std::string& out);

/// 16 bytes as MariaDB stores a UUID: those with a time in them have its parts in another order.
void read_binlog_uuid(std::string_view bytes, std::string& out);
/// 4 or 16 bytes.
void read_binlog_inet(std::string_view bytes, std::string& out);

}  // namespace millrace
