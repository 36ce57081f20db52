#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <prometheus/counter.h>

#include "base/logging.h"
#include "event/contract.h"
#include "event/contract_check.h"
#include "event/event.h"
#include "event/source_gate.h"

namespace millrace {

/// What an object of a contract has met since the process began.
struct ContractCounts {
  std::uint64_t checked = 0;
  std::uint64_t refused = 0;
  std::uint64_t warned = 0;
  std::string warning;  ///< of the last
};

/// A property that came and that no contract announces.
struct UnannouncedProperty {
  std::string contract;  ///< its id
  std::string object;
  std::string property;
  std::uint64_t events = 0;
  TimeUs first = 0;
  TimeUs last = 0;
};

/// The contracts of a project, ready to check events. Of each contract the version in force when the event
/// happened counts, by `event_time`: so what is loaded late or once more is judged by what held then.
/// Threads: any; the contracts are fixed, the counts guarded.
class Contracts {
 public:
  /// Needs what `load_contracts` gave. Counts go to the metrics only when `is_live`.
  explicit Contracts(std::vector<Contract> contracts, bool is_live = false);

  /// Check one event against every contract that speaks of it. Errors: kInvalid, naming contract and
  /// property.
  Status check(const Event& event, ContractNotes& notes) const;

  /// Add up what was seen in one body that is being taken in.
  void count(const ContractNotes& notes, TimeUs now) const;

  /// Watches sources; only of the live contracts.
  SourceGate& gate() const { return gate_; }

  const std::vector<Contract>& all() const { return contracts_; }
  bool empty() const { return by_name_.empty(); }

  /// Return whether `contract` is the version of its id that holds at `time`.
  bool holds_at(const Contract& contract, TimeUs time) const;

  /// Return the sum over the versions of a contract's object.
  ContractCounts counts(const std::string& id, const std::string& object) const;
  std::vector<UnannouncedProperty> unannounced() const;
  std::uint64_t unannounced_left_out() const;  ///< beyond what the list holds

  static constexpr std::size_t kUnannouncedMax = 1'000;

 private:
  /// The versions of one contract, from the oldest.
  struct Version {
    TimeUs from = kTimeMin;
    std::unique_ptr<EventRules> rules;  ///< null: this version says nothing of the object
    const Contract* contract = nullptr;
  };
  struct Timeline {
    std::string id;
    std::vector<std::string> sources;
    std::vector<Version> versions;

    const Version* at(TimeUs time) const;
  };
  struct Totals : ContractCounts {
    prometheus::Counter* checked_metric = nullptr;
    prometheus::Counter* refused_metric = nullptr;
    prometheus::Counter* warned_metric = nullptr;
  };
  using Key = std::pair<std::string, std::string>;  ///< id and object

  void add_contract(const std::vector<const Contract*>& versions);
  const std::vector<Timeline>* find(const Event& event) const;
  void add_unannounced(const ContractNotes::Unannounced& seen, TimeUs now) const;

  const std::vector<Contract> contracts_;
  const bool is_live_;
  std::map<std::string, std::vector<Timeline>, std::less<>> by_name_;  ///< of the type of event
  std::array<const std::vector<Timeline>*, 16> by_type_{};             ///< the same of our types

  std::unordered_map<const EventRules*, Totals*> by_rules_;  ///< into `totals_`

  mutable SourceGate gate_;

  mutable std::mutex mutex_;              ///< guards the rest
  mutable std::map<Key, Totals> totals_;  ///< its keys are fixed
  mutable std::map<std::pair<Key, std::string>, UnannouncedProperty> unannounced_;
  mutable std::uint64_t unannounced_left_out_ = 0;
  mutable LogLimiter lines_{20, 2};
};

}  // namespace millrace
