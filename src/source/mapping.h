#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/decimal.h"
#include "base/env.h"
#include "base/result.h"
#include "event/event.h"
#include "source/event_members.h"
#include "source/time_format.h"

namespace millrace {

/// What the rows of a file become.
enum class Produce : std::uint8_t { kEvents, kItems, kUsers };

enum class RowFormat : std::uint8_t { kCsv, kJsonLines, kParquet };

/// Where a value comes from: a column, several joined, or a constant when `column` is empty.
struct ValueRule {
  std::string column;
  std::vector<std::string> more_columns;  ///< whose texts follow that of `column`, if all have one
  std::string separator = "-";            ///< between them
  std::string constant;
  std::string prefix;                                      ///< put before a value that is not empty
  std::map<std::string, std::string, std::less<>> values;  ///< what stands for what
  std::optional<std::string> otherwise;  ///< for what `values` does not name; else it stays as it is
  std::string where;                     ///< "mapping.yaml:12"
};

template <class Object>
struct MemberRule {
  Member<Object> member;
  ValueRule value;
};

/// An attribute of a catalogue item or a person.
struct AttributeRule {
  std::string name;
  ValueRule value;
};

/// What a row's column has to be.
struct Condition {
  enum class Test : std::uint8_t { kIs, kIsNot, kStartsWith, kBelow, kAbove, kEmpty };

  std::string column;
  Test test = Test::kIs;
  std::vector<std::string> texts;  ///< any of them
  Decimal number;                  ///< of kBelow and kAbove
  bool empty = true;               ///< of kEmpty
  std::string where;
};

/// A row that meets all conditions is an event of this type.
struct TypeRule {
  std::vector<Condition> when;
  std::string type;
};

/// How the rows of a file become events, catalogue items or people. Written as YAML:
/// docs/formats/mapping.md.
struct Mapping {
  std::string source;  ///< who sends; empty for the file's own name
  RowFormat format = RowFormat::kCsv;
  char delimiter = ',';
  Produce produce = Produce::kEvents;

  ValueRule time;
  TimeFormat time_format;
  ValueRule time_plus;  ///< what is added to it, if anything: milliseconds since a visit began, …
  TimeFormat time_plus_format;
  std::vector<TypeRule> types;  ///< the first that fits counts
  std::vector<MemberRule<Event>> event;
  std::vector<MemberRule<EventOrder>> order;
  std::vector<std::optional<Decimal> EventOrder::*> sums_of_items;  ///< amounts of the order to be added up
  std::vector<MemberRule<EventItem>> item;

  ValueRule id;                           ///< of items and users …
  std::vector<AttributeRule> attributes;  ///< … and what else is said of them

  std::vector<Condition> only;        ///< rows that do not meet all are passed over
  std::string unnest;                 ///< path of a list whose elements are the rows; empty: none
  std::vector<std::string> group_by;  ///< rows alike in these columns (and in type) are one event
  std::vector<std::string> ignore;    ///< columns to leave out
  std::string group_by_where;         ///< "mapping.yaml:3"
  std::string ignore_where;
};

/// Read a mapping. `name` is what messages call it. Errors: kInvalid, `where` with the line; an unknown
/// key or field is refused with the nearest known name.
Result<Mapping> parse_mapping(std::string_view text, const Path& name, Env& env = Env::system());

/// Errors: those of `read_file` and `parse_mapping`.
Result<Mapping> load_mapping(Env& env, const Path& path);

/// Return a mapping of `items` or `users` files that name their columns as we do: `id` (or `item_id`,
/// `user_id`), everything else an attribute.
Mapping plain_mapping(Produce produce, RowFormat format, std::string id_column);

}  // namespace millrace
