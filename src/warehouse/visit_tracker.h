#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/hash.h"
#include "base/time.h"
#include "event/event.h"

namespace millrace {

/// Decides which visit an event belongs to, as docs/schema.md (*visits*) says: by the source's session id,
/// else by the 30-minute rule, for which it follows each visitor's present visit. Like DuplicateFilter, what
/// a transaction does lasts only when it commits. Threads: one at a time.
class VisitTracker {
 public:
  static constexpr DurationUs kGap = 30 * kMinuteUs;

  struct Visit {
    std::uint64_t id = 0;
    TimeUs first = 0;
    TimeUs last = 0;
  };

  /// Follow `visitors_max` visitors at most; beyond it those longest without an event are forgotten.
  explicit VisitTracker(std::size_t visitors_max) : visitors_max_(visitors_max) {}

  /// Return the visit of `event`, or nothing when it names nobody.
  std::optional<std::uint64_t> visit_of(const Event& event);

  /// Take up a visitor's present visit as read back from the tables.
  void restore(std::string_view source, std::string_view who, const Visit& visit);

  void commit();
  void rollback() { fresh_.clear(); }
  std::size_t size() const { return visits_.size(); }

 private:
  Visit* present_visit(const Hash128& visitor);
  std::uint64_t visit_without_session(const Event& event, std::string_view who);
  void forget_stalest();

  const std::size_t visitors_max_;
  std::unordered_map<Hash128, Visit> visits_;
  std::unordered_map<Hash128, Visit> fresh_;  ///< changed by the transaction
  std::string scratch_;
};

}  // namespace millrace
