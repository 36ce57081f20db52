#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "event/event.h"
#include "source/row_reader.h"

namespace millrace {

/// Events that are put together from several rows, such as the lines of an invoice, wherever in the file
/// they stand. Holds all of a file in memory, within a limit. One thread.
class RowGroups {
 public:
  struct Group {
    Event event;  ///< with the fields of its first row
    std::vector<EventItem> items;
    RowPlace place;  ///< of its first row
  };

  explicit RowGroups(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// Add a row to the group of `key`, which begins with the row's own event. Copies all texts.
  /// Errors: kOutOfRange when more memory were needed than allowed.
  Status add(std::string_view key, const RowPlace& place, const Event& event,
             const std::optional<EventItem>& item);

  /// Return the next group, in the order of their first rows, or nothing. Valid until the next `add`.
  Group* take();

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  Group& find_or_begin(std::string_view key, const RowPlace& place, const Event& event);
  std::string_view keep(std::string_view text);

  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  EventBatch texts_;  ///< owns what the groups' views point to
  std::vector<Group> groups_;
  std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> index_;
  std::string last_key_;  ///< the rows of a group mostly stand together
  std::size_t last_group_ = 0;
  std::size_t taken_ = 0;
};

}  // namespace millrace
