#include "source/change_stream.h"

#include <algorithm>
#include <array>

#include <unistd.h>

#include "base/hash.h"
#include "base/logging.h"
#include "log/topics.h"
#include "source/follow_run.h"

namespace millrace {
namespace {

constexpr DurationUs kPauseMin = kSecondUs / 5;
constexpr DurationUs kPauseMax = 30 * kSecondUs;
constexpr DurationUs kNap = kSecondUs / 20;

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

/// One source and its thread.
class ChangeStreams::Stream {
 public:
  Stream(const Extracts::Tools& tools, const MysqlSource& source, std::uint32_t server_id)
      : tools_(tools),
        source_(source),
        server_id_(server_id),
        watch_(tools.log, tools.env,
               {.source = source.name,
                .outage_after = source.outage_after,
                .stale = "its tables are as they were then"}),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  const std::string& name() const { return source_.name; }
  FollowStatus status() const { return watch_.board().read(); }
  void request_stop() { thread_.request_stop(); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run(const std::stop_token& stop);
  void pause(DurationUs time, const std::stop_token& stop);

  const Extracts::Tools tools_;
  const MysqlSource source_;
  const std::uint32_t server_id_;
  FollowWatch watch_;
  FollowMemory memory_;
  std::jthread thread_;  ///< last: it uses all of the above
};

void ChangeStreams::Stream::run(const std::stop_token& stop) {
  DurationUs next = kPauseMin;
  while (!stop.stop_requested()) {
    const auto on_streaming = [&] {
      next = kPauseMin;
      watch_.works();
    };
    FollowRun follow(tools_, source_, server_id_, memory_, watch_.board(), on_streaming, stop);
    const Status ended = follow.run();
    if (stop.stop_requested()) return;
    if (ended) continue;
    watch_.failed(ended.error());
    pause(next, stop);
    next = std::min(2 * next, kPauseMax);
  }
}

void ChangeStreams::Stream::pause(DurationUs time, const std::stop_token& stop) {
  const DurationUs until = tools_.env.steady_now() + time;
  while (!stop.stop_requested() && tools_.env.steady_now() < until) tools_.env.sleep_for(kNap);
}

ChangeStreams::ChangeStreams(const Extracts::Tools& tools, const std::string& identity) {
  for (const MysqlSource& source : tools.sources) {
    if (!source.follow) continue;
    if (const Status made = tools.log.create_topic(kSourceEventsTopic, tools.topic); !made)
      log_error("follow", "could not make the topic of events", {field("error", made.error().text())});
    // Below 2^31, away from the small numbers that people give; the same after a restart, so that the server
    // ends a connection of ours that it has not seen break.
    const auto id =
        static_cast<std::uint32_t>(hash64(host_name() + identity + "/" + source.name) & 0x3FFFFFFF) |
        0x40000000;
    streams_.push_back(std::make_unique<Stream>(tools, source, id));
  }
}

ChangeStreams::~ChangeStreams() {
  stop();
}

void ChangeStreams::stop() {
  for (const auto& stream : streams_) stream->request_stop();
  for (const auto& stream : streams_) stream->join();
}

std::optional<FollowStatus> ChangeStreams::status(const std::string& source) const {
  for (const auto& stream : streams_)
    if (stream->name() == source) return stream->status();
  return std::nullopt;
}

}  // namespace millrace
