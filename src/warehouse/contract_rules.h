#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "event/contract.h"
#include "event/contracts.h"
#include "warehouse/warehouse.h"

/// The rules of contracts on tables: of ODCS `quality`, and what else a contract says of columns, as SQL.
/// Results lie in the table contract_results (docs/schema.md).
namespace millrace {

/// One rule, ready to be counted over a table.
struct TableRule {
  std::string name;  ///< unique in its object
  std::string property;
  std::string metric;
  std::string dimension;
  RuleSeverity severity = RuleSeverity::kStop;
  bool percent = false;
  RuleOperator must;
  std::string bad;     ///< a condition of SQL over the table's row `t`; "" for rules of the table as a whole
  std::string figure;  ///< of those: a scalar query
  std::string error;   ///< why it cannot be counted: its column is missing, or of another type
};

/// What came of one rule.
struct RuleResult {
  std::string contract;
  std::string version;
  std::string object;
  std::string table;
  TableRule rule;
  bool passed = false;
  std::optional<double> figure;
  std::uint64_t rows = 0;            ///< of the table
  std::string error;                 ///< why there is no figure
  std::vector<std::string> samples;  ///< rows that break it, as JSON; kRuleSamplesMax at most

  bool stops() const { return !passed && rule.severity == RuleSeverity::kStop; }
  /// "required:email of shop 1.0.0: 3 of 120 rows; must be 0"
  std::string text() const;
  std::string counted_rows() const;  ///< "120 rows"
};

inline constexpr std::size_t kRuleSamplesMax = 5;
inline constexpr DurationUs kRuleResultsKept =
    400 * kDayUs;  ///< long enough to see the same month of last year

enum class JudgeWhich : std::uint8_t {
  kAll,
  kThatStop,  ///< within a transaction: after one whose SQL fails no other can be counted, nor need be
  kThatWarn,
};

/// Count rules of one object of a contract over its table, as the connection sees it now; `now` is what
/// freshness is measured from. A table that is not there, and a rule whose SQL fails, is a result that did
/// not pass. Errors: those of the warehouse that are not about the rule (memory, interrupt).
Result<std::vector<RuleResult>> judge_table(duck::Connection& connection, const Contract& contract,
                                            const ContractObject& object, TimeUs now,
                                            JudgeWhich which = JudgeWhich::kAll);

/// The same for every contract that holds now and speaks of `table` ("analytics.purchases"); "": of any
/// table.
Result<std::vector<RuleResult>> judge_by(duck::Connection& connection, const Contracts& contracts,
                                         std::string_view table, TimeUs now, JudgeWhich which);

/// Keep results, in a transaction of the caller's, and forget those older than `kRuleResultsKept`. `run`
/// tells those of one look apart from others.
Status keep_results(duck::Connection& connection, const std::vector<RuleResult>& results,
                    std::string_view run, std::string_view trigger, TimeUs now);

/// Judge `table`, or every table for "", by the contracts that hold now, and keep the results.
Result<std::vector<RuleResult>> check_tables(Warehouse& warehouse, const Contracts& contracts,
                                             std::string_view table);

/// Return the SQL name of the table that an object is about: "analytics"."purchases".
std::string table_of(const ContractObject& object);

}  // namespace millrace
