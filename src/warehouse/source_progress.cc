#include "warehouse/source_progress.h"

#include "warehouse/source_sql.h"

namespace millrace {

Result<SourceProgress> SourceProgress::read(duck::Connection& connection) {
  SourceProgress progress;
  MILLRACE_TRY(connection.execute(source_sql::kMakeProgress));
  MILLRACE_ASSIGN(auto offsets, connection.query("SELECT source_name, next_offset FROM _sources.offsets"));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, offsets.next_chunk());
    if (!more) break;
    for (std::size_t i = 0; i < offsets.size(); ++i)
      progress.next[std::string(offsets.text(0, i))] =
          Offset(static_cast<std::uint64_t>(offsets.int64(1, i)));
  }
  MILLRACE_ASSIGN(auto streams, connection.query(source_sql::kReadStreams));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, streams.next_chunk());
    if (!more) break;
    for (std::size_t i = 0; i < streams.size(); ++i)
      progress.streams[std::string(streams.text(0, i))] = {.position = std::string(streams.text(1, i)),
                                                           .commit_time = streams.int64(2, i)};
  }
  MILLRACE_ASSIGN(auto rows, connection.query(source_sql::kReadStates));
  for (;;) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return progress;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto& states = progress.states[std::string(rows.text(0, i))];
      states[std::string(rows.text(1, i))] = source_sql::read_state(rows, i);
    }
  }
}

Status SourceProgress::write(duck::Connection& connection, const SourceProgress& before,
                             const std::set<TableName>& touched) const {
  for (const auto& [source, table] : touched)
    MILLRACE_TRY(source_sql::write_state(connection, source, table, states.at(source).at(table)));
  for (const auto& [source, offset] : next) {
    const auto was = before.next.find(source);
    if (was != before.next.end() && was->second == offset) continue;
    MILLRACE_TRY(
        connection.query("DELETE FROM _sources.offsets WHERE source_name = ?", {std::string_view(source)}));
    MILLRACE_TRY(connection.query("INSERT INTO _sources.offsets VALUES (?, ?)",
                                  {std::string_view(source), static_cast<std::int64_t>(offset.value())}));
  }
  for (const auto& [source, stream] : streams) {
    const auto was = before.streams.find(source);
    if (was != before.streams.end() && was->second == stream) continue;
    MILLRACE_TRY(
        connection.query("DELETE FROM _sources.streams WHERE source_name = ?", {std::string_view(source)}));
    MILLRACE_TRY(connection.query("INSERT INTO _sources.streams VALUES (?, ?, make_timestamp(?))",
                                  {std::string_view(source), std::string_view(stream.position),
                                   static_cast<std::int64_t>(stream.commit_time)}));
  }
  return {};
}

}  // namespace millrace
