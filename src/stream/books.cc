#include "stream/books.h"

#include "event/json_writer.h"
#include "log/topics.h"

namespace millrace {
namespace {

/// Add up the account of one topic. Since the log's counts are read after the loader's position, `logged` can
/// only be ahead of it; what it is ahead by is pending.
Result<BookLine> account_of(const EventLog& log, std::string_view topic, const LoadPosition& position,
                            bool& balanced) {
  BookLine line;
  const auto topics = log.topics();
  const auto found = topics.find(std::string(topic));
  if (found == topics.end()) return line;
  for (std::uint32_t i = 0; i < found->second.partitions; ++i) {
    const TopicPartition partition{std::string(topic), PartitionId(i)};
    MILLRACE_ASSIGN(const auto stats, log.stats(partition));
    const auto book = position.books.find(partition);
    const auto next = position.next.find(partition);
    const BookEntry entry = book == position.books.end() ? BookEntry{} : book->second;
    const bool at_end = next != position.next.end() && next->second == stats.end;
    balanced &= entry.total() <= stats.count_total && (!at_end || entry.total() == stats.count_total);
    line.logged += stats.count_total;
    line.applied += entry.applied;
    line.duplicate += entry.duplicate;
    line.quarantined_later += entry.quarantined;
    line.pending += stats.count_total - std::min(stats.count_total, entry.total());
  }
  return line;
}

}  // namespace

Result<Books> draw_up_books(const EventLog& log, const LoadPosition& position) {
  Books books;
  MILLRACE_ASSIGN(books.events, account_of(log, kEventsTopic, position, books.balanced));
  MILLRACE_ASSIGN(books.quarantine, account_of(log, kQuarantineTopic, position, books.balanced));
  return books;
}

std::string Books::json() const {
  std::string text;
  JsonWriter json(text);
  json.begin_object().member("received", received()).member("logged", events.logged);
  json.member("refused", quarantine.logged).member("applied", events.applied);
  json.member("duplicate", events.duplicate).member("quarantined_later", events.quarantined_later);
  json.member("pending", events.pending).member("balanced", balanced).end_object();
  return text;
}

}  // namespace millrace
