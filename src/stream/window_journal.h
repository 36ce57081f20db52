#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// What the windows job decided to do at once: how far to read each partition, and whether that was all there
/// was. With the facts this says all: doing the same steps again gives the same messages.
struct WindowStep {
  std::uint64_t number = 0;     ///< counts up
  TimeUs now = 0;               ///< the wall clock
  std::vector<Offset> next;     ///< by partition: where to read on after it
  std::vector<bool> exhausted;  ///< by partition: nothing more had been logged at `now`

  bool operator==(const WindowStep&) const = default;
};

/// Where a journal begins: what must be known to go on without the state as of then.
struct WindowBase {
  std::uint64_t number = 0;                    ///< of the last step before it
  std::vector<Offset> next;                    ///< by partition, likewise
  std::string marks;                           ///< WindowState::save_marks
  std::map<TopicPartition, Offset> published;  ///< what the steps after it publish lies at or behind these

  bool operator==(const WindowBase&) const = default;
};

/// The file of steps since a snapshot. A step is on disk before it is done, so that whatever was published is
/// of a step that is there. Bytes: docs/formats/window-journal.md. One thread.
class WindowJournal {
 public:
  /// `env` must outlive it.
  WindowJournal(Env& env, Path path) : env_(env), path_(std::move(path)) {}

  /// Read what is there. A torn end is passed over: its step was never done. Errors: kNotFound; kCorrupt when
  /// not even the beginning is whole; those of Env.
  Status open();

  /// Begin anew at `base`, whole or not at all. Errors: those of Env.
  Status restart(WindowBase base);

  /// Have the base say also where partitions published to begin that it does not know. Errors: those of Env.
  Status publish_from(const std::map<TopicPartition, Offset>& ends);

  /// Make a step durable. Errors: those of Env; the step may be there all the same, until the next one.
  Status add(const WindowStep& step);

  const WindowBase& base() const { return base_; }
  /// Return the steps that `open` found and those added since.
  const std::vector<WindowStep>& steps() const { return steps_; }
  /// Return where the last step left off, or the base.
  std::uint64_t last_number() const { return steps_.empty() ? base_.number : steps_.back().number; }
  const std::vector<Offset>& last_next() const { return steps_.empty() ? base_.next : steps_.back().next; }

 private:
  Status write_anew(WindowBase base, std::vector<WindowStep> steps);

  Env& env_;
  const Path path_;
  WindowBase base_;
  std::vector<WindowStep> steps_;
  std::uint64_t sound_bytes_ = 0;  ///< of the file, where the next step goes
  std::unique_ptr<File> file_;     ///< none: write it anew
};

}  // namespace millrace
