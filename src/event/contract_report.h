#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "event/codec.h"
#include "event/contracts.h"

namespace millrace {

/// What a producer hears of its output before it ships: nothing of it is kept.
class ValidationReport {
 public:
  static constexpr std::size_t kRefusedMax = 100;  ///< that are told one by one

  /// Add what came of one body; `place` is put before where things are, as "line 12".
  void add(const BodySplit& split, std::string_view place = {});
  /// Add what could not be read at all.
  void add_refused(Error reason);

  bool is_valid() const { return refused_total_ == 0; }
  std::uint64_t events() const { return events_; }
  std::uint64_t checked() const;
  std::uint64_t refused_total() const { return refused_total_; }
  const std::vector<Error>& refused() const { return refused_; }
  const ContractNotes& notes() const { return notes_; }

  /// Return {"valid","events","checked","refused","problems":[{"where","code","message"}],"warnings":[…],
  /// "unannounced":[…]}. `checked` counts events held against a contract; one held against two counts twice.
  std::string json() const;

 private:
  std::uint64_t events_ = 0;
  std::uint64_t refused_total_ = 0;
  std::vector<Error> refused_;
  ContractNotes notes_;
};

/// Return {"contracts":[…],"unannounced":[…],"unannounced_left_out":n}: each version with its objects,
/// whether it holds now, and what its objects met.
std::string contracts_json(const Contracts& contracts, TimeUs now);

}  // namespace millrace
