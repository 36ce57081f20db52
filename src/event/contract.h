#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/decimal.h"
#include "base/env.h"
#include "base/result.h"
#include "base/time.h"

/// Data contracts: files of the Open Data Contract Standard 3.1
/// (bitol-io.github.io/open-data-contract-standard), read into the structures below. docs/how-to/contracts.md
/// says what of the standard means something here.
namespace millrace {

/// ODCS `logicalType`; kAny when the contract does not say.
enum class LogicalType : std::uint8_t {
  kAny,
  kString,
  kDate,
  kTimestamp,
  kTime,
  kNumber,
  kInteger,
  kObject,
  kArray,
  kBoolean
};

/// Return "string", …; for kAny "any".
std::string_view logical_type_name(LogicalType type);

/// A bound of a value. Times are microseconds since 1970.
struct ValueBound {
  double value = 0;
  std::string text;  ///< as written
  bool exclusive = false;
};

/// ODCS `logicalTypeOptions`, those that say something of values.
struct LogicalTypeOptions {
  std::optional<ValueBound> minimum;
  std::optional<ValueBound> maximum;
  std::optional<Decimal> multiple_of;
  std::optional<std::uint64_t> min_length, max_length;  ///< in characters
  std::optional<std::uint64_t> min_items, max_items;
  std::optional<std::uint64_t> min_properties, max_properties;
  bool unique_items = false;
  std::string pattern;  ///< found anywhere in the text
  std::string format;
};

enum class RuleSeverity : std::uint8_t { kWarn, kStop };

/// ODCS `mustBe…`: how a rule's figure is judged.
struct RuleOperator {
  enum class Kind : std::uint8_t {
    kBe,
    kNotBe,
    kGreater,
    kGreaterOrEqual,
    kLess,
    kLessOrEqual,
    kBetween,
    kNotBetween
  };
  Kind kind = Kind::kBe;
  double first = 0;
  double second = 0;  ///< of the two that are between

  bool holds(double figure) const;
  std::string text() const;  ///< "must be less than 5"
};

/// One entry of ODCS `quality` that a machine can judge; those of `type: text` and `custom` are left out.
struct QualityRule {
  enum class Metric : std::uint8_t {
    kNullValues,
    kMissingValues,
    kInvalidValues,
    kDuplicateValues,
    kRowCount,
    kFreshness,  ///< ours: seconds since the newest value; `slaProperties` latency gives one
    kSql
  };
  Metric metric = Metric::kNullValues;
  std::string name;  ///< its id, else its name, else made of metric and property; unique in its object
  std::string description;
  std::string dimension;
  RuleSeverity severity = RuleSeverity::kStop;
  bool percent = false;  ///< of the rows, instead of rows
  RuleOperator must;
  std::vector<std::string> valid_values;
  std::vector<std::string> missing_values;
  bool null_is_missing = false;
  std::string pattern;
  std::vector<std::string> properties;  ///< of kDuplicateValues over several
  std::string query;                    ///< of kSql
  std::string where;                    ///< "contracts/shop.yaml:12"

  /// Return whether no single row may break it, so that it can be judged of each event by itself.
  bool forbids_any() const { return must.kind == RuleOperator::Kind::kBe && must.first == 0; }
};

std::string_view rule_metric_name(QualityRule::Metric metric);

/// ODCS `relationships` of a property: its values are found in another's.
struct Relationship {
  std::string object;    ///< name of the other, in this contract or a table
  std::string property;  ///< of it
  std::string where;
};

/// One property of an object, or the items of an array.
struct ContractProperty {
  std::string name;
  std::string physical_name;
  std::string description;
  std::string classification;
  LogicalType type = LogicalType::kAny;
  LogicalTypeOptions options;
  bool required = false;
  bool unique = false;
  bool primary_key = false;
  std::vector<ContractProperty> properties;  ///< of an object
  std::vector<ContractProperty> items;       ///< of an array: none or one
  std::vector<QualityRule> quality;
  std::vector<Relationship> relationships;
  std::string where;

  /// Return its name in the data.
  const std::string& column() const { return physical_name.empty() ? name : physical_name; }
};

/// One entry of ODCS `schema`: with `physicalType: event` the events of a type, else a table or view.
struct ContractObject {
  std::string name;
  std::string physical_name;
  std::string physical_type;
  std::string description;
  std::vector<ContractProperty> properties;
  std::vector<QualityRule> quality;
  std::string where;

  bool is_event() const { return physical_type == "event"; }
  const std::string& table() const { return physical_name.empty() ? name : physical_name; }
};

struct ContractPerson {
  std::string name;  ///< the user name or address
  std::string role;
};

/// One version of a contract.
struct Contract {
  Path path;
  std::string id;
  std::string name;
  std::string version;
  std::string status;
  std::string domain;
  std::string description;
  std::vector<std::string> sources;    ///< customProperties `sources`; none: events of all
  std::vector<std::string> consumers;  ///< customProperties `consumers`: who is told of changes
  std::vector<ContractPerson> team;
  std::uint64_t stop_after = 0;     ///< customProperties `stopAfter`; 0: a source is never stopped
  std::optional<TimeUs> effective;  ///< customProperties `effectiveDate`; none: it always held
  std::vector<ContractObject> objects;

  /// Return whether it counts: `active` or `deprecated`; what is proposed, a draft or retired does not.
  bool is_in_force() const { return status == "active" || status == "deprecated"; }
  /// "shop-events 1.2.0"
  std::string title() const { return id + " " + version; }
};

/// Read one file. Errors: kInvalid, all mistakes at once, each with file and line: what the standard does not
/// know, and what contradicts itself.
Result<Contract> parse_contract(std::string_view text, const Path& path);

/// Read the files *.yaml and *.yml of a project's folder `contracts`, in the order of their names; none when
/// there is no such folder. Errors: kInvalid with the mistakes of all files, and where versions contradict
/// one another (`check_versions`).
Result<std::vector<Contract>> load_contracts(Env& env, const Path& dir);

/// Refuse versions of one contract that contradict each other: the same version twice, two that take effect
/// at the same time. Errors: kInvalid.
Status check_versions(const std::vector<Contract>& contracts);

}  // namespace millrace
