#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/contract.h"

namespace re2 {
class RE2;
}

namespace millrace {

/// One value as it is found in data. Views.
struct ContractCell {
  enum class Kind : std::uint8_t { kAbsent, kText, kNumber, kBoolean, kTime, kArray, kObject };
  Kind kind = Kind::kAbsent;
  std::string_view text;  ///< of text; a number's, array's or object's JSON
  double number = 0;      ///< of a number without a text, a time (microseconds), a boolean (0 or 1)
};

/// What is wrong with a value.
struct Misfit {
  enum class Kind : std::uint8_t { kMissing, kRetyped, kValue };
  Kind kind = Kind::kValue;
  std::string message;  ///< "must be one of EUR, USD, not 'GBP'"
  bool warn = false;    ///< a rule of severity warn: counted, but let through
};

/// Compile a pattern as values are checked with it; ask it whether it is `ok`.
std::unique_ptr<re2::RE2> compile_pattern(const std::string& pattern);

/// Checks single values against what one property says of them: type, options, and those quality rules that
/// no value may break. Immutable; threads: any.
class ValueCheck {
 public:
  enum class From : std::uint8_t {
    kJson,  ///< a number is a number, and text is text
    kText,  ///< values that come as text are read as what they should be: columns of CSV, ids
  };

  ValueCheck(const ContractProperty& property, From from);
  ~ValueCheck();
  ValueCheck(ValueCheck&&) noexcept;

  /// Return what is wrong with `cell`; nothing when it is right. An absent one is not asked about.
  std::optional<Misfit> misfit(const ContractCell& cell) const {
    const Finding found = find(cell);
    return found.fault == Fault::kNone ? std::nullopt : std::optional<Misfit>(tell(found, cell));
  }

  /// Return whether any value of a field of type `field` is right, so that only its absence can be wrong.
  bool takes_any(LogicalType field) const {
    return !is_bounded_ && rules_.empty() && (type_ == LogicalType::kAny || type_ == field);
  }

 private:
  enum class Fault : std::uint8_t {
    kNone,
    kType,
    kMinLength,
    kMaxLength,
    kPattern,
    kMinimum,
    kMaximum,
    kMultiple,
    kRule
  };
  struct Rule {
    std::vector<std::string> valid;     ///< empty: any
    std::vector<double> valid_numbers;  ///< those of them that are numbers
    std::vector<std::string> missing;   ///< values that stand for none
    std::vector<double> missing_numbers;
    std::unique_ptr<re2::RE2> pattern;
    std::string said;  ///< what a value must be
    bool warn = false;
  };
  struct Finding {
    Fault fault = Fault::kNone;
    const Rule* rule = nullptr;
  };

  Finding find(const ContractCell& cell) const {
    const bool is_plain_text = takes_any_text_ && cell.kind == ContractCell::Kind::kText;
    return is_plain_text ? Finding{} : find_fault(cell);
  }
  Finding find_fault(const ContractCell& cell) const;
  bool has_type(const ContractCell& cell, double& number) const;
  bool has_time_type(const ContractCell& cell, double& number) const;
  Fault text_fault(std::string_view text) const;
  Fault number_fault(const ContractCell& cell, double number) const;
  static bool fits(const Rule& rule, std::string_view text, const double* number);
  bool is_multiple(const ContractCell& cell, double number) const;
  Misfit tell(const Finding& found, const ContractCell& cell) const;
  std::string must(const Finding& found) const;
  bool is_number() const { return type_ == LogicalType::kNumber || type_ == LogicalType::kInteger; }

  LogicalType type_;
  From from_;
  bool takes_any_text_ = false;  ///< nothing but the type is said, which is text or any
  bool is_bounded_ = false;      ///< options say anything of values
  LogicalTypeOptions options_;
  std::unique_ptr<re2::RE2> pattern_;
  std::vector<Rule> rules_;  ///< those that stop before those that warn
};

}  // namespace millrace
