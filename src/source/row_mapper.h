#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "event/event.h"
#include "source/mapping.h"
#include "source/row_groups.h"
#include "source/row_reader.h"
#include "source/row_values.h"

namespace millrace {

/// What rows became: JSON texts one after the other, each followed by a line break.
struct MappedRecords {
  struct Piece {
    std::size_t begin = 0;
    std::size_t size = 0;
    RowPlace place;   ///< of its (first) row
    std::string key;  ///< of an item or a person; empty for events
  };

  std::string text;
  std::vector<Piece> pieces;

  std::string_view json(const Piece& piece) const {
    return std::string_view(text).substr(piece.begin, piece.size);
  }
  void clear() {
    text.clear();
    pieces.clear();
  }
};

/// Turns the rows of one file into native events (docs/formats/native-event.md), or into changes of
/// items or people, as a mapping says. Columns that the mapping does not name are kept: in an event's
/// properties, or as further attributes. The message id of a row is `<content hash>:<place>`.
/// Grouped rows become one event at the end, with the fields of the group's first row and an item for
/// each row; of items and people, the first row of a group counts.
/// One thread.
class RowMapper {
 public:
  /// `mapping` must outlive it. `group_bytes_max` bounds what grouping may hold in memory.
  RowMapper(const Mapping& mapping, const Hash128& content, std::size_t group_bytes_max);

  /// Find the mapping's columns; again whenever there are more of them. With `complete` (a CSV header)
  /// columns that are not there are an error, all at once: kInvalid, `where` pointing into the mapping.
  Status bind(const std::vector<std::string>& columns, bool complete);

  /// Map one row, appending to `out` unless it is grouped or passed over. Errors: kInvalid for a row that
  /// does not fit, which changes nothing; kOutOfRange when the groups need more memory than allowed.
  Status map(const Row& row, MappedRecords& out);

  /// Append finished groups until `out` holds `bytes_enough`; return whether there may be more.
  bool take_groups(MappedRecords& out, std::size_t bytes_enough);

 private:
  void bind_events(ColumnFinder& finder);
  void bind_catalogue(ColumnFinder& finder);
  std::size_t use(ColumnFinder& finder, const ValueRule& rule);

  bool meets_all(std::span<const Condition> conditions, std::span<const std::size_t> columns) const;
  Result<std::string_view> type_of_row() const;
  Result<TimeUs> time_of_row();
  Status read_event(Event& event);
  Result<std::optional<EventItem>> read_item();
  bool write_other_columns(const Row& row, std::string& out, bool needs_comma) const;
  void make_group_key(std::string_view type);

  Status check_price();
  Status map_event(const Row& row, MappedRecords& out);
  Status map_change(const Row& row, MappedRecords& out);
  void write_event(Event& event, const RowPlace& place, MappedRecords& out) const;
  void add_up(Event& event) const;

  const Mapping& mapping_;
  const std::string content_hex_;

  // Numbers of the columns that the rules of `mapping_` name, in the rules' order.
  std::vector<std::string> columns_;
  std::vector<bool> is_used_;  ///< the column's value goes elsewhere than to the properties
  std::vector<std::size_t> event_columns_;
  std::vector<std::size_t> order_columns_;
  std::vector<std::size_t> item_columns_;
  std::vector<std::size_t> attribute_columns_;
  std::vector<std::vector<std::size_t>> condition_columns_;  ///< [type][condition]
  std::vector<std::size_t> only_columns_;
  std::vector<std::size_t> group_columns_;
  std::size_t time_column_ = kNoColumn;
  std::size_t time_plus_column_ = kNoColumn;
  std::size_t id_column_ = kNoColumn;
  std::size_t other_price_column_ = kNoColumn;  ///< of items, where no rule names it

  RowValues values_;
  std::string properties_;      ///< of the present row
  std::string group_key_;       ///< of the present row
  std::string last_time_text_;  ///< rows next to each other often say the same time
  std::optional<TimeUs> last_time_;
  RowGroups groups_;
  std::unordered_set<std::string> ids_seen_;  ///< groups of items or people
};

}  // namespace millrace
