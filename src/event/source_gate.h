#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "event/contract_check.h"

namespace millrace {

/// A source whose data lack a property or have it in another type, one after the other.
struct SourceFault {
  std::string source;
  std::string contract;  ///< its id
  std::string version;
  std::string object;
  std::string property;
  bool is_missing = false;   ///< else of another type
  bool is_stopped = false;   ///< all it sends of the object goes to quarantine
  std::uint64_t events = 0;  ///< in a row
  TimeUs since = 0;
  bool is_told = false;                   ///< since then
  std::map<std::string, TimeUs> told_at;  ///< by property: when each was last told of

  /// "20 events in a row lack order.revenue"
  std::string text() const;
};

/// Watches sources for a property that went missing or changed its type, which no single bad event tells. It
/// is told of, once an hour at the most for each property, and stops that source alone where the contract
/// says so (`stopAfter`). Threads: any.
class SourceGate {
 public:
  static constexpr std::uint64_t kTellAfter =
      20;  ///< events in a row, where the contract does not stop sooner
  static constexpr std::size_t kWatchedMax = 10'000;
  static constexpr DurationUs kTellEvery = kHourUs;  ///< of a source that is right in between

  using OnFault = std::function<void(const SourceFault&)>;

  /// Call `on_fault` when a fault is told of; before any event comes. It may be called from any thread, and
  /// must not block.
  void set_on_fault(OnFault on_fault) { on_fault_ = std::move(on_fault); }

  /// Refuse an event of a source that is stopped. Errors: kInvalid.
  Status admit(std::string_view source, const EventRules& rules) const;

  /// Note what came of an event: `breach`, or nothing when it was right.
  void note(std::string_view source, const EventRules& rules, const ContractBreach* breach, TimeUs now);

  /// Let a source through again, and forget what it did. Return what it was stopped for.
  std::vector<SourceFault> resume(std::string_view source);

  /// Stop a source again, as an earlier process had.
  void restore(SourceFault fault);

  /// Return those that were told of and last.
  std::vector<SourceFault> faults() const;

 private:
  using Key = std::pair<std::string, std::string>;  ///< source; contract and object

  static bool may_tell(const SourceFault& fault, TimeUs now);
  static bool may_forget(const SourceFault& fault, TimeUs now);
  static std::string object_key(const EventRules& rules);

  OnFault on_fault_;
  std::atomic<std::size_t> watched_{0};  ///< how many there are, so that nobody waits while all is well
  mutable std::mutex mutex_;             ///< guards the rest
  std::map<Key, SourceFault> faults_;
};

}  // namespace millrace
