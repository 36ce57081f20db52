#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "log/event_log.h"
#include "warehouse/fact_writer.h"

namespace millrace {

/// The account of one topic, or of all: what was logged and what became of it in the warehouse.
struct BookLine {
  std::uint64_t logged = 0;
  std::uint64_t applied = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t quarantined_later = 0;
  std::uint64_t pending = 0;
};

/// Events in, events out: docs/schema.md, `_books`.
struct Books {
  BookLine events;      ///< topic `events`
  BookLine quarantine;  ///< topic `quarantine`: refused when they came

  /// False when more was accounted for than logged, or when a partition read to its end does not add up:
  /// something was lost or counted twice.
  bool balanced = true;

  /// Return how many events ever reached us and were answered for: logged in either topic.
  std::uint64_t received() const { return events.logged + quarantine.logged; }

  /// Return {"received","logged","refused","applied","duplicate","quarantined_later","pending","balanced"}.
  std::string json() const;
};

/// Where the loader stands: what it committed last.
struct LoadPosition {
  bool known = false;  ///< read from the warehouse: what is not in `next` was never loaded
  std::map<TopicPartition, Offset> next;
  std::map<TopicPartition, BookEntry> books;
};

/// Draw up the books from the loader's position and the log's counts, read after it.
/// Errors: those of EventLog::stats.
Result<Books> draw_up_books(const EventLog& log, const LoadPosition& position);

}  // namespace millrace
