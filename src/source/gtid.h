#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// The number of a transaction of MariaDB: domain-server-sequence, "0-1-42".
struct Gtid {
  std::uint32_t domain = 0;
  std::uint32_t server = 0;
  std::uint64_t sequence = 0;

  bool operator==(const Gtid&) const = default;
  std::string text() const;
};

/// How far a binary log was read: of each domain the last transaction that is done, and of the one behind it
/// perhaps a part. Written "gtid:0-1-41,1-2-7", or "gtid:0-1-41 0-1-42+3" when three events of rows of 0-1-42
/// are done too.
class GtidPosition {
 public:
  /// Read what `text` writes. "" and "file:…", which a server says that has no transaction yet, are the
  /// beginning. Errors: kInvalid.
  static Result<GtidPosition> parse(std::string_view text);

  std::string text() const;
  /// Return the transactions alone: "0-1-41,1-2-7".
  std::string list() const;

  /// Return whether the transaction is done.
  bool covers(const Gtid& gtid) const;
  /// Note that the transaction is done.
  void advance(const Gtid& gtid);
  /// Note that of the transaction behind this position the first `events` events of rows are done.
  void advance_within(const Gtid& gtid, std::uint64_t events);
  /// Return how many events of rows of this transaction, which is not done, are.
  std::uint64_t events_done(const Gtid& gtid) const;

  /// Return of each domain the later, or the earlier, of two; one that a position lacks is at its beginning.
  static GtidPosition later(const GtidPosition& a, const GtidPosition& b);
  static GtidPosition earlier(const GtidPosition& a, const GtidPosition& b);

  bool operator==(const GtidPosition&) const = default;

 private:
  std::map<std::uint32_t, Gtid> domains_;
  std::optional<Gtid> within_;
  std::uint64_t events_ = 0;
};

}  // namespace millrace
