#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "log/event_log.h"
#include "source/growing_lines.h"

namespace millrace {

/// Which file a name stands for at the moment.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

/// Errors: kNotFound, kDenied, kIo.
Result<FileIdentity> identity_of(const Path& path);

/// How far a followed file is. Bytes: docs/formats/follow.md.
struct FollowState {
  FileIdentity file;
  GrowingLines::Head head;
  GrowingLines::Place place;
  std::string id;  ///< of this file, for message ids; new whenever it begins anew
  /// Where the topics that it writes to ended when this was noted: what came before `place` lies below.
  std::map<std::string, std::vector<Offset>> log_ends;
};

/// Read the note at `path`, or nothing when there is none. Errors: kCorrupt, and those of `read_file`.
Result<std::optional<FollowState>> load_follow_state(Env& env, const Path& path);

/// Replace the note. Errors: those of `write_file_atomically`.
Status save_follow_state(Env& env, const Path& path, const FollowState& state);

/// Return where `topics` end now. Errors: those of `EventLog::stats`.
Result<std::map<std::string, std::vector<Offset>>> ends_of(const EventLog& log,
                                                           const std::vector<std::string>& topics);

/// Records of one source that lie in the log behind certain places, to be left out once each.
class KnownRecords {
 public:
  /// Read them. Errors: those of `EventLog::read`.
  Status find(const EventLog& log, const std::map<std::string, std::vector<Offset>>& from,
              std::string_view source);

  /// Return whether there is one with these bytes, and forget that one.
  bool take(std::string_view topic, std::string_view value);

  void clear() { counts_.clear(); }
  bool is_empty() const { return counts_.empty(); }

 private:
  Status find_in(const EventLog& log, const TopicPartition& partition, Offset from, std::string_view source);

  std::map<Hash128, std::uint64_t> counts_;  ///< by a hash of topic and value
};

}  // namespace millrace
