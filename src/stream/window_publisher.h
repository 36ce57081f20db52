#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "log/event_log.h"
#include "stream/window_state.h"

namespace millrace {

/// Publishes windows as messages, each once: a message says in its header of which step of the job it is and
/// an id of what it tells of (aggregation, source, window, keys, timing), and what the topics have already is
/// passed over when the steps are done again. One thread.
class WindowPublisher final : public WindowOutput {
 public:
  static constexpr std::string_view kJob = "windows";

  /// Both must outlive it.
  WindowPublisher(EventLog& log, const std::vector<PublishedAggregation>& aggregations)
      : log_(log), aggregations_(aggregations) {}

  /// Make the topics that do not exist. Errors: those of EventLog::create_topic.
  Status make_topics();
  /// Find out what was published at or behind `from`; of a partition that is not named there, from its start.
  /// Errors: those of EventLog::read and stats.
  Status read_tails(const std::map<TopicPartition, Offset>& from);
  /// Return the highest step of which anything was found or published, 0 for none.
  std::uint64_t last_step() const;
  /// Return the ends of all partitions published to.
  Result<std::map<TopicPartition, Offset>> ends() const;

  /// Begin a step at `now`; then come its panes, and `finish`.
  void begin(std::uint64_t step, TimeUs now);
  void on_pane(std::size_t aggregation, std::string_view source, const Pane<PublishedValue>& pane) override;
  void on_too_late(std::uint64_t events) override { too_late_ += events; }
  /// Publish what is left of the step. Errors: those of EventLog::append, also of what was published of the
  /// step before: read the tails and do the step again.
  Status finish();

  std::uint64_t too_late() const { return too_late_; }
  std::uint64_t published() const { return published_; }

 private:
  /// The last step that a partition has something of, and what: by id, how many times.
  struct Tail {
    std::uint64_t step = 0;
    std::unordered_map<std::uint64_t, std::uint32_t> ids;
  };
  struct Message {
    std::string key;
    std::string header;
    std::string value;
  };
  /// What makes one late change take the place of another: aggregation, source, end of the window, keys.
  using Changed = std::tuple<std::size_t, std::string, TimeUs, std::string>;
  struct Late {
    Window window;
    MeasureValues measures;
  };

  std::uint32_t partitions_of(const std::string& topic) const;
  void note_found(const Record& record, Tail& tail) const;
  bool is_published(const TopicPartition& to, std::uint64_t id);
  void put_late();
  void put_late_before(std::size_t aggregation, std::string_view source, TimeUs start);
  void put(std::size_t aggregation, std::string_view source, std::string_view keys, const Window& window,
           PaneTiming timing, const MeasureValues& measures);
  void flush();

  EventLog& log_;
  const std::vector<PublishedAggregation>& aggregations_;
  std::map<std::string, std::uint32_t> topics_;  ///< how many partitions
  std::map<TopicPartition, Tail> tails_;
  std::uint64_t step_ = 0;
  TimeUs now_ = 0;
  std::map<Changed, Late> late_;  ///< of the step: only the last of each is published
  std::size_t late_max_ = 0;      ///< how many it may hold before those that change no more are published
  std::map<TopicPartition, std::vector<Message>> waiting_;
  std::size_t waiting_bytes_ = 0;
  Status failure_;
  std::uint64_t too_late_ = 0;
  std::uint64_t published_ = 0;
};

}  // namespace millrace
